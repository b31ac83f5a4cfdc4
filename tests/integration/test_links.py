"""What comes over the links between the brokers: is it believed before it is proven, and is what does not fit named?"""
import struct
import time

import zmq

from brokers import wait_for
from conftest import in_step, two_stores
from links import CutPair
from seal import key, seal
from zb1 import status

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
    """Heartbeats come late, log records do not: the one that is taken back is in step as soon as it was granted, and takes
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
