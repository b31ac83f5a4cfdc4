"""Is a backup one moment of the store, complete or not there, and is what is made of it known for another pair?"""
import base64
import glob
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

from brokers import PROGRAM, WRAPPER, Broker, Pair, Single, wait_for
from conftest import in_step, two_stores
from machine import fit
from load import Load, check_prefix, make
from patience import PATIENCE
from zb1 import Client, Refused, ask, status

ROLES = ["primary", "backup"]
SEED = int(os.environ.get("ZBROKER_SEED", random.randrange(1 << 32)))


def puts(pair):
    return sum((status(endpoint) or {"puts": 0})["puts"] for endpoint in pair.endpoints)


def backup(where, folder, *arguments, check=True):
    """With check until it is made: on a machine that is busy with other tests a pair may be out of step for a while."""
    end = time.monotonic() + PATIENCE
    while True:
        done = subprocess.run([*WRAPPER, PROGRAM, "backup", folder, "--brokers", ",".join(where.endpoints), "--rate", "0",
                               *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=3 * PATIENCE)
        passes = done.returncode == 6 or "changed meanwhile" in done.stderr or "not in sync" in done.stderr
        if not check or not passes or time.monotonic() > end:
            break
        time.sleep(0.1)
    assert not check or done.returncode == 0, done.stderr
    return done


def begin(pair, index, folder, rate, states=("copying",)):
    """Has broker INDEX begin a backup, and waits until it is at that; returns the command's process."""
    def begun():
        before = (status(pair.endpoints[index]) or {}).get("backup") or {"number": 0}
        command = subprocess.Popen([PROGRAM, "backup", folder, "--from", pair.endpoints[index], "--brokers",
                                    ",".join(pair.endpoints), "--rate", rate], stderr=subprocess.PIPE, text=True,
                                   stdout=subprocess.DEVNULL)
        while command.poll() is None:
            now = (status(pair.endpoints[index]) or {}).get("backup") or {"number": 0}
            if now["number"] > before["number"] and now["state"] in states:
                return command
            time.sleep(0.01)
        said = command.stderr.read()
        #  On a busy machine a pair may be out of step for a while.
        assert "not in sync" in said or "changed meanwhile" in said or command.returncode == 6, said
        return None
    return wait_for(begun, "a backup begins")


def dumped(zbroker, folder):
    """The messages of a backup: bodies by queue."""
    lines = [json.loads(line) for line in zbroker(["dump", folder]).stdout.splitlines()]
    queues = {}
    assert lines[-1] == {"zbroker-dump-end": 1, "messages": sum("body" in line for line in lines), "damaged": False}
    for line in lines[1:-1]:
        if "queue" not in line:
            continue
        queues.setdefault(line["queue"], [])
        if "body" in line:
            queues[line["queue"]].append(base64.b64decode(line["body"]))
    return queues


def serve_restored(folder, where, as_what="primary"):
    """A pair of its own over the restored folder and an empty one."""
    pair = Pair()
    os.rename(folder, "%s/%s" % (pair.folder, as_what))
    return pair


def test_one_moment_under_load(pair, zbroker, folder):
    """Taken while producers put into three queues: each has a prefix of each, up to one commit; the pair goes on in sync."""
    load = Load(pair.endpoints, ["ann", "bob"])
    wait_for(lambda: puts(pair) > 200, "some messages")
    done = backup(pair, folder + "/backup", "--json")
    assert json.loads(done.stdout)["commit"] > 100
    roles = [status(endpoint)["role"] for endpoint in pair.endpoints]
    assert json.loads(done.stdout)["broker"] == pair.endpoints[roles.index("active" if pair.shared else "passive")]
    at = puts(pair)
    end = load.end()
    assert at // 2 <= end + 1
    assert re.search("is whole: the store of the .* at commit", zbroker(["verify", folder + "/backup"]).stdout)
    first = check_prefix(dumped(zbroker, folder + "/backup"), ["ann", "bob"])
    assert 50 < first[0] <= end
    assert oct(os.stat(folder + "/backup").st_mode & 0o777) == "0o700"
    #  It is there, so it is not made again.
    again = backup(pair, folder + "/backup", check=False)
    assert again.returncode == 1 and "File exists" in again.stderr
    in_step(pair)


@two_stores
def test_restored(pair, client, zbroker, folder):
    """A restored store is another incarnation: old tokens are told so, producers where they were then, the old peer is another
    pair's; and it makes a pair with a new one."""
    old, keeper = client(pair, "till"), client(pair)
    make(keeper, "orders")
    for number in range(1, 11):
        old.request("PUT", number, "orders", "n=%d" % number, b"order %d" % number)
    got = keeper.request("GET", 1, "orders", 3, 0, "")
    assert keeper.request("ACK", 2, "orders", b" ".join(line.split()[0] for line in got[2].split(b"\n"))) == [b"both"]
    backup(pair, folder + "/backup")
    for number in range(11, 16):
        old.request("PUT", number, "orders", "", b"order %d" % number)
    commit = json.loads(zbroker(["verify", folder + "/backup", "--json"]).stdout)["commit"]
    text = zbroker(["restore", folder + "/backup", folder + "/store"]).stdout
    assert "at commit %d" % commit in text
    with open(folder + "/store/node") as node:
        assert "as primary" in node.read()
    #  Looked at before a broker has opened it: nothing is there that its user could not open.
    before = sorted(os.listdir(folder + "/store"))
    assert "LOCK" not in before
    assert re.search("is whole: the store of the primary at", zbroker(["verify", folder + "/store"]).stdout)
    assert sorted(os.listdir(folder + "/store")) == before
    for broker in pair.brokers:
        broker.stop()
    #  The primary's store is the restored one now.  The old backup is still there: another pair's.
    os.rename(pair.folder + "/primary", pair.folder + "/former")
    os.rename(folder + "/store", pair.folder + "/primary")
    pair.brokers[0].start()
    wait_for(lambda: (ask(pair.endpoints[0], "HELLO", "1") or [b""] * 2)[1] == b"OK", "the restored store serves")
    pair.brokers[1].start()
    wait_for(lambda: status(pair.endpoints[0])["reason"] == "other-pair" or status(pair.endpoints[1])["reason"] == "other-pair"
             or "other pair" in json.dumps(status(pair.endpoints[1])), "the old peer is known for another pair's")
    assert status(pair.endpoints[1])["role"] != "active"
    pair.brokers[1].stop()
    os.rename(pair.folder + "/backup", pair.folder + "/former-backup")
    pair.brokers[1].start()
    in_step(pair)
    assert status(pair.endpoints[0])["epoch"] > 4096

    old.current, old.greeted = 0, False
    with pytest.raises(Refused, match="403 restored at commit %d; say HELLO without token and instance" % commit):
        old.hello()
    old.token = old.instance = b""
    #  A new process of that name is told where the store is: 11 is the next one, whatever was answered after the backup.
    assert old.hello() == 10
    with pytest.raises(Refused, match="409"):
        old.request("PUT", 16, "orders", "", b"order 16")
    old.last = 10
    assert old.request("PUT", 11, "orders", "", b"another 11")[0] == b"both"
    assert client(pair).drain("orders") == [b"order %d" % n for n in range(4, 11)] + [b"another 11"]


def test_the_library_goes_on(zbroker, folder):
    """A program of the library whose token is of the pair before says HELLO without it, and goes on."""
    single = Single()
    try:
        single.broker.start()
        zbroker(["queue", "create", "orders", "--brokers", single.endpoints[0]])
        zbroker(["put", "orders", "one", "two", "--brokers", single.endpoints[0]])
        get = subprocess.Popen([PROGRAM, "get", "orders", "--count", "3", "--wait", "60000", "--brokers", single.endpoints[0]],
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda: status(single.endpoints[0])["acked"] == 2, "two messages are acknowledged")
        backup(single, folder + "/backup")
        single.broker.stop()
        zbroker(["restore", folder + "/backup", folder + "/store"])
        subprocess.run(["rm", "-r", single.folder + "/store"], check=True)
        os.rename(folder + "/store", single.folder + "/store")
        single.broker.start()
        zbroker(["put", "orders", "three", "--brokers", single.endpoints[0]])
        out, said = get.communicate(timeout=PATIENCE)
        assert get.returncode == 0 and out.split() == ["one", "two", "three"], (out, said)
    finally:
        single.close()


def test_dump_and_load(single, client, zbroker, folder):
    """What was dumped is put back, with properties and options, once, however often it is said."""
    one = client(single, "till")
    one.request("QUEUE", 0, "orders", "lease=5000")
    make(one, "audit")
    one.request("PUT", 1, "orders", "colour=red\nn=1", b"a\0b\xff", b"")
    one.request("PUT", 2, "orders", "", b"x" * 300000)
    one.request("PUT", 3, "audit", "", b"seen")
    got = one.request("GET", 4, "audit", 1, 0, "")
    one.request("PUT", 4, "audit", "", b"left")
    one.request("ACK", 5, "audit", got[2].split()[0])
    backup(single, folder + "/backup")
    dump = zbroker(["dump", folder + "/backup"]).stdout
    messages = [json.loads(line) for line in dump.splitlines()]
    assert messages[0]["zbroker-dump"] == 1
    assert {"queue": "orders", "options": {"lease": 5000}} in messages
    first = next(m for m in messages if m.get("number") == 1)
    assert first["producer"] == "till" and first["properties"] == "colour=red\nn=1"
    other = Single()
    try:
        other.broker.start()
        with open(folder + "/dump", "w") as file:
            file.write(dump)
        brokers = ["--brokers", other.endpoints[0]]
        assert zbroker(["load", folder + "/dump", *brokers]).stdout == "4 messages stored\n"
        assert zbroker(["load", "-", *brokers], text=dump).stdout == "0 messages stored; the others were before\n"
        two = Client(other.endpoints)
        got = two.request("GET", 1, "orders", 10, 0, "")
        assert got[3:] == [b"a\0b\xff", b"", b"x" * 300000] and b"\tcolour=red\tn=1" in got[2].split(b"\n")[0]
        assert two.drain("audit") == [b"left"]
        two.close()
        broken = zbroker(["load", "-", *brokers], text=dump.splitlines()[0] + "\n{\"queue\": 1}\n", check=False)
        assert broken.returncode == 1 and "line 2: neither a queue, a topic, a subscription nor a message" in broken.stderr
    finally:
        other.close()


def test_loaded_into_a_store(single, client, zbroker, folder):
    """Without a broker: what was dumped makes a store that a pair begins with, and an input that is wrong makes nothing."""
    one = client(single, "till")
    make(one, "orders")
    one.request("TOPIC", "t", "news", "")
    one.request("SUB", "s", "news/slow", "lease=5000")
    for number in range(1, 4):
        one.request("PUT", number, "orders", "n=%d" % number, b"order %d" % number, b"\xff")
    one.request("PUT", 4, "news", "", b"new")
    backup(single, folder + "/backup")
    dump = zbroker(["dump", folder + "/backup"]).stdout
    os.mkdir(folder + "/to")
    broken = "".join(line + "\n" for line in [*dump.splitlines()[:-1], "{}"])
    done = zbroker(["load", "--store", folder + "/to/store"], text=broken, check=False)
    assert done.returncode == 1 and "line %d" % len(broken.splitlines()) in done.stderr and "no store is made" in done.stderr and os.listdir(folder + "/to") == []
    assert zbroker(["load", "--store", folder + "/to"], text=dump, check=False).returncode == 2
    assert zbroker(["load", "--store", folder + "/to/store", "--brokers", "tcp://127.0.0.1:1"], text=dump, check=False).returncode == 2
    assert zbroker(["load", "--as", "primary"], text=dump, check=False).returncode == 2
    #  What it could not be named in the end is refused before brokers start.
    os.symlink(folder + "/none", folder + "/to/link")
    os.mkdir(folder + "/to/other.part")
    for name in ("link", "other", "other/"):
        assert zbroker(["load", "--store", folder + "/to/" + name], text=dump, check=False).returncode == 2, name
    os.unlink(folder + "/to/link")
    os.rmdir(folder + "/to/other.part")
    #  Nor does one that is ended amid it.
    begun = subprocess.Popen([PROGRAM, "load", "--store", folder + "/to/store"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun.stdin.write(dump[:len(dump) // 2])
    begun.stdin.flush()
    wait_for(lambda: glob.glob(folder + "/to/*/primary/env.*"), "its brokers")
    #  ^C at a terminal goes to all of a group: brokers that end first would have it wait for them.
    with open("/proc/%d/task/%d/children" % (begun.pid, begun.pid)) as children:
        brokers = [int(pid) for pid in children.read().split()]
    assert len(brokers) >= 2 and os.getpgid(begun.pid) not in [os.getpgid(pid) for pid in brokers]
    begun.send_signal(signal.SIGTERM)
    assert begun.wait(PATIENCE) == 1 and "interrupted" in begun.stderr.read() and os.listdir(folder + "/to") == []
    begun.stdin.close()
    begun.stderr.close()
    #  Nor while the store is made of what the brokers have; or it is there, and that is said.
    more = by_hand({"queue": "orders", "options": {}},
                   *[{"queue": "orders", "id": str(n), "body": base64.b64encode(b"x" * 900000).decode()} for n in range(30)])
    begun = subprocess.Popen([PROGRAM, "load", "--store", folder + "/to/more"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun.stdin.write(more)
    begun.stdin.close()
    wait_for(lambda: glob.glob(folder + "/to/*/made*") or begun.poll() is not None, "the last part")
    begun.send_signal(signal.SIGTERM)
    code, said = begun.wait(PATIENCE), begun.stderr.read()
    assert (code, "interrupted" in said, os.listdir(folder + "/to")) in ((1, True, []), (0, False, ["more"])), said
    begun.stderr.close()
    shutil.rmtree(folder + "/to/more", ignore_errors=True)
    text = zbroker(["load", "--store", folder + "/to/store//", "--as", "backup"], text=dump,
                   environment={"ZBROKER": "tcp://127.0.0.1:1"}).stdout
    assert "7 messages stored" in text and "is a store" in text
    assert os.listdir(folder + "/to") == ["store"]
    pair = serve_restored(folder + "/to/store", folder, "backup").start()
    try:
        in_step(pair)
        two = client(pair)
        assert two.drain("orders") == [body for n in range(1, 4) for body in (b"order %d" % n, b"\xff")]
        assert two.drain("news/slow") == [b"new"]
        listed = two.request("LIST", 1, "", "", "100")
        assert b"lease=5000" in dict(zip(listed[0::2], listed[1::2]))[b"news/slow"].split(b"\n")
    finally:
        pair.close()


def by_hand(*lines, damaged=False):
    """A dump with these lines."""
    first = {"zbroker-dump": 1, "pair": "0" * 32, "epoch": 1, "commit": 1}
    last = {"zbroker-dump-end": 1, "messages": sum("body" in line for line in lines), "damaged": damaged}
    return "".join(json.dumps(line) + "\n" for line in (first, *lines, last))


def test_a_cut_dump_makes_no_store(single, zbroker, folder):
    """A dump tells at its end that it is whole: without that, or of what was damaged, load says so, and makes no store of it."""
    lines = [{"queue": "orders", "options": {}}] + [{"queue": "orders", "id": str(n), "body": "eA=="} for n in range(3)]
    whole, damaged = by_hand(*lines), by_hand(*lines, damaged=True)
    cut = "".join(line + "\n" for line in whole.splitlines()[:-1])
    less = "".join(line + "\n" for line in whole.splitlines()[:-2] + whole.splitlines()[-1:])
    os.mkdir(folder + "/to")
    for wrong, text in ((cut, "the dump's end is missing"), (less, "not the dump's end"), (damaged, "damaged")):
        done = zbroker(["load", "--store", folder + "/to/store"], text=wrong, check=False)
        assert done.returncode == 5 and text in done.stderr and os.listdir(folder + "/to") == [], (wrong, done)
    assert zbroker(["load", "--store", folder + "/to/store"], text=whole + "{}\n", check=False).returncode == 1
    #  Through brokers all that is there is stored all the same.
    done = zbroker(["load", "--brokers", single.endpoints[0]], text=cut, check=False)
    assert done.returncode == 5 and "the dump's end is missing" in done.stderr
    assert zbroker(["load", "--brokers", single.endpoints[0]], text=whole).stdout == "0 messages stored; the others were before\n"
    zbroker(["load", "--store", folder + "/to/store", "--force"], text=cut)
    assert dumped(zbroker, folder + "/to/store")["orders"] == [b"x"] * 3


def test_loaded_whatever_the_limits_were(zbroker, folder):
    """The brokers that make the store take what others could, with the highest limits, and drop nothing for being too much."""
    large = b"x" * (2 << 20)
    dump = by_hand({"topic": "news", "options": {"keep": "all"}}, {"queue": "orders", "options": {}},
                   {"queue": "orders", "id": "1", "body": base64.b64encode(large).decode()})
    os.mkdir(folder + "/to")
    begun = subprocess.Popen([PROGRAM, "load", "--store", folder + "/to/store"], stdin=subprocess.PIPE, text=True)
    for name in ("primary", "backup"):
        wait_for(lambda: glob.glob(folder + "/to/*/%s/env.*" % name), "its brokers")
        with open(glob.glob(folder + "/to/*/%s.conf" % name)[0]) as config:
            assert re.search(r"limits\n(    .*\n)*    topic-bytes = 1024g\n", config.read())
    begun.communicate(dump, timeout=3 * PATIENCE)
    assert begun.returncode == 0 and dumped(zbroker, folder + "/to/store")["orders"] == [large]


def test_what_is_not_due_is_verified_dumped_and_loaded(single, client, zbroker, folder):
    """It is whole, and no damage; behind what is due in its queue; and not due where it is loaded."""
    one = client(single)
    one.request("QUEUE", 1, "reminders", "delay=0\nmax-bytes=100000")
    soon = b"S" * 40000
    one.request("PUT", 2, "reminders", "delay=900000", b"later")
    one.request("PUT", 3, "reminders", "delay=600000", soon)
    one.request("PUT", 4, "reminders", "", b"now")
    backup(single, folder + "/backup")
    found = zbroker(["verify", folder + "/backup", "--json"], check=False)
    assert found.returncode == 0, found.stdout
    assert json.loads(found.stdout)["messages"] == 3
    dump = zbroker(["dump", folder + "/backup"]).stdout
    lines = [json.loads(line) for line in dump.splitlines()]
    assert {"queue": "reminders", "options": {"delay": 0, "max-bytes": 100000}} in lines
    assert [base64.b64decode(line["body"]) for line in lines if "body" in line] == [b"now", soon, b"later"]
    other = Single()
    try:
        other.broker.start()
        brokers = ["--brokers", other.endpoints[0]]
        assert zbroker(["load", "-", *brokers], text=dump).stdout == "3 messages stored\n"
        two = Client(other.endpoints)
        assert two.drain("reminders") == [b"now"]
        assert b"\nmessages=2\n" in two.request("LIST", "l", "reminders")[1]
        two.close()
    finally:
        other.close()
    #  A byte of one of them, on the disk.
    table = folder + "/backup/env.1/table.log"
    with open(table, "r+b") as file:
        at = file.read().index(b"S" * 8000)
        file.seek(at + 4000)
        file.write(b"s")
    assert ", which is not due: damaged" in zbroker(["verify", folder + "/backup"], check=False).stdout


def peeked(client, queue):
    """The lines of all messages of a queue, by their bodies."""
    lines, at = {}, "first"
    while True:
        reply = client.request("PEEK", "p", queue, at, 100)
        if not reply[3:]:
            return lines
        lines.update(zip(reply[3:], reply[2].split(b"\n")))
        at = reply[2].split(b"\n")[-1].split()[0]


def until(lines):
    """When these messages are due, of those that are not."""
    due = {body: re.search(rb"\tzb-state=delayed\tzb-until=(\d+)", line) for body, line in lines.items()}
    return {body: int(found.group(1)) for body, found in due.items() if found}


def test_what_had_a_delay_is_due_when_it_was(single, client, zbroker, folder):
    """A delay does not begin anew where it is loaded: neither its own nor the queue's, nor of what has been due.  A dump of
    before, which does not tell, is loaded as ever."""
    one = client(single)
    one.request("QUEUE", 1, "reminders", "delay=700000")
    make(one, "plain")
    one.request("PUT", 2, "reminders", "colour=red\ndelay=600000\nn=1", b"own")
    one.request("PUT", 3, "reminders", "", b"queue's")
    one.request("PUT", 4, "reminders", "due=%d\nn=2" % (time.time() * 1000 + 900000), b"due")
    one.request("PUT", 5, "reminders", "delay=0", b"at once")
    one.request("PUT", 6, "reminders", "delay=1", b"over")
    one.request("PUT", 7, "plain", "delay=5", b"a program's")
    assert sorted(one.request("GET", 8, "reminders", 9, 0, "")[3:] + one.request("GET", 9, "reminders", 1, 5000, "")[3:]) \
        == [b"at once", b"over"]
    there = peeked(one, "reminders")
    later = until(there)
    assert sorted(later) == [b"due", b"own", b"queue's"]
    backup(single, folder + "/backup")
    dump = zbroker(["dump", folder + "/backup"]).stdout
    lines = [json.loads(line) for line in dump.splitlines()]
    dues = {base64.b64decode(line["body"]): line.get("due") for line in lines if "body" in line}
    assert {body: dues[body] for body in later} == later
    assert dues[b"a program's"] is None and dues[b"at once"] == 0 and 0 < dues[b"over"] <= time.time() * 1000
    assert [line["properties"] for line in lines if line.get("due") == later[b"own"]] == ["colour=red\ndelay=600000\nn=1"]
    old = "".join(json.dumps({name: value for name, value in line.items() if name != "due"}) + "\n" for line in lines)
    for text in (dump, old):
        other = Single()
        try:
            other.broker.start()
            brokers = ["--brokers", other.endpoints[0]]
            assert zbroker(["load", "-", *brokers], text=text).stdout == "6 messages stored\n"
            assert zbroker(["load", "-", *brokers], text=text).stdout == "0 messages stored; the others were before\n"
            two = Client(other.endpoints)
            here = peeked(two, "reminders")
            assert sorted(here) == sorted(there) and peeked(two, "plain")[b"a program's"].endswith(b"\tdelay=5")
            if text is dump:
                assert until(here) == later
                assert here[b"own"].endswith(b"\tcolour=red\tn=1\tdue=%d" % later[b"own"])
                assert here[b"at once"].endswith(b"\tdelay=0")
                assert sorted(two.drain("reminders")) == [b"at once", b"over"]
            else:
                anew = until(here)
                assert anew[b"own"] > later[b"own"] and anew[b"queue's"] > later[b"queue's"] and anew[b"due"] == later[b"due"]
            two.close()
        finally:
            other.close()
    zbroker(["load", "--store", folder + "/store"], text=dump)
    again = [json.loads(line) for line in zbroker(["dump", folder + "/store"]).stdout.splitlines()]
    loaded = {base64.b64decode(line["body"]): line.get("due") for line in again if "body" in line}
    assert sorted(loaded) == sorted(dues) and {body: loaded[body] for body in later} == later
    wrong = zbroker(["load", "-", "--brokers", single.endpoints[0]], check=False,
                    text=dump.splitlines()[0] + '\n{"queue": "plain", "body": "", "due": "soon"}\n')
    assert wrong.returncode == 1 and "line 2: when it is due is not a number" in wrong.stderr


def test_priorities_are_verified_dumped_and_loaded(single, client, zbroker, folder):
    """The index of what goes first is no damage; where it is loaded the same goes first."""
    one = client(single)
    one.request("QUEUE", 1, "jobs", "priorities=3")
    for number, priority in enumerate((0, 2, 1, 2)):
        one.request("PUT", 2, "jobs", "priority=%d" % priority, b"%d%d" % (priority, number))
    backup(single, folder + "/backup")
    found = zbroker(["verify", folder + "/backup", "--json"], check=False)
    assert found.returncode == 0, found.stdout
    assert json.loads(found.stdout)["messages"] == 4
    dump = zbroker(["dump", folder + "/backup"]).stdout
    assert {"queue": "jobs", "options": {"priorities": 3}} in [json.loads(line) for line in dump.splitlines()]
    other = Single()
    try:
        other.broker.start()
        assert zbroker(["load", "-", "--brokers", other.endpoints[0]], text=dump).stdout == "4 messages stored\n"
        two = Client(other.endpoints)
        assert two.drain("jobs") == [b"21", b"23", b"12", b"00"]
        two.close()
    finally:
        other.close()


def test_what_is_named_and_not_due_with_a_priority(single, client, zbroker, folder):
    """Rows of the lane, of the index of what goes first and of message-ids beside each other are no damage; where they are loaded what
    is due has its priority then, and a name is not known, as what was acknowledged before is not there."""
    one = client(single)
    one.request("QUEUE", 1, "tasks", "priorities=3\ndelay=0\ndedupe=3600000")
    one.request("PUT", 2, "tasks", "priority=2\ndelay=600000\nmessage-id=later", b"later")
    one.request("PUT", 3, "tasks", "priority=1\nmessage-id=now", b"now")
    one.request("PUT", 4, "tasks", "priority=2\ndelay=1\nmessage-id=soon", b"soon")
    one.request("PUT", 5, "tasks", "", b"low")
    later = until(peeked(one, "tasks"))[b"later"]
    backup(single, folder + "/backup")
    found = zbroker(["verify", folder + "/backup", "--json"], check=False)
    assert found.returncode == 0, found.stdout
    assert json.loads(found.stdout)["messages"] == 4
    dump = zbroker(["dump", folder + "/backup"]).stdout
    other = Single()
    try:
        other.broker.start()
        brokers = ["--brokers", other.endpoints[0]]
        for stored in ("4 messages stored\n", "0 messages stored; the others were before\n"):
            assert zbroker(["load", "-", *brokers], text=dump).stdout == stored
        two = Client(other.endpoints)
        assert b"\ndelay=0\npriorities=3\ndedupe=3600000\n" in two.request("LIST", "l", "tasks")[1]
        assert until(peeked(two, "tasks"))[b"later"] == later
        assert two.request("PUT", 6, "tasks", "priority=1\nmessage-id=now", b"now")[-1] != b"duplicate"
        assert two.request("PUT", 7, "tasks", "priority=1\nmessage-id=now", b"now")[-1] == b"duplicate"
        assert sorted(two.drain("tasks")) == [b"low", b"now", b"now", b"soon"]
        two.close()
    finally:
        other.close()


def test_topics_are_dumped_and_loaded(single, client, zbroker, folder):
    """Each subscription gets what it had not acknowledged up to its mark, in order; what was acknowledged out of order may come again."""
    one = client(single)
    one.request("TOPIC", 1, "news", "max-bytes=1000000")
    one.request("TOPIC", 2, "quiet", "")
    one.request("QUEUE", 2, "latest", "max-bytes=0\nmax-messages=1\nfull=drop-oldest\ndedupe=60000")
    one.request("TOPIC", 2, "whole", "keep=all\nkeep-messages=9")
    for number in range(1, 4):
        one.request("PUT", "w%d" % number, "whole", "", b"whole %d" % number)
    one.request("SUB", 3, "news/slow", "lease=5000")
    one.request("SUB", 4, "news/fast", "")
    one.request("SUB", 6, "news/seventh", "filter=n.7\ndead-letter=lost\nretry-delay=5..70\nmax-deliveries=4\nunused=86400000")
    for number in range(1, 7):
        one.request("PUT", "p%d" % number, "news", "n=%d" % number, b"news %d" % number)
    one.request("SUB", 5, "news/late", "")
    one.request("PUT", "p7", "news", "subject=n.7", b"news 7")
    for subscription, several in (("news/slow", 2), ("news/fast", 7)):
        index = one.request("GET", "g", subscription, several, 0, "")[2]
        one.request("ACK", "a", subscription, b" ".join(line.split()[0] for line in index.split(b"\n")))
    backup(single, folder + "/backup")
    dump = zbroker(["dump", folder + "/backup"]).stdout
    lines = [json.loads(line) for line in dump.splitlines()]
    assert {"topic": "news", "options": {"max-bytes": 1000000}} in lines
    assert {"queue": "latest", "options": {"max-bytes": 0, "max-messages": 1, "full": "drop-oldest", "dedupe": 0}} in lines
    assert {"queue": "latest", "options": {"dedupe": 60000}} in lines
    assert {"subscription": "news/slow", "options": {"lease": 5000}} in lines
    assert {"subscription": "news/seventh", "options": {"filter": "n.7", "dead-letter": "lost", "retry-delay": "5..70",
                                                      "max-deliveries": 4, "unused": 86400000}} in lines
    assert {"topic": "whole", "options": {"keep-messages": 9, "keep": "all"}} in lines
    #  What all have done is left out, unless the topic keeps it.
    assert [base64.b64decode(line["body"]) for line in lines if "body" in line] == (
        [b"news %d" % n for n in range(3, 8)] + [b"whole %d" % n for n in range(1, 4)])
    other = Single()
    try:
        other.broker.start()
        brokers = ["--brokers", other.endpoints[0]]
        assert zbroker(["load", "-", *brokers], text=dump).stdout == "8 messages stored\n"
        assert zbroker(["load", "-", *brokers], text=dump).stdout == "0 messages stored; the others were before\n"
        two = Client(other.endpoints)
        assert two.request("READ", 9, "whole", "first", 9, 0)[3:] == [b"whole %d" % n for n in range(1, 4)]
        assert two.drain("news/slow") == [b"news %d" % n for n in range(3, 8)]
        assert two.drain("news/late") == two.drain("news/seventh") == [b"news 7"]
        assert two.drain("news/fast") == []
        assert b"max-bytes=0\nfull=drop-oldest\ndedupe=60000\nbytes=0" in two.request("LIST", "l", "latest")[1]
        two.request("PUT", 1, "news", "", b"news 8")
        assert [two.drain("news/" + name) for name in ("slow", "fast", "late")] == [[b"news 8"]] * 3
        two.close()
    finally:
        other.close()


def test_damaged_is_told(single, client, zbroker, folder):
    """A flipped bit in a message's page: the file, the table, and whose messages; a lost file; a manifest that was changed."""
    one = client(single, "till")
    make(one, "orders")
    for number in range(1, 21):
        stored = one.request("PUT", number, "orders", "", bytes([64 + number]) * 40000)
        if number == 10:
            tenth = stored[2].decode()
    backup(single, folder + "/backup")
    table = folder + "/backup/env.1/table.log"
    with open(table, "r+b") as file:
        at = file.read().index(b"J" * 8000)
        file.seek(at + 4000)
        file.write(b"j")
    found = zbroker(["verify", folder + "/backup", "--json"], check=False)
    assert found.returncode == 5
    damages = json.loads(found.stdout)["damages"]
    assert {"file": "table.log", "key": None, "why": "its checksum is wrong"} in damages
    keys = [damage["key"] for damage in damages if damage["key"]]
    assert keys == ["queue orders, messages up to " + tenth], damages
    text = zbroker(["verify", folder + "/backup"], check=False).stdout
    assert "table.log: queue orders, messages up to" in text
    #  Nothing is restored of it; what can be read is dumped, and that it is not all is said.
    assert zbroker(["restore", folder + "/backup", folder + "/store"], check=False).returncode == 5
    assert not os.path.exists(folder + "/store") and not os.path.exists(folder + "/store.part")
    rest = zbroker(["dump", folder + "/backup"], check=False)
    assert rest.returncode == 5 and rest.stdout.count('"body"') == 19
    assert json.loads(rest.stdout.splitlines()[-1]) == {"zbroker-dump-end": 1, "messages": 19, "damaged": True}
    os.unlink(folder + "/backup/env.1/table.acks")
    damages = json.loads(zbroker(["verify", folder + "/backup", "--json"], check=False).stdout)["damages"]
    assert {"file": "table.acks", "key": None, "why": "No such file or directory"} in damages
    with open(folder + "/backup/MANIFEST", "a") as file:
        file.write("\n")
    assert "MANIFEST is damaged" in zbroker(["verify", folder + "/backup"], check=False).stderr


@pytest.mark.parametrize("where, size", [("log.0*", 40000), ("table.log", 8050)])
def test_a_damaged_store_is_told(single, client, zbroker, folder, where, size):
    """verify and dump of one that no broker uses: exit code 5, and nothing stays beside it.  Short-lived messages are in
    the log, unless they are small."""
    one = client(single, "till")
    make(one, "orders")
    for number in range(1, 21):
        one.request("PUT", number, "orders", "", bytes([64 + number]) * size)
    single.broker.stop()
    damaged, = [name for name in glob.glob(single.folder + "/store/env.*/" + where) if b"J" * 8000 in open(name, "rb").read()]
    with open(damaged, "r+b") as file:
        at = file.read().index(b"J" * 8000)
        file.seek(at + 4000)
        file.write(b"j")
    before = sorted(os.listdir(single.folder))
    for command in ("verify", "dump"):
        done = zbroker([command, single.folder + "/store"], check=False)
        assert done.returncode == 5 and (done.stderr or done.stdout), (command, done)
        assert sorted(os.listdir(single.folder)) == before, command


@two_stores
@pytest.mark.parametrize("when", ["copying", "finishing"])
def test_killed_amid(pair, zbroker, folder, when):
    """The broker that makes it is killed: the folder is not there, or whole; the next one is made all the same."""
    print("ZBROKER_SEED=%d" % SEED)
    if when == "finishing" and not os.environ.get("ZBROKER_BACKUPS"):
        pytest.skip("set ZBROKER_BACKUPS to run it")
    load = Load(pair.endpoints, ["ann"])
    wait_for(lambda: puts(pair) > 200, "some messages")
    passive = 1 - in_step(pair)
    command = begin(pair, passive, folder + "/backup", "100000" if when == "copying" else "0", (when, "done"))
    time.sleep(random.Random(SEED).uniform(0, 0.1))
    pair.brokers[passive].kill()
    pair.brokers[passive].start()
    code = command.wait(PATIENCE)
    said = command.stderr.read()
    assert code == 0 or "was started again" in said or "not complete" in said, said
    in_step(pair)
    if when == "copying":
        assert code == 1 and not os.path.exists(folder + "/backup")
    #  One that is being finished may still become complete: nothing that it lacks is the broker's.
    if os.path.exists(folder + "/backup"):
        zbroker(["verify", folder + "/backup"])
    else:
        def made():
            done = backup(pair, folder + "/backup", check=False)
            return done.returncode == 0 or "File exists" in done.stderr
        wait_for(made, "a backup")
        zbroker(["verify", folder + "/backup"])
    end = load.end()
    assert 0 < check_prefix(dumped(zbroker, folder + "/backup"), ["ann"])[0] <= end


def test_the_log_is_not_throttled(zbroker, folder):
    """What is written while the tables are copied is many times what the rate lets through; the backup ends, and has it."""
    #  Small files: of the newest one a part is copied, at the rate.
    with open(folder + "/small.conf", "w") as config:
        config.write("store\n    log-file = 4m\n")
    pair = Pair("--config", folder + "/small.conf").start()
    client = Client(pair.endpoints)
    make(client, "orders", "passing")
    for number in range(30):
        client.request("PUT", "o%d" % number, "orders", "", b"x" * 100000)
    active = in_step(pair)
    #  The tables take 20 s, so that even a slow machine fills files of the log meanwhile.
    command = begin(pair, 1 - active, folder + "/backup", "150000")
    home, = glob.glob("%s/%s/env.*" % (pair.folder, ROLES[1 - active]))
    number, acks = 0, b""

    def logs():
        return sorted(glob.glob(home + "/log.*"))
    first = logs()[0]
    while len(logs()) < 10 and command.poll() is None:
        number += 1
        client.request("PUT", "p%d" % number, "passing", "", *8 * [b"y" * 100000])
        index = client.request("GET", "g%d" % number, "passing", 8, 0, acks)[2]
        acks = b" ".join(line.split(b" ")[0] for line in index.split(b"\n"))
    assert command.poll() is None and logs()[0] == first
    assert command.wait(PATIENCE) == 0, command.stderr.read()
    #  36 MB of log at 150 kB/s take longer than anybody waits here.
    assert dumped(zbroker, folder + "/backup")["orders"] == 30 * [b"x" * 100000]
    wait_for(lambda: first not in logs(), "the log goes")
    in_step(pair)
    client.close()
    pair.close()


@two_stores
def test_a_change_of_roles_ends_it(pair, folder):
    """The passive broker takes over: its backup is given up, and nothing of it stays."""
    client = Client(pair.endpoints)
    make(client, "orders")
    for number in range(20):
        client.request("PUT", "p%d" % number, "orders", "", b"x" * 100000)
    active = in_step(pair)
    command = begin(pair, 1 - active, folder + "/backup", "100000")
    pair.brokers[active].kill()
    client.request("PUT", "p", "orders", "", b"y")
    assert command.wait(PATIENCE) == 1
    assert "the pair's roles, or its link, changed meanwhile" in command.stderr.read()
    wait_for(lambda: os.listdir(folder) == [], "what was begun is gone")
    #  The one that leads now makes one, if that is said.
    assert backup(pair, folder + "/backup", check=False).returncode == 6
    backup(pair, folder + "/backup", "--from", "active")
    client.close()
    pair.brokers[active].start()


def test_a_disk_that_fills(folder):
    """The backup is given up, and says why; nothing of it stays, the broker goes on, and makes one when there is room."""
    single = Single()
    os.mkdir(folder + "/to")
    machine, = fit([single.broker], folder)
    single.broker.start()
    one = Client(single.endpoints)
    try:
        make(one, "orders")
        one.request("PUT", 1, "orders", "", b"x" * 100000)
        machine.turn("full_backup")
        done = backup(single, folder + "/to/backup", check=False)
        assert done.returncode == 1 and "No space left on device" in done.stderr, done.stderr
        wait_for(lambda: os.listdir(folder + "/to") == [], "nothing of it stays")
        wait_for(lambda: "was given up: " in single.broker.tail() and "No space left on device" in single.broker.tail(), "a line about it")
        assert one.request("PUT", 2, "orders", "", b"y")[0] == b"single"
        machine.heal()
        backup(single, folder + "/to/backup")
        assert one.drain("orders") == [b"x" * 100000, b"y"]
    finally:
        one.close()
        single.close()


def test_who_may(single, folder):
    """Without a proof nothing is written, and a folder is a whole path."""
    challenge = ["BACKUP", "1", "0" * 64]
    assert ask(single.endpoints[0], *challenge, folder + "/backup")[4] == b"403"
    assert ask(single.endpoints[0], *challenge, "backup")[4] == b"400"
    assert ask(single.endpoints[0], *challenge, folder + "/a\nb")[4] == b"400"
    assert os.listdir(folder) == []
    assert "Permission denied" in backup(single, "/proc/1/backup", check=False).stderr or \
        "No such file" in backup(single, "/proc/1/backup", check=False).stderr
    assert status(single.endpoints[0])["backup"]["state"] == "failed"


def test_what_is_cut_off_leaves_no_copy(single, client, folder):
    """Whoever reads a store's dump goes away, or the terminal does: the copy that was made of it is gone, too."""
    one = client(single, "till")
    make(one, "orders")
    for number in range(1, 41):
        one.request("PUT", number, "orders", "", b"x" * 100000)
    single.broker.stop()
    before = sorted(os.listdir(single.folder))
    for end in (None, signal.SIGHUP):
        dump = subprocess.Popen([PROGRAM, "dump", single.folder + "/store"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert dump.stdout.readline().startswith('{"zbroker-dump":1')
        if end:
            dump.send_signal(end)
        dump.stdout.close()
        assert dump.wait(PATIENCE) == 1, dump.stderr.read()
        dump.stderr.close()
        assert sorted(os.listdir(single.folder)) == before, end


def test_of_a_store_that_rests(pair, client, zbroker, folder):
    """Made by the command itself of a folder that no broker uses; refused while one does."""
    one = client(pair, "till")
    make(one, "orders")
    for number in range(1, 11):
        one.request("PUT", number, "orders", "", b"order %d" % number)
    store = pair.folder + ("/store" if pair.shared else "/primary")
    for command in (["backup", folder + "/backup", "--store", store], ["verify", store], ["dump", store]):
        assert zbroker(command, check=False).returncode == 3, command
    for broker in pair.brokers:
        broker.kill()
    assert "is a store, and no backup" in zbroker(["restore", store, folder + "/other"], check=False).stderr
    zbroker(["backup", folder + "/backup", "--store", store])
    #  It is looked at, and printed, as a backup is, and is left as it was.
    before = sorted(os.listdir(os.path.dirname(store)))
    assert re.search("is whole: the store of the .*1 queues, 10 messages", zbroker(["verify", store]).stdout)
    assert zbroker(["dump", store + "/"]).stdout.split("\n")[1:] == zbroker(["dump", folder + "/backup"]).stdout.split("\n")[1:]
    #  Beside it, also where it is called otherwise; and one of that name that is there stays.
    for name in (".", "../" + os.path.basename(store), "./."):
        inside = sorted(os.listdir(store))
        done = subprocess.Popen(["sh", "-c", 'mkdir "$1.read-$$" && touch "$1.read-$$/own" && exec "$2" verify "$3"', "sh", store, PROGRAM, name],
                                cwd=store, stderr=subprocess.PIPE, text=True)
        said = done.communicate(timeout=PATIENCE)[1]
        assert done.returncode == 2 and "File exists" in said, said
        own = "%s.read-%d" % (store, done.pid)
        assert os.listdir(own) == ["own"] and sorted(os.listdir(store)) == inside
        shutil.rmtree(own)
    assert sorted(os.listdir(os.path.dirname(store))) == before
    assert dumped(zbroker, folder + "/backup")["orders"] == [b"order %d" % n for n in range(1, 11)]
    for broker in pair.brokers:
        broker.start(ready=False)
    for broker in pair.brokers:
        broker.wait_line("READY")
    wait_for(lambda: any((ask(e, "HELLO", "1") or [b""] * 2)[1] == b"OK" for e in pair.endpoints), "one serves")
    assert client(pair).drain("orders") == [b"order %d" % n for n in range(1, 11)]
