"""What does somebody get who sits on the network, records, and plays it again, or takes the place of a broker or the witness?"""
import os
import socket
import time

import pytest

from brokers import Broker, wait_for
from keyed import GREETING, MARKER, ROLES, Keyed, Socket, after, at, make
from patience import PATIENCE, SLOWER

WELCOME = 2 + 168       # bytes of CURVE's second command, with its frame
SERVED = 1.5 * SLOWER   # seconds without an answer that show that there will be none


class Wire:
    """A pair and its witness, with a relay before each port that anybody connects to; with keys, or without."""

    def __init__(self, keys=True):
        self.pair = Keyed(witness=True, links=True, insecure=not keys)
        self.pair.third.start()
        self.pair.start()
        self.active = self.pair.in_step()
        self.worker = self.pair.new("worker", "put=*", "get=*", "manage=*", "look=*") if keys else None
        taps = self.pair.links
        #  Before the active one's ports: what clients say, its heartbeats, and the acks of the passive one; and before that one's: the log.
        self.clients, self.state, self.acks = taps[3 * self.active:3 * self.active + 3]
        self.log = taps[3 * (1 - self.active) + 2]
        self.witness = taps[6]

    def client(self):
        """Whoever connects through the relay."""
        return Socket("tcp://127.0.0.1:%d" % (self.pair.ports[self.active] + 3), self.worker, self.pair.public[ROLES[self.active]])

    def facts(self):
        """What nobody's bytes may change."""
        return [(state["role"], state["epoch"], state["in_step"], state["level"], state["puts"], state["messages_in"], state["queues"])
                for state in map(self.pair.status, (0, 1))]

    def close(self):
        try:
            self.pair.third.finish()
        finally:
            self.pair.close()


@pytest.fixture(params=["keys", "insecure"])
def wire(request):
    wire = Wire(request.param == "keys")
    yield wire
    wire.close()


@pytest.fixture(scope="module")
def sealed():
    """One for all: each test leaves it as it was."""
    wire = Wire()
    yield wire
    wire.close()


def fill(wire, sock):
    assert sock.code("HELLO", 0) == "OK" and sock.code("QUEUE", 1, "q-" + MARKER.decode(), "") == "OK"
    assert sock.ask("PUT", 1, "q-" + MARKER.decode(), "", MARKER)[4] == b"both"


def test_who_reads_the_network_reads_nothing(wire):
    """Neither a body nor a queue's name is in what client and broker, or the two brokers, say to each other.  Without keys it is."""
    with wire.client() as sock:
        fill(wire, sock)
        assert sock.ask("GET", 2, "q-" + MARKER.decode(), 1, 0, "")[7:] == [MARKER]
    for tap in (wire.clients, wire.log):
        assert len(tap.seen) > 500
        assert (MARKER in tap.seen) == (wire.worker is None), tap.target


def play(port, asked):
    """Says what was recorded, each step of the handshake when the one before is answered.  Returns what came back until the
    other side has closed, and whether it has."""
    heard, hello = b"", after(asked, 1)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        try:
            for part, answer in ((asked[:GREETING], GREETING), (asked[GREETING:hello], GREETING + WELCOME), (asked[hello:], None)):
                sock.sendall(part)
                sock.settimeout(PATIENCE if answer else SERVED)
                while (answer is None or len(heard) < answer) and (data := sock.recv(65536)):
                    heard += data
        except ConnectionError:
            pass
        except TimeoutError:
            return heard, False
    return heard, True


def test_a_recorded_handshake_opens_nothing(sealed):
    """At no port: what the broker has drawn for the one connection is not good for another one."""
    with sealed.client() as sock:
        fill(sealed, sock)
    before = sealed.facts()
    for tap in (sealed.clients, sealed.state, sealed.acks, sealed.log, sealed.witness):
        #  Of a connection that came to be: its READY is there.
        recording = next(one for one in tap.recordings.values() if after(one.answered, 2) <= len(one.answered))
        for asked in (recording.asked[:after(recording.asked, 2)], recording.asked):
            heard, ended = play(tap.target, bytes(asked))
            #  The greeting and a WELCOME, and no READY.
            assert ended and len(heard) == GREETING + WELCOME, (tap.target, heard)
    wait_for(lambda: sealed.facts() == before, "both as they were before")


def test_what_is_said_twice_is_heard_once(wire):
    """A PUT without a name that a relay sends again is stored once, and the connection ends.  Without keys it is stored twice."""
    with wire.client() as sock:
        fill(wire, sock)
        before = wire.facts()[wire.active]
        wire.clients.twice = "asked"
        sock.send("PUT", 2, "q-" + MARKER.decode(), "", "once")
        wait_for(lambda: wire.clients.doubled, "the PUT on its way")
        if wire.worker:
            wait_for(lambda: wire.clients.doubled.ended, "the connection's end")
            wait_for(lambda: wire.facts()[wire.active][4] > before[4], "the PUT")
            assert wire.facts()[wire.active][4] == before[4] + 1
        else:
            wait_for(lambda: wire.facts()[wire.active][4] == before[4] + 2, "the PUT, twice")


def test_what_the_links_say_twice_changes_nothing(sealed):
    """Heartbeats, the log and its acks, claims and rulings: the connection that it came over ends, and that is all."""
    before = sealed.facts()
    for tap, ways in ((sealed.state, ["answered"]), (sealed.acks, ["asked"]), (sealed.log, ["asked"]), (sealed.witness, ["asked", "answered"])):
        for way in ways:
            tap.doubled, tap.twice = None, way
            wait_for(lambda: tap.doubled, "something to be said at %d" % tap.target)
            wait_for(lambda: tap.doubled.ended, "the connection's end")
            wait_for(lambda: sealed.facts() == before, "both as they were before")


def test_what_is_slipped_in_ends_a_connection_and_not_the_link(sealed):
    """libzmq gives a connection up for good when what comes over it breaks the protocol: whoever has made it makes it anew."""
    before = sealed.facts()
    for tap in (sealed.state, sealed.acks, sealed.log, sealed.witness):
        whole = [one for one in tap.recordings.values() if not one.ended]
        tap.slip(b"\0\x29\x07MESSAGE" + bytes(33))
        wait_for(lambda: all(one.ended for one in whole), "the connections' end")
        try:
            wait_for(lambda: sealed.facts() == before and tap.whole_again(), "both as they were before")
        except AssertionError as error:
            raise AssertionError("%s: %s, it was %s; %s; %s" % (
                error, sealed.facts(), before, [sealed.pair.status(index)["links"] for index in (0, 1)],
                [open(broker.log).read()[-3000:] for broker in sealed.pair.brokers])) from None
    wait_for(lambda: all(way["open"] for index in (0, 1) for way in sealed.pair.status(index)["links"].values() if isinstance(way, dict)), "all links")
    assert sealed.facts() == before


def foreign(pair, role):
    """Another process in the place of this one, which knows all but its secret key: name, secret, public keys, addresses."""
    foreign_key, config = ("%s/foreign-%s.%s" % (pair.folder, role, what) for what in ("key", "conf"))
    public = make(foreign_key)
    with open(pair.configs[role]) as own, open(config, "w") as file:
        os.chmod(config, 0o600)
        file.write(own.read().replace("%s/%s.key" % (pair.folder, role), foreign_key).replace(
            pair.public[role], public))
    return config


def test_a_stranger_in_the_passive_ones_place_gets_nothing(sealed):
    """Who has the address of a broker that is down, the pair's name and its secret: is not followed, fed or granted."""
    pair, active = sealed.pair, sealed.active
    with at(pair, active, sealed.worker) as sock:
        fill(sealed, sock)
        pair.brokers[1 - active].kill()
        before = pair.status(active)
        role = ROLES[1 - active]
        stranger = Broker(["--as", role, "--config", foreign(pair, role), "--store", pair.folder + "/foreign"],
                          pair.folder + "/foreign.log").start()
        try:
            wait_for(lambda: pair.status(active)["dropped"]["unknown_keys"] > before["dropped"]["unknown_keys"] + 1,
                     "its handshakes to be refused")
            assert sock.code("HELLO", 3) == "OK"
            assert sock.ask("PUT", 2, "q-" + MARKER.decode(), "", MARKER, patience=PATIENCE)[4] == b"solo"
            now = pair.status(active)
            assert (now["role"], now["in_step"]) == ("active", False) and not now["peer"]["heard"]
            #  Nor does a client take it for the broker.
            with at(pair, 1 - active, sealed.worker) as other:
                assert other.ask("PING", 1, patience=SERVED) is None
            for folder, _, files in os.walk(pair.folder + "/foreign"):
                for file in files:
                    with open(os.path.join(folder, file), "rb") as data:
                        assert MARKER not in data.read(), file
        finally:
            stranger.finish()
        pair.brokers[1 - active].start()
        assert pair.in_step() == active


def test_a_stranger_in_the_witnesss_place_lets_nobody_go_on_alone(sealed):
    """The same of the witness: its consent is none."""
    pair, active = sealed.pair, sealed.active
    with at(pair, active, sealed.worker) as sock:
        fill(sealed, sock)
        pair.third.kill()
        stranger = Broker([foreign(pair, "witness"), "--store", pair.folder + "/foreign"], pair.folder + "/foreign.log")
        stranger.command = "witness"
        stranger.start()
        wait_for(lambda: not pair.status(active)["links"]["witness"]["open"], "the witness to be missed")
        pair.brokers[1 - active].kill()
        try:
            sock.send("PUT", 2, "q-" + MARKER.decode(), "", "alone")
            assert sock.recv(SERVED) is None
        finally:
            stranger.finish()
        pair.third.start()

        def answered():
            with at(pair, active, sealed.worker) as other:
                return other.code("HELLO", 0) == "OK" and other.ask("PUT", 2, "q-" + MARKER.decode(), "", "alone")
        assert wait_for(answered, "the witness's consent")[4] == b"solo"
        pair.brokers[1 - active].start()
        pair.in_step()
