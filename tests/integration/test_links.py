"""What comes over the links between the brokers: is it believed before it is proven, and is what does not fit named?"""
import struct
import subprocess
import time

import pytest
import zmq

from brokers import PROGRAM, Pair, wait_for
from conftest import in_step, two_stores
from links import CutPair
from seal import key, seal
from zb1 import status, way_out

BOMB = 2 ** 32 - 2


def hellos(node, role, number):
    """What a stranger can say first at a port for shipping, with the generation that was in it once: as the first release
    had it, and as it is."""
    return [seal(key(), 1, node, struct.pack(">QIB", number, BOMB, role), version=1),
            seal(key(), 1, node, struct.pack(">QB", number, role)),
            seal(key(), 7, node, struct.pack(">QI", number, BOMB), session=number),
            seal(key(), 2, node, struct.pack(">QI", number, BOMB), session=number)]


class Stranger:
    """Somebody who reaches the ports for shipping of both brokers of a pair without a secret."""

    def __init__(self, pair):
        self.socks = []
        self.number = 0
        for port in pair.ports:
            sock = zmq.Context.instance().socket(zmq.PUSH)
            sock.linger = 0
            sock.sndtimeo = 5000
            sock.connect("tcp://127.0.0.1:%d" % (port + 2))
            self.socks.append(sock)

    def speak(self):
        """To each in the other one's name, as one that follows, leads and waits."""
        for index, sock in enumerate(self.socks):
            for role in range(3):
                self.number += 1
                for frame in hellos(2 - index, role, self.number):
                    sock.send(frame)

    def close(self):
        for sock in self.socks:
            sock.close()


def roles(broker):
    """The changes of role that a broker has printed."""
    while not broker.pipe.empty():
        broker.lines.append(broker.pipe.get())
    return [line for line in broker.lines if line.startswith("ROLE")]


@two_stores
def test_a_stranger_at_the_shipping_port_changes_nothing(pair, client):
    """HELLOs of every role, with generations that nobody can count to: the link's session goes on, every answer is
    `both`, no role changes; and whoever is left takes over at once."""
    active = in_step(pair)
    one = client(pair, "producer")
    one.hello()
    one.request("QUEUE", "q", "q", "")
    stranger = Stranger(pair)
    before = [roles(broker) for broker in pair.brokers]
    number = 0
    end = time.monotonic() + 4
    while time.monotonic() < end:
        stranger.speak()
        number += 1
        assert one.request("PUT", number, "q", "", b"x")[0] == b"both"
    assert in_step(pair) == active
    assert [roles(broker) for broker in pair.brokers] == before
    stranger.speak()
    pair.brokers[active].kill()
    began = time.monotonic()
    assert one.request("PUT", number + 1, "q", "", b"x")[0] == b"solo"
    assert time.monotonic() - began < 5, "the takeover counts up to what a stranger has said"
    pair.brokers[active].start()
    in_step(pair)
    assert len(client(pair).drain("q")) == number + 1
    stranger.close()


def test_a_grant_that_overtakes_the_heartbeat(client):
    """Heartbeats come late, log records do not: the one that is taken back is in sync as soon as it was granted, and takes
    over if the active one dies then."""
    pair = CutPair()
    pair.start()
    try:
        active = in_step(pair)
        one = client(pair, "producer")
        one.hello()
        one.request("QUEUE", "q", "q", "")
        pair.brokers[1 - active].kill()
        assert one.request("PUT", 1, "q", "", b"alone")[0] == b"solo"
        #  The passive one hears the active one's heartbeats through the second link of its three.
        pair.links[3 * active + 1].late = 0.35
        pair.brokers[1 - active].start()
        wait_for(lambda: status(pair.endpoints[active])["phase"] == "paired", "the grant")
        pair.brokers[active].kill()
        assert one.request("PUT", 2, "q", "", b"both", patience=20)[0] == b"solo"
        pair.brokers[active].start()
        in_step(pair)
    finally:
        pair.close()


def link(endpoint, way):
    """What a broker says of one of its links: None while it is open, else why it is closed."""
    one = status(endpoint)["links"][way]
    return None if one["open"] else one["why"]


def named(pair, index, way, *words):
    """Waits until status and log of a broker name what is wrong with a way."""
    endpoint = pair.endpoints[index]
    wait_for(lambda: all(word in (link(endpoint, way) or "") for word in words), "%s: %s" % (way, words))
    wait_for(lambda: all(word in pair.brokers[index].tail() for word in words), "a line in the log: %s" % (words,))

    def shown():
        told = subprocess.run([PROGRAM, "status", "--brokers", ",".join(pair.endpoints)], capture_output=True, text=True)
        return told.returncode and words[0] in told.stdout
    #  The connection is tried again and again, and looks open for a moment each time.
    wait_for(shown, "what zbroker status shows: %s" % words[0])


@pytest.fixture
def mended():
    """Makes pairs whose brokers have config files of their own."""
    made = []

    def make(*texts, start=True):
        pair = Pair()
        made.append(pair)
        for index, text in enumerate(texts):
            path = "%s/%d.conf" % (pair.folder, index)
            with open(path, "w") as config:
                config.write(text)
            pair.brokers[index].options[:0] = ["--config", path]
        if start:
            pair.start()
        return pair
    yield make
    for pair in made:
        pair.close()


def test_another_secret_is_named(mended):
    pair = mended("pair\n    secret = one\n", "pair\n    secret = two\n")
    for index in range(2):
        named(pair, index, "state_in", "pair/name and pair/secret must be the same")
    assert "pair/name and pair/secret" in link(pair.endpoints[0], "ship_in")
    assert any("pair/secret must be the same" in text for text in way_out(pair.endpoints[0], "link-refused"))


def test_the_same_role_is_named(mended):
    """Both are started as the primary, on two machines: here, the other one's address leads to a primary's port."""
    pair = mended("", "", start=False)
    pair.brokers[0].start()
    ports = pair.ports
    pair.brokers[1].options = ["--as", "primary", "--primary", pair.endpoints[1], "--backup", pair.endpoints[0],
                               "--store", pair.folder + "/other"]
    pair.brokers[1].start()
    assert ports
    for index in range(2):
        named(pair, index, "state_in", "is a primary, as this broker is", "--as backup")


def test_a_port_that_is_closed_is_named():
    """Log records do not get through to the backup, heartbeats do; then heartbeats go one way alone."""
    pair = CutPair()
    pair.links[3 + 2].close()
    pair.start()
    try:
        named(pair, 0, "ship_out", "nobody listens at", str(pair.ports[1] + 6))
        named(pair, 1, "ship_in", "can't connect to")
        assert link(pair.endpoints[0], "state_in") is None
        assert link(pair.endpoints[1], "ship_out") is None
    finally:
        pair.links[3 + 2] = type(pair.links[0])(pair.ports[1] + 6, pair.ports[1] + 2)
        wait_for(lambda: link(pair.endpoints[0], "ship_out") is None, "the way to open")
        wait_for(lambda: "open again" in pair.brokers[0].tail(), "a line that says so")
        in_step(pair)
        pair.links[1].cut()
        named(pair, 1, "state_in", "takes connections, but nothing comes of it")
        named(pair, 0, "state_out", "can't connect to")
        pair.close()


def test_a_name_that_does_not_resolve(mended):
    """The peer's name is named; a broker whose own name nobody can look up is not READY."""
    pair = mended("", "", start=False)
    pair.brokers[0].options += ["--backup", "tcp://no-such-host.invalid:5570"]
    pair.brokers[0].start()
    wait_for(lambda: "'no-such-host.invalid' does not resolve" in (link(pair.endpoints[0], "state_in") or ""), "the name")
    wait_for(lambda: "does not resolve" in pair.brokers[0].tail(), "a line in the log")
    pair.brokers[1].options += ["--backup", "tcp://no-such-host.invalid:5570"]
    pair.brokers[1].start(ready=False)
    pair.brokers[1].wait_exit(2)
    assert "does not resolve" in pair.brokers[1].tail() and "READY" not in "".join(filter(None, pair.brokers[1].lines))
    for port in ("99999", "65536", "0"):
        bad = subprocess.run([PROGRAM, "serve", "--as", "primary", "--primary", "tcp://127.0.0.1:" + port, "--backup",
                              pair.endpoints[1], "--store", pair.folder + "/x"], capture_output=True, text=True)
        assert bad.returncode == 2 and "a port of 1 to 65535" in bad.stderr, bad.stderr
        bad = subprocess.run([PROGRAM, "witness", "--bind", "tcp://*:" + port, "--store", pair.folder + "/x"],
                             capture_output=True, text=True, timeout=20)
        assert bad.returncode == 2 and "a port of 1 to 65535" in bad.stderr, bad.stderr


def test_settings_that_differ_are_named(mended, zbroker):
    pair = mended("limits\n    body = 2048\n", "limits\n    body = 4096\n    lease = 7000\n")
    in_step(pair)
    wait_for(lambda: "limits/body is 2048 here and 4096 there, limits/lease is 30000 here and 7000 there"
             == status(pair.endpoints[0])["links"]["differs"], "what differs")
    wait_for(lambda: "limits/body is 4096 here and 2048 there" in pair.brokers[1].tail(), "a line in the log")
    shown = zbroker(["status", "--brokers", ",".join(pair.endpoints)], check=False)
    assert shown.returncode == 1 and "set up differently" in shown.stdout
    assert way_out(pair.endpoints[0], "settings-differ") and "way out (settings-differ)" in shown.stdout
