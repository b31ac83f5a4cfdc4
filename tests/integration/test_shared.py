"""One store for both: is it open in one process at any time, whatever happens to the lock and to its holder?"""
import ctypes
import fcntl
import os
import random
import shutil
import signal
import struct
import time

import pytest

from brokers import STORES, Broker, free_ports, wait_for
from conftest import in_step
from machine import fit
from patience import PATIENCE, SLOWER
from zb1 import Client, ask, refused, status, way_out

KILLS = int(os.environ.get("ZBROKER_SHARED_KILLS", "3"))
BACKLOG = int(os.environ.get("ZBROKER_BACKLOG", "100000"))
ROUNDS = int(os.environ.get("ZBROKER_STORM", "25"))
SEED = int(os.environ.get("ZBROKER_SEED", random.randrange(1 << 30)))
LOST = 7            #  exit code: the lock was lost
PIDFD_GETFD = 438   #  number of the system call

#  What can only happen to a shared store.
pytestmark = [pytest.mark.parametrize("pair", ["shared"], indirect=True),
              pytest.mark.skipif("shared" not in STORES, reason="ZBROKER_STORES leaves the shared store out")]


def has_it_open(broker):
    """Whether this process has a file of the database open."""
    folder = "/proc/%d/fd" % broker.process.pid
    try:
        return any("/env." in os.readlink(folder + "/" + name) for name in os.listdir(folder))
    except OSError:
        return False        #  it ends


def queue(pair, client, name="producer"):
    one = client(pair, name)
    one.request("QUEUE", "q", "q", "")
    return one


def put(client, body):
    client.last += 1
    assert client.request("PUT", client.last, "q", "", body)[0] == b"shared"


def test_the_passive_one_never_opens_it(pair, client):
    """It says so, and whose the lock is, in status; the active one says how long taking it took."""
    one = queue(pair, client)
    put(one, b"one")
    assert has_it_open(pair.brokers[0]) and not has_it_open(pair.brokers[1])
    active, passive = (status(endpoint)["lock"] for endpoint in pair.endpoints)
    assert active["open_here"] and active["takeover_ms"] >= 0
    assert not passive["open_here"] and passive["held"] and passive["takeover_ms"] is None
    assert (passive["pid"], passive["host"]) == (pair.brokers[0].process.pid, os.uname().nodename)
    assert 0 <= time.time() - passive["since"] < PATIENCE
    assert passive["epoch"] == status(pair.endpoints[0])["epoch"]


def test_an_operator_does_not_move_the_role(pair, client, zbroker):
    """It moves with the lock: a clean stop of the active one is the switchover."""
    put(queue(pair, client), b"one")
    done = zbroker(["switchover", "--brokers", ",".join(pair.endpoints)], check=False)
    assert done.returncode == 1 and "with a shared store" in done.stderr
    assert pair.brokers[0].stop() == 0
    assert client(pair, "consumer").drain("q") == [b"one"]
    pair.brokers[0].start()
    assert in_step(pair) == 1


@pytest.mark.parametrize("resumes", [False, True])
def test_stopped_active(pair, client, resumes):
    """An active one that is stopped keeps the lock: the other one waits and says why, until it is gone, or goes on."""
    one = queue(pair, client)
    put(one, b"one")
    first, second = pair.brokers
    first.process.send_signal(signal.SIGSTOP)
    try:
        text = wait_for(lambda: refused(pair.endpoints[1]), "503")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            text = refused(pair.endpoints[1])
            assert "locked by process %d on %s, since" % (first.process.pid, os.uname().nodename) in text
            assert not has_it_open(second)
        state = status(pair.endpoints[1])
        assert state["role"] == "waiting" and state["why"] == text
        assert state["lock"]["held"] and not state["lock"]["open_here"] and way_out(pair.endpoints[1], "lock-held")
        if not resumes:
            first.kill()
            begun = time.monotonic()
            put(one, b"two")
            print("from the kill to OK: %d ms" % ((time.monotonic() - begun) * 1000))
            assert has_it_open(second)
            first.start()
    finally:
        if first.alive:
            first.process.send_signal(signal.SIGCONT)
    if resumes:
        put(one, b"two")
        assert has_it_open(first) and not has_it_open(second)
    in_step(pair)
    assert client(pair, "consumer").drain("q") == [b"one", b"two"]


def remove(path, holder=None):
    os.unlink(path)


def replace(path, holder=None):
    shutil.copy(path, path + ".copy")
    os.rename(path + ".copy", path)


def overwrite(path, holder):
    with open(path, "r+b") as lock:
        lock.write(b"mine")


def truncate(path, holder):
    os.truncate(path, 0)


def unlock(path, holder):
    """What a file system that forgets its locks does: the file is as it was, and nobody has it."""
    folder = "/proc/%d/fd" % holder.process.pid
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(holder.process.pid)
    for name in os.listdir(folder):
        if os.path.realpath(folder + "/" + name) == os.path.realpath(path):
            own = libc.syscall(PIDFD_GETFD, process, int(name), 0)
            assert own >= 0, os.strerror(ctypes.get_errno())
            fcntl.fcntl(own, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0))
            os.close(own)
    os.close(process)


@pytest.mark.parametrize("steal", [remove, replace, overwrite, truncate, unlock])
def test_lock_lost_under_its_feet(pair, client, steal):
    """What was asked for after the theft is not answered: the process ends first, with its own exit code."""
    restart(pair)
    one = queue(pair, client)
    put(one, b"one")
    first = pair.brokers[in_step(pair)]
    first.process.send_signal(signal.SIGSTOP)
    steal(pair.folder + "/store/LOCK", first)
    one.send("PUT", 2, "q", "", b"two")
    first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(PATIENCE) == LOST
    wait_for(lambda: "the lock on the shared store" in first.tail(), "a line about it")
    first.process = None
    assert not one.socks[one.current].poll(200)
    if steal in (overwrite, truncate):
        #  Nobody can tell what the file means: an operator has to look.
        second, endpoint = next(there for there in zip(pair.brokers, pair.endpoints) if there[0] is not first)
        wait_for(lambda: "LOCK can't be read" in (refused(endpoint) or ""), "503, the file can't be read")
        assert not has_it_open(second)
        os.unlink(pair.folder + "/store/LOCK")
    one.last = 1
    one.greeted = False
    put(one, b"two")
    first.start()
    in_step(pair)
    assert client(pair, "consumer").drain("q") == [b"one", b"two"]


def test_stream_while_the_lock_is_stolen(pair, client):
    """All that was answered OK before the lock went is there, once, in order."""
    restart(pair)
    one = queue(pair, client)
    active = in_step(pair)
    #  It looks at the lock every quarter of a second.  A file that it makes anew says what it has seen last, and what is
    #  older than the epoch that its peer has served in is taken for an old copy, until that peer is back.
    wait_for(lambda: status(pair.endpoints[1 - active])["lock"]["epoch"] == status(pair.endpoints[active])["epoch"],
             "the passive one's look at the lock")
    total = 4000

    def theft(done):
        if done == total // 2:
            os.unlink(pair.folder + "/store/LOCK")
    one.stream("q", [b"%d" % number for number in range(total)], progress=theft)
    assert pair.brokers[active].process.wait(PATIENCE) == LOST
    pair.brokers[active].process = None
    pair.brokers[active].start()
    in_step(pair)
    assert client(pair, "consumer").drain("q") == [b"%d" % number for number in range(total)]


@pytest.mark.parametrize("steal", [remove, replace, unlock])
def test_lock_lost_while_it_can_not_end(pair, client, folder, steal):
    """The active one's heart goes on while its store waits for the disk: it has lost its lock and says that it serves.
    The other one waits until it is dead, and then serves."""
    one = queue(pair, client)
    put(one, b"one")
    machines = fit(pair.brokers, folder)
    restart(pair)
    active = in_step(pair)
    first, endpoint = pair.brokers[active], pair.endpoints[1 - active]
    machines[active].stall()
    try:
        steal(pair.folder + "/store/LOCK", first)
        wait_for(lambda: "has lost the lock" in status(endpoint)["why"], "the passive one's doubt")
        assert not has_it_open(pair.brokers[1 - active])
        first.kill()
    finally:
        machines[active].heal()
    put(one, b"two")
    assert has_it_open(pair.brokers[1 - active])
    first.start()
    in_step(pair)
    assert client(pair, "consumer").drain("q") == [b"one", b"two"]


def test_failed_sync(pair, client, folder):
    """It ends the active one and is noted: whoever comes next writes all of the store again before it trusts it."""
    machines = fit(pair.brokers, folder)
    restart(pair)
    one = queue(pair, client)
    put(one, b"one")
    active = in_step(pair)
    first, second = pair.brokers[active], pair.brokers[1 - active]
    note = pair.folder + "/store/node"
    for machine in machines:
        machine.turn("fail_data")
    one.send("PUT", 2, "q", "", b"two")
    first.wait_exit(4)
    with open(note) as node:
        assert "suspect 1\n" in node.read()
    assert not one.socks[one.current].poll(200)
    for machine in machines:
        machine.heal()
    one.last = 1
    one.greeted = False
    put(one, b"two")
    wait_for(lambda: "written again and synced" in second.tail(), "a line about it")
    with open(note) as node:
        assert "suspect 0\n" in node.read()
    first.start()
    in_step(pair)
    assert client(pair, "consumer").drain("q") == [b"one", b"two"]


def test_another_folder_is_never_taken_over(pair, client):
    """A backup whose folder is another one, or a copy, says so and stays away when the active one dies."""
    one = queue(pair, client)
    put(one, b"one")
    pair.brokers[1].kill()
    options = pair.brokers[1].options
    own = options.index(pair.folder + "/store")
    for other, words in ((pair.folder + "/new", "another folder"), (pair.folder + "/copy", "nobody is seen to hold")):
        if other.endswith("copy"):
            shutil.copytree(pair.folder + "/store", other)
        options[own] = other
        pair.brokers[1].start()
        wait_for(lambda: words in status(pair.endpoints[1])["why"], words)
        wait_for(lambda: not status(pair.endpoints[0])["in_step"], "the active one to hear of it")
        pair.brokers[0].kill()
        text = wait_for(lambda: refused(pair.endpoints[1]), "503")
        assert words in text
        assert not has_it_open(pair.brokers[1])
        #  The active one, back, can't know which of the two is wrong: it does not serve beside a stranger.
        pair.brokers[0].start()
        wait_for(lambda: "another folder" in (refused(pair.endpoints[0]) or "") or has_it_open(pair.brokers[0]), "503")
        for broker in pair.brokers:
            broker.kill()
        pair.brokers[0].start()
        put(one, b"more")
    options[own] = pair.folder + "/store"
    pair.brokers[1].start()
    in_step(pair)


def test_unmounted_under_the_passive_one(pair, client):
    """Its folder is an empty one by now: it does not begin an empty store there, and serves when the store is back."""
    one = queue(pair, client)
    put(one, b"one")
    second, endpoint, volume = pair.brokers[1], pair.endpoints[1], pair.folder + "/store"
    second.kill()
    there = pair.folder + "/there"
    os.symlink(volume, there)
    second.options[second.options.index(volume)] = there
    second.start()
    assert in_step(pair) == 0
    os.mkdir(pair.folder + "/mountpoint")
    os.symlink(pair.folder + "/mountpoint", there + ".new")
    os.rename(there + ".new", there)
    wait_for(lambda: "is its file system mounted?" in (status(endpoint)["why"]), "the passive one to see it")
    pair.brokers[0].kill()
    wait_for(lambda: "is its file system mounted?" in (refused(endpoint) or ""), "503")
    assert not has_it_open(second) and not os.listdir(pair.folder + "/mountpoint")
    os.symlink(volume, there + ".new")
    os.rename(there + ".new", there)
    put(one, b"two")
    pair.brokers[0].start()
    in_step(pair)
    assert client(pair, "consumer").drain("q") == [b"one", b"two"]


def restart(pair, settings=""):
    """Starts the pair anew, with a short lease and these settings."""
    for broker in pair.brokers:
        if broker.alive:
            broker.kill()
    with open(pair.folder + "/store.conf", "w") as config:
        config.write("store\n    lease = %dms\n%s" % (1000 * SLOWER, settings))
    for broker in pair.brokers:
        if "--config" not in broker.options:
            broker.options[:0] = ["--config", pair.folder + "/store.conf"]
        broker.start()


def fence(pair, command):
    """Restarts the pair with this fence, after a holder that died on another machine."""
    for broker in pair.brokers:
        broker.kill()
    path = pair.folder + "/store/LOCK"
    with open(path) as lock:
        text = lock.read().replace("host %s\n" % os.uname().nodename, "host elsewhere\n")
    with open(path, "w") as lock:
        lock.write(text.ljust(512, "\n")[:512])
    restart(pair, "    fence = \"%s\"\n" % command)


def test_fence(pair, client):
    """The fence runs before the place of one that died elsewhere is taken; where it fails, nothing is opened."""
    one = queue(pair, client)
    put(one, b"one")
    well, log = pair.folder + "/well", pair.folder + "/fenced"
    fence(pair, "echo $ZBROKER_HOST $ZBROKER_EPOCH >>%s; test -e %s" % (log, well))
    text = wait_for(lambda: next((text for text in map(refused, pair.endpoints) if text and "the fence" in text), None),
                    "503, the fence failed")
    assert "ended with 1" in text
    assert not any(map(has_it_open, pair.brokers))
    open(well, "w").close()
    put(one, b"two")
    with open(log) as lines:
        assert set(lines) == {"elsewhere 1\n"}
    in_step(pair)
    assert client(pair, "consumer").drain("q") == [b"one", b"two"]


def copies(pair):
    """Two more brokers on the folder, as a copy of the config on the wrong machine makes them: both say primary."""
    made = []
    for number in range(2):
        base = free_ports(16)
        made.append(Broker(["--as", "primary", "--primary", "tcp://127.0.0.1:%d" % base, "--backup",
                            "tcp://127.0.0.1:%d" % (base + 8), "--shared", "--store", pair.folder + "/store"],
                           "%s/copy-%d.log" % (pair.folder, number)))
        made[-1].endpoint = "tcp://127.0.0.1:%d" % base
    return made


class TwoOpeners(Exception):
    """The store is open in more than one process."""


def owner(brokers):
    """Whether one of them has it open.  A second look tells a takeover between two looks."""
    owners = [broker for broker in brokers if broker.alive and has_it_open(broker)]
    if len(owners) > 1 and sum(broker.alive and has_it_open(broker) for broker in owners) > 1:
        raise TwoOpeners([broker.options for broker in owners])
    return len(owners) == 1


def test_locks_that_do_not_reach(pair, client, folder):
    """The brokers of a pair whose file system keeps its locks to each machine tell by their heartbeats: the passive one does
    not take over.  A broker that hears nobody can't tell, and the store is open twice: the storm's check sees that."""
    strangers = copies(pair)
    machines = fit(pair.brokers + strangers, folder)
    for machine in machines:
        machine.turn("lone_lock")
    restart(pair)
    index = wait_for(lambda: next((at for at in (1, 2) if has_it_open(pair.brokers[at - 1])), 0), "an active one") - 1
    first, second, endpoint = pair.brokers[index], pair.brokers[1 - index], pair.endpoints[1 - index]
    wait_for(lambda: "locks do not reach" in status(endpoint)["why"], "the passive one's doubt")
    assert way_out(endpoint, "lock-doubt")
    assert owner(pair.brokers)
    first.kill()
    text = wait_for(lambda: refused(endpoint), "503")
    assert "locks do not reach" in text and not has_it_open(second)
    second.kill()
    first.start()
    put(queue(pair, client), b"one")
    first.process.send_signal(signal.SIGSTOP)
    strangers[0].start()
    try:
        with pytest.raises(TwoOpeners):
            wait_for(lambda: ask(strangers[0].endpoint, "HELLO", "1") and not owner([first, strangers[0]]), "two openers")
    finally:
        first.kill()
        strangers[0].kill()


def test_one_opener_through_a_storm(pair, client):
    """Kills, stops and starts in any order, of a pair and two copies with a wrong role: one of them has it open at most,
    no epoch comes twice, and what was answered OK is there."""
    print("ZBROKER_SEED=%d" % SEED)
    chance = random.Random(SEED)
    brokers = pair.brokers + copies(pair)
    endpoints = pair.endpoints + [broker.endpoint for broker in brokers[2:]]
    for broker in brokers[2:]:
        broker.start()
    one = queue(pair, client)
    put(one, b"0")
    many = Client(endpoints, "stormy")
    sent, opened = 0, 0

    try:
        for _ in range(ROUNDS):
            victim = chance.choice(brokers)
            what = chance.randrange(4)
            if not victim.alive:
                victim.start(ready=False)
            elif what == 0:
                victim.process.send_signal(signal.SIGSTOP)
                opened += owner(brokers)
                victim.process.send_signal(signal.SIGCONT)
            elif what == 1:
                victim.process.send_signal(signal.SIGTERM)
                victim.process.wait(PATIENCE)
                victim.process = None
            else:
                victim.kill()
            end = time.monotonic() + chance.random() * 0.4
            while time.monotonic() < end:
                #  A client asks one of them to lead, whichever it is.
                ask(chance.choice(endpoints), "HELLO", "1", patience=0.05)
                opened += owner(brokers)
            if chance.random() < 0.5:
                for broker in brokers:
                    if not broker.alive:
                        broker.start(ready=False)
                many.greeted = False
                sent += 1
                assert many.request("PUT", sent, "q", "", b"%d" % sent)[0] == b"shared"
            opened += owner(brokers)
        for broker in brokers[2:]:
            if broker.alive:
                broker.kill()
        for broker in brokers[:2]:
            if not broker.alive:
                broker.start()
        in_step(pair)
        assert client(pair, "consumer").drain("q") == [b"%d" % number for number in range(sent + 1)]
    finally:
        many.close()
        for broker in brokers[2:]:
            if broker.alive:
                broker.kill()
    assert opened
    epochs = []
    for broker in brokers:
        with open(broker.log) as log:
            epochs += [line.rsplit(" ", 1)[1] for line in log if "took the shared store over" in line]
    assert len(epochs) == len(set(epochs)), epochs


def test_takeover_with_a_backlog(pair, client):
    """A store with many messages is taken over under load; prints the gaps, and what the brokers say of the takeover."""
    one = queue(pair, client)
    body = b"x" * 100
    while one.last < BACKLOG // 500:
        sent = acked = one.last
        while acked < BACKLOG // 500:
            while sent < BACKLOG // 500 and sent - acked < 20:
                sent += 1
                one.send("PUT", sent, "q", "", *[body] * 500)
            reply = one.recv(PATIENCE)
            assert reply and reply[1] == b"OK", reply
            acked += 1
        one.last = acked
    one.request("QUEUE", "l", "load", "")
    gaps, took, share = [], [], 4000
    for _ in range(KILLS):
        active = in_step(pair)

        def kill(done):
            if done == share // 2:
                pair.brokers[active].kill()
        _, gap = one.stream("load", [body] * share, progress=kill)
        gaps.append(max(gap))
        took.append(status(pair.endpoints[1 - active])["lock"]["takeover_ms"])
        pair.brokers[active].start()
    in_step(pair)
    gaps.sort()
    print("%d messages stored; client's gap in ms: median %d, p99 %d of %d; taking the store over, in ms: %s"
          % (BACKLOG, gaps[len(gaps) // 2] * 1000, gaps[min(len(gaps) - 1, len(gaps) * 99 // 100)] * 1000, len(gaps),
             sorted(took)))
    messages = {name.decode(): lines.decode() for name, lines in zip(*[iter(client(pair).request("LIST", "l"))] * 2)}
    assert "messages=%d\n" % BACKLOG in messages["q"] + "\n" and "messages=%d\n" % (share * KILLS) in messages["load"] + "\n"
