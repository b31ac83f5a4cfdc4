"""Is a store of an earlier version opened and raised, does its level last, and is one of a later version left alone?

store_0.1.0.tar.xz.b64 has the folders of a pair of the first release (commit 22dc9e9): the queue `orders` with 80 messages
that `till` has stored in 40 PUTs, and `audit` with 5, of which the first 2 are acknowledged.  Its log is that of Berkeley DB
5.3 on a little-endian machine.
"""
import base64
import hashlib
import io
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile

import pytest
import zmq

from brokers import PROGRAM, Pair, Single, wait_for
from conftest import in_step
from load import QUEUES, Load
from patience import PATIENCE
from seal import key, seal
from zb1 import Client, ask, status, way_out

FIRST = os.path.join(os.path.dirname(__file__), "store_0.1.0.tar.xz.b64")
SEED = int(os.environ.get("ZBROKER_SEED", random.randrange(1 << 32)))


@pytest.fixture
def old_pair():
    """The brokers of a pair whose folders are of the first release."""
    if sys.byteorder != "little":
        pytest.skip("the store's log is of a little-endian machine")
    pair = Pair()
    try:
        with open(FIRST) as text, tarfile.open(fileobj=io.BytesIO(base64.b64decode(text.read()))) as tar:
            tar.extractall(pair.folder)
        yield pair
    finally:
        pair.close()


def upgrade(pair, *arguments):
    """Runs the command; returns exit code, what it prints and says."""
    done = subprocess.run([PROGRAM, "upgrade", *arguments, "--brokers", ",".join(pair.endpoints)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
    return done.returncode, done.stdout + done.stderr


def levels(pair):
    return [status(endpoint)["store_level"] for endpoint in pair.endpoints]


def noted(folder):
    """The level that the file `node` names."""
    with open(folder + "/node") as node:
        return node.read().split("\n")[1]


def check_messages(pair):
    """All that the first release has answered OK is there, once, and what it has acknowledged is not."""
    one = Client(pair.endpoints)
    orders = [body for number in range(40) for body in (b"order %d" % (number + 1), b"and its copy")]
    for queue, bodies in (("orders", orders), ("audit", [b"audit 43", b"audit 44", b"audit 45"])):
        reply = one.request("GET", 1, queue, 1000, 0, "")
        assert reply[3:] == bodies
        assert one.request("GET", 2, queue, 1000, 0, "")[3:] == []
        one.request("NACK", 3, queue, " ".join(line.split()[0].decode() for line in reply[2].split(b"\n")))
    one.close()


def test_a_store_of_the_first_release(old_pair):
    """It is opened, serves, and is raised when that is said; what is new in the level waits for it, and it lasts."""
    pair = old_pair.start()
    in_step(pair)
    assert levels(pair) == [1, 1]
    check_messages(pair)
    till = Client(pair.endpoints, "till")
    assert till.request("PUT", 40, "orders", "colour=red\nn=40", b"order 40", b"and its copy")[3] == b"duplicate"
    till.send("QUEUE", 1, "audit", "grace=1000")
    reply = till.recv(PATIENCE)
    assert reply[4] == b"503" and b"the store is of level 1, and this takes level 2" in reply[5]
    code, text = upgrade(pair)
    assert code == 0 and "The store is of level 1: it takes zbroker 0.1.0 or later" in text
    assert text.count("reads levels 1 to 4") == 2 and "It can be raised to level 4: zbroker upgrade --finish" in text
    shown = json.loads(upgrade(pair, "--json")[1])
    assert (shown["store_level"], shown["may_rise_to"], shown["missing"]) == (1, 4, None)
    assert [broker["reads"] for broker in shown["brokers"]] == [[1, 4], [1, 4]]

    code, text = upgrade(pair, "--finish")
    assert code == 0 and "The store is of level 4: it takes zbroker 0.2.0 or later" in text, text
    wait_for(lambda: levels(pair) == [4, 4], "the level at both")
    assert [noted(pair.folder + folder) for folder in ("/primary", "/backup")] == ["level 4 0.2.0"] * 2
    assert till.request("QUEUE", 1, "audit", "grace=1000") == []
    #  Said again, there is nothing to do.
    assert upgrade(pair, "--finish")[0] == 0
    check_messages(pair)
    assert till.request("PUT", 46, "audit", "", b"audit 46")[0] == b"both"
    till.close()

    #  It lasts: through a failover, a start of both, and at a broker that has lost its disk.
    pair.brokers[0].kill()
    wait_for(lambda: (ask(pair.endpoints[1], "HELLO", "1") or [b""] * 2)[1] == b"OK", "the backup serves")
    assert status(pair.endpoints[1])["store_level"] == 4
    subprocess.run(["rm", "-r", pair.folder + "/primary"], check=True)
    pair.brokers[0].start()
    in_step(pair)
    wait_for(lambda: levels(pair) == [4, 4], "the level at both")
    assert noted(pair.folder + "/primary") == "level 4 0.2.0"
    for broker in pair.brokers:
        broker.stop()
    pair.start()
    in_step(pair)
    wait_for(lambda: levels(pair) == [4, 4], "the level at both")


def test_it_is_not_raised_while_one_is_away(old_pair):
    pair = old_pair.start()
    in_step(pair)
    pair.brokers[1].kill()
    code, text = upgrade(pair, "--finish")
    assert code == 1 and ("the other broker is not heard" in text or "not in sync" in text), text
    code, text = upgrade(pair)
    assert code == 1 and "does not answer" in text and "It can't be raised now: " in text
    assert status(pair.endpoints[0])["store_level"] == 1
    pair.brokers[1].start()
    in_step(pair)
    assert levels(pair) == [1, 1]


def test_only_with_a_proof(old_pair):
    pair = old_pair.start()
    in_step(pair)
    assert ask(pair.endpoints[0], "UPGRADE", "1", "0" * 64)[4] == b"403"
    assert levels(pair) == [1, 1]


EARLIER = os.environ.get("ZBROKER_EARLIER")


def bring(pair, program):
    """Has both machines run this program, one after the other, as UPDATING in zbroker(1) says."""
    first = 1 - in_step(pair)
    for index in (first, 1 - first):
        if in_step(pair) == index:
            subprocess.run([PROGRAM, "switchover", "--brokers", ",".join(pair.endpoints)], check=True, stdout=subprocess.DEVNULL,
                           timeout=PATIENCE)
        broker = pair.brokers[index]
        assert broker.stop() == 0
        broker.executable = program
        broker.start()
        in_step(pair)


def test_one_machine_after_the_other():
    """Under load nothing is lost, doubled or refused.  With ZBROKER_EARLIER, a program that tests/earlier.sh has built, from
    that one to this, back, and to this one for good; without, to this one from itself."""
    pair = Pair()
    for broker in pair.brokers:
        broker.executable = EARLIER or PROGRAM
    try:
        pair.start()
        in_step(pair)
        load = Load(pair.endpoints, ["ann", "bob"])
        bring(pair, PROGRAM)
        if EARLIER:
            assert levels(pair) == [2, 2]
            assert json.loads(upgrade(pair, "--json")[1])["may_rise_to"] == 4
            bring(pair, EARLIER)
            bring(pair, PROGRAM)
            code, text = upgrade(pair, "--finish")
            assert code == 0, text
            wait_for(lambda: levels(pair) == [4, 4], "the level at both")
        end = load.end()
        print("%d PUTs of each producer" % end)
        one = Client(pair.endpoints)
        for index, queue in enumerate(QUEUES):
            bodies = one.drain(queue)
            for name in ("ann", "bob"):
                got = [int(body.split()[1]) for body in bodies if body.startswith(name.encode())]
                assert got == [n for n in range(1, end + 1) if n % 3 == index], (name, queue)
        one.close()
        if EARLIER:
            #  The way back is closed now, and nothing is touched by who tries.
            broker = pair.brokers[1 - in_step(pair)]
            broker.stop()
            broker.executable = EARLIER
            broker.start(ready=False)
            broker.wait_exit(2)
            assert "is of level 4, which takes zbroker" in broker.tail()
    finally:
        pair.close()


@pytest.mark.parametrize("victims", ["active", "passive", "both"])
def test_killed_while_it_rises(old_pair, victims):
    """Whenever it happens, the pair comes back with all messages, at one level, and at the higher one if that was said."""
    print("ZBROKER_SEED=%d" % SEED)
    pause = random.Random(SEED).uniform(0, 0.2)
    pair = old_pair.start()
    in_step(pair)
    active = [status(endpoint)["role"] for endpoint in pair.endpoints].index("active")
    command = subprocess.Popen([PROGRAM, "upgrade", "--finish", "--timeout", "3000", "--brokers", ",".join(pair.endpoints)],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        command.wait(pause)
    except subprocess.TimeoutExpired:
        pass
    dead = {"active": [active], "passive": [1 - active], "both": [0, 1]}[victims]
    for index in dead:
        pair.brokers[index].process.send_signal(signal.SIGKILL)
    for index in dead:
        pair.brokers[index].kill()
    said = command.wait(PATIENCE) == 0
    print("killed after %.0f ms, said: %s" % (pause * 1000, command.stdout.read()))
    for index in dead:
        pair.brokers[index].start()
    in_step(pair)
    wait_for(lambda: len(set(levels(pair))) == 1, "one level at both")
    assert not said or levels(pair) == [4, 4]
    assert wait_for(lambda: upgrade(pair, "--finish")[0] == 0, "the level rises")
    wait_for(lambda: levels(pair) == [4, 4], "the level at both")
    check_messages(pair)


def test_a_new_store_has_the_highest_level(pair):
    in_step(pair)
    code, text = upgrade(pair)
    assert code == 0 and "The store is of level 4" in text and "That is the highest level that" in text
    assert upgrade(pair, "--finish")[0] == 0


def test_without_a_pair(single):
    done = subprocess.run([PROGRAM, "upgrade", "--finish", "--brokers", single.endpoints[0]], text=True,
                          stdout=subprocess.PIPE)
    assert done.returncode == 0 and "The store is of level 4" in done.stdout


def record(text):
    """With the line that io/store/record puts behind it."""
    check = 0xcbf29ce484222325
    for byte in text.encode():
        check = (check ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return "%scheck %016x\n" % (text, check)


def contents(folder):
    """All files but the lock's: bytes and when they were written."""
    return {path + "/" + name: (os.stat(path + "/" + name).st_mtime_ns,
                                hashlib.sha256(open(path + "/" + name, "rb").read()).hexdigest())
            for path, _, names in os.walk(folder) for name in names if name != "LOCK"}


@pytest.mark.parametrize("kind", ["single", "pair", "shared"])
def test_a_store_of_a_higher_level_is_not_touched(kind):
    """The program names the version that it takes, whatever else the later one has written, and changes nothing."""
    owner = Single() if kind == "single" else Pair(store="shared" if kind == "shared" else "replicated")
    brokers = [owner.broker] if kind == "single" else owner.brokers
    try:
        for broker in brokers:
            broker.start(ready=False)
        for broker in brokers:
            broker.wait_line("READY")
        if kind != "single":
            in_step(owner)
        for broker in brokers:
            broker.stop()
        for folder in ["/store"] if kind != "pair" else ["/primary", "/backup"]:
            with open(owner.folder + folder + "/node", "w") as node:
                node.write(record("zbroker node 3\nlevel 9 0.9.0\nwhat nobody knows yet\n"))
        before = contents(owner.folder)
        for broker in brokers:
            broker.start(ready=False)
            broker.wait_exit(2)
            assert "is of level 9, which takes zbroker 0.9.0 or later; this is zbroker" in broker.tail()
            assert "Nothing was changed" in broker.tail()
        logs = {broker.log for broker in brokers}
        after = contents(owner.folder)
        assert {path: file for path, file in after.items() if path not in logs} == \
            {path: file for path, file in before.items() if path not in logs}
        folder = brokers[0].options[brokers[0].options.index("--store") + 1]
        for command in (["doctor", "--store", folder], ["adopt", "--store", folder, "--accept-loss"]):
            done = subprocess.run([PROGRAM, *command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode in (1, 2) and "takes zbroker 0.9.0 or later" in done.stdout, done.stdout
        assert {path: file for path, file in contents(owner.folder).items() if path not in logs} == \
            {path: file for path, file in before.items() if path not in logs}
    finally:
        owner.close()


class Forged:
    """A backup that is not there: its heartbeats are those of the primary, changed."""

    def __init__(self, pair):
        self.session = random.randrange(1, 1 << 63)
        self.sequence = 0
        self.pub = zmq.Context.instance().socket(zmq.PUB)
        self.pub.linger = 0
        self.pub.bind("tcp://127.0.0.1:%d" % (pair.ports[1] + 1))
        self.sub = zmq.Context.instance().socket(zmq.SUB)
        self.sub.linger = 0
        self.sub.subscribe(b"")
        self.sub.connect("tcp://127.0.0.1:%d" % (pair.ports[0] + 1))

    def close(self):
        self.pub.close()
        self.sub.close()

    def say(self, change=lambda payload: payload, version=2):
        """Answers the primary's next heartbeat, if there is one."""
        if not self.sub.poll(100):
            return
        frame = self.sub.recv()[32:]
        self.sequence += 1
        head = b"HART" + frame[4:8] + struct.pack(">QQ", self.session, self.sequence) + frame[8:24]
        payload = bytearray(frame[40:])
        payload[1] = 2
        self.pub.send(seal(key(), 1, 2, head + bytes(change(payload)), version=version))


def of_level(least, most, store, version):
    def change(payload):
        at = 45 + 25 * payload[36]
        levels = struct.pack(">HHHH16s16s", least, most, store, store, version.encode(), version.encode())
        return payload[:36] + payload[36:at] + struct.pack(">H", len(levels) + 4) + levels + b"more" + payload[at + 42:]
    return change


@pytest.fixture
def forged():
    pair = Pair()
    try:
        backup = Forged(pair)
        pair.brokers[0].start()
        yield pair, backup
        backup.close()
    finally:
        pair.close()


def why(pair):
    return status(pair.endpoints[0])["links"]["state_in"]["why"] or ""


def test_a_peer_of_a_higher_level(forged):
    """The broker ends, and names the version that it takes."""
    pair, backup = forged
    broker = pair.brokers[0]

    def ended():
        backup.say(of_level(1, 9, 9, "0.9.0"))
        return broker.process.poll() is not None
    wait_for(ended, "the end of the primary")
    broker.wait_exit(2)
    assert "the other broker's store is of level 9, which takes zbroker 0.9.0 or later" in broker.tail()


def test_a_peer_that_reads_other_levels(forged):
    """The broker waits, and status says which of the two is to be updated."""
    pair, backup = forged

    def told():
        backup.say(of_level(5, 9, 0, "0.9.0"))
        return "the other broker is zbroker 0.9.0, which reads levels 5 to 9: update this one" in why(pair)
    wait_for(told, "what does not fit")
    assert status(pair.endpoints[0])["role"] == "waiting" and way_out(pair.endpoints[0], "versions")


def test_a_later_peer_is_heard(forged):
    """It reads more, and says more than is known here: it is a peer like any other."""
    pair, backup = forged

    def heard():
        backup.say(of_level(1, 9, 0, "0.9.0"))
        peer = status(pair.endpoints[0])["peer"]
        return peer["heard"] and peer["version"] == "0.9.0"
    wait_for(heard, "the later version")
    assert "level" not in why(pair)


def test_a_peer_of_the_first_release_is_named(forged):
    pair, backup = forged

    def told():
        backup.say(version=1)
        return "zbroker 0.1, which makes no pair with this one" in why(pair)
    wait_for(told, "the first release's name")
