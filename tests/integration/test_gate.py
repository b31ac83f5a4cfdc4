"""What strangers can make libzmq hold: connections, messages that never end, routing ids, subscriptions."""
import os
import socket
import struct
import sys
import threading
import time

import pytest
import zmq.auth

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))
from brokers import WRAPPER, Pair, Single, wait_for      # noqa: E402
from conftest import in_step                             # noqa: E402
from curve import Curve                                  # noqa: E402
from keyed import ROLES, Keyed, at                       # noqa: E402
from patience import PATIENCE, SLOWER                    # noqa: E402
from test_bounds import Flood, resident                  # noqa: E402
from zb1 import status                                   # noqa: E402

MIB = 1 << 20
MORE, LARGE, COMMAND = 1, 2, 4
PADDED = SLOWER > 1


def port_of(endpoint):
    return int(endpoint.rsplit(":", 1)[1])


def frame(body, flags=0):
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | LARGE]) + struct.pack(">Q", len(body)) + body


def ready_of(type, routing):
    return frame(b"\x05READY" + b"".join(bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
                                         for name, value in ((b"Socket-Type", type), (b"Identity", routing))), COMMAND)


class Raw:
    """A connection that speaks ZMTP 3.0 by hand."""

    def __init__(self, port, routing=b"", type=b"DEALER", address="127.0.0.1", greets=True, ready=True):
        self.sock = socket.create_connection((address, port), PATIENCE)
        if not greets:
            return
        self.send(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
        if ready:
            self.send(ready_of(type, routing))
            #  Whether it is let in; libzmq takes no message before it has answered this.
            self.let_in = self.hears(b"\x05READY")

    def send(self, data):
        """Returns whether the other side still takes bytes."""
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            return False

    def request(self, *frames):
        return self.send(b"".join(frame(f, MORE) for f in (b"ZB1",) + frames[:-1]) + frame(frames[-1]))

    def closed(self, patience=PATIENCE):
        """Whether the other side closes the connection in time."""
        self.sock.settimeout(patience)
        try:
            while self.sock.recv(65536):
                pass
            return True
        except socket.timeout:
            return False
        except OSError:
            return True

    def rest(self):
        """All that comes until the other side closes; without an answer to its heartbeats it does so soon."""
        got = b""
        self.sock.settimeout(PATIENCE)
        try:
            while some := self.sock.recv(65536):
                got += some
        except ConnectionError:
            pass
        return got

    def hears(self, word, patience=PATIENCE):
        """Whether this comes."""
        got = b""
        self.sock.settimeout(patience)
        try:
            while word not in got:
                some = self.sock.recv(65536)
                if not some:
                    return False
                got += some
            return True
        except OSError:
            return False

    def close(self):
        self.sock.close()


def limited(broker, files):
    """The broker will have so many descriptors."""
    broker.wrapper = ["prlimit", "--nofile=%d:%d" % (files, files), *WRAPPER]
    return broker


@pytest.fixture
def tight():
    """A broker that has small limits: make(text of the config file, files)."""
    made = []

    def make(text, files=None):
        single = Single()
        with open(single.folder + "/zbroker.conf", "a") as config:
            config.write(text)
        if files:
            limited(single.broker, files)
        single.broker.start()
        made.append(single)
        return single
    yield make
    for single in made:
        single.close()


def works(single, client):
    """A new client is served."""
    client = client(single)
    client.request("QUEUE", "q", "q", "")
    client.request("PUT", "p", "q", "", "body")
    assert client.request("GET", "g", "q", "1", "1000", "")[3:] == [b"body"]


#  --- Connections and descriptors ---------------------------------------------------------------------------------

def test_connections_leave_descriptors_to_the_store(tight, client):
    #  More connections than the process has descriptors.  The client that is there goes on, through several files of the
    #  log, and others come in when there is room again.
    single = tight("store\n    log-file = 4m\n", files=256)
    port = port_of(single.endpoints[0])
    busy = client(single)
    busy.request("QUEUE", "q", "q", "")
    crowd = [Raw(port) for _ in range(400)]
    let_in = sum(raw.let_in for raw in crowd)
    assert 10 < let_in < 100
    for number in range(30):
        busy.request("PUT", number, "q", "", bytes(900000))
    for raw in crowd:
        raw.close()
    wait_for(lambda: (status(single.endpoints[0]) or {}).get("connections", 1000) < 5, "room for new clients")
    now = status(single.endpoints[0])
    assert now["dropped"]["refused_connections"] >= 400 - let_in
    assert now["connections_most"] < 256
    wait_for(lambda: "connections of clients are let in" in single.broker.tail(), "a line about it")
    wait_for(lambda: "clients are refused" in single.broker.tail(), "a line about it")


def test_a_pair_survives_a_crowd_on_all_its_ports(folder, client):
    #  Both brokers with few descriptors, and each of their ports filled.  They need new files for what they store, nobody
    #  ends, and they stay in sync.
    with open(folder + "/zbroker.conf", "w") as config:
        config.write("store\n    log-file = 4m\n")
    pair = Pair("--config", folder + "/zbroker.conf")
    for broker in pair.brokers:
        limited(broker, 300)
    pair.start()
    active = in_step(pair)
    worker = client(pair)
    worker.current = active
    worker.request("QUEUE", "q", "q", "")
    crowd = [Raw(port + offset) for port in pair.ports for offset in (0, 1, 2) for _ in range(150)]
    for number in range(20):
        assert worker.request("PUT", "p%d" % number, "q", "", bytes(900000))[0] == b"both"
    for raw in crowd:
        raw.close()
    wait_for(lambda: all(map(status, pair.endpoints)), "room for new clients")
    assert in_step(pair) == active
    pair.close()


def test_an_address_has_its_share(tight, client):
    #  Of an address that is not loopback's.
    addresses = [a for a in os.popen("hostname -I").read().split() if ":" not in a and not a.startswith("127.")]
    if not addresses:
        pytest.skip("this machine has no address but loopback's")
    single = Single()
    port = port_of(single.endpoints[0])
    with open(single.folder + "/zbroker.conf", "a") as config:
        config.write("    bind = tcp://*:%d\nkeys\n    insecure = yes\nlimits\n    per-address = 5\n" % port)
    single.broker.start()
    crowd = [Raw(port, address=addresses[0]) for _ in range(8)]
    assert [raw.let_in for raw in crowd] == [True] * 5 + [False] * 3
    works(single, client)
    crowd[0].close()
    wait_for(lambda: Raw(port, address=addresses[0]).let_in, "room for another one of this address")
    single.close()


def test_who_says_nothing_is_not_kept(single):
    #  Neither if it connects and no more, nor if it stops within the handshake.
    mute = Raw(port_of(single.endpoints[0]), greets=False)
    half = Raw(port_of(single.endpoints[0]), ready=False)
    assert mute.closed(15 * SLOWER) and half.closed(15 * SLOWER)


def test_too_few_descriptors_are_refused():
    single = Single()
    limited(single.broker, 100).start(ready=False)
    single.broker.wait_exit(8)
    wait_for(lambda: "100" in single.broker.tail() and "128" in single.broker.tail(), "a line about it")
    single.close()


#  --- What comes over them ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("routing", [b"\0\0\0\0\1", b"a" * 1500], ids=["planted", "long"])
def test_a_routing_id_is_nothing_to_the_broker(single, routing):
    #  Two clients of one: neither ends the other, nor hears or has what is its.  It can be libzmq's own, too.
    port = port_of(single.endpoints[0])
    first, second = Raw(port, routing), Raw(port, routing)
    first.request(b"HELLO", b"h")
    assert first.hears(b"OK")
    second.request(b"QUEUE", b"q1", b"q", b"")
    assert second.hears(b"401")
    second.request(b"HELLO", b"h2")
    assert second.hears(b"h2")
    first.request(b"QUEUE", b"q2", b"q", b"")
    assert first.hears(b"OK")
    first.close()
    wait_for(lambda: held(single) == (1, 0), "the end of the first one's session")
    second.request(b"QUEUE", b"q3", b"q", b"")
    assert second.hears(b"OK")
    second.close()
    wait_for(lambda: held(single) == (0, 0), "the end of the second one's session")


def test_a_routing_id_as_long_as_a_frame(single, client):
    assert Raw(port_of(single.endpoints[0]), b"a" * 100000).closed(5 * SLOWER)
    works(single, client)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_handshake_in_pieces(single, size):
    #  Byte by byte, as a network may deliver it: the routing id is found all the same.
    raws = []
    for _ in range(2):
        raw = Raw(port_of(single.endpoints[0]), ready=False)
        raw.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ready = ready_of(b"DEALER", b"twin")
        for at in range(0, len(ready), size):
            raw.send(ready[at:at + size])
            time.sleep(0.001)
        assert raw.hears(b"\x05READY")
        raws.append(raw)
    for raw in raws:
        raw.request(b"PING", b"1")
        assert raw.hears(b"OK")


def test_a_message_that_never_ends(single, client):
    #  Empty frames: 2 bytes on the wire, and 64 in libzmq.  Then bytes.
    port = port_of(single.endpoints[0])
    for some in (frame(b"", MORE) * 1000, frame(bytes(100000), MORE)):
        raw = Raw(port)
        taken = 0
        while taken < 100 * MIB and raw.send(some):
            taken += len(some)
        assert taken < 100 * MIB
        raw.close()
    works(single, client)
    assert PADDED or resident(single.broker)[1] < 200 * MIB
    assert status(single.endpoints[0])["dropped"]["cut"] == 2


@pytest.mark.parametrize("port,type", [(1, b"SUB"), (2, b"PUSH")])
def test_a_message_that_never_ends_at_the_brokers_ports(pair, port, type):
    if port == 2 and pair.shared:
        pytest.skip("a shared store ships nothing")
    raw = Raw(pair.ports[0] + port, type=type)
    taken, some = 0, frame(b"\1", MORE) * 1000
    while taken < 20 * MIB and raw.send(some):
        taken += len(some)
    assert taken < 20 * MIB
    in_step(pair)


def test_the_state_port_takes_few_subscriptions(pair):
    #  One of 60 KB; and many small ones.  The last one is to everything, which a broker's is, too: no heartbeat comes.
    port = pair.ports[0] + 1
    for some in (frame(b"\1" + bytes(60000)), b"".join(frame(b"\1%d" % n) for n in range(1000)),
                 b"".join(frame(b"\x09SUBSCRIBE%d" % n, COMMAND) for n in range(1000))):
        raw = Raw(port, type=b"SUB")
        raw.send(some + frame(b"\1"))
        assert len(raw.rest()) < 100
    fine = Raw(port, type=b"SUB")
    fine.send(frame(b"\1"))
    assert len(fine.rest()) > 100
    in_step(pair)


def test_old_protocols_are_spoken_and_bounded(single):
    #  ZMTP 1.0, without a version and with one, and 2.0: the routing id is a frame of its own.
    port = port_of(single.endpoints[0])
    for greeting, one, more in ((b"", b"\x01\x00", b"\x01\x01"),
                                (b"\xff" + bytes(8) + b"\x7f\x00\x05", b"\x01\x00", b"\x01\x01"),
                                (b"\xff" + bytes(8) + b"\x7f\x01\x05", b"\x00\x00", b"\x01\x00")):
        raw = Raw(port, greets=False)
        raw.send(greeting + one)
        old = len(more) == 2 and more[0] == 1 and more[1] == 1

        def part(body, last):
            return bytes([len(body) + 1, not last]) + body if old else frame(body, 0 if last else MORE)
        raw.send(part(b"ZB1", False) + part(b"PING", False) + part(b"7", True))
        assert raw.hears(b"OK")
        taken = 0
        while taken < 20 * MIB and raw.send(more * 10000):
            taken += 20000
        assert taken < 20 * MIB


def test_unfinished_requests_have_a_limit_in_all(tight, client):
    #  Forty clients, each with most of a large request: the memory of a few of them is left.
    single = tight("limits\n    memory = 64m\n")
    crowd = [Raw(port_of(single.endpoints[0])) for _ in range(40)]
    part = frame(bytes(MIB), MORE)

    def send(raw):
        for _ in range(15):
            if not raw.send(part):
                return
    threads = [threading.Thread(target=send, args=(raw,)) for raw in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    works(single, client)
    #  Without the limit it is 600 MiB and more.
    assert PADDED or resident(single.broker)[1] < 400 * MIB
    assert status(single.endpoints[0])["dropped"]["cut"] > 20


class Sealed(Raw):
    """One that speaks CURVE by hand."""

    def __init__(self, pair, lead, path):
        self.curve = Curve(pair.public[ROLES[lead]].encode(), zmq.auth.load_certificate(path))
        self.sock = socket.create_connection(("127.0.0.1", pair.ports[lead]), PATIENCE)
        assert self.curve.shake(self.sock)


def test_unfinished_requests_have_a_limit_in_all_with_keys():
    #  The same with CURVE, of a principal that may do nothing.  A client that may is neither held nor cut in the midst of its
    #  own request.
    pair = Keyed(more="limits\n    memory = 64m\n").start()
    try:
        lead = pair.in_step()
        stranger, good = pair.new("stranger"), pair.new("good", "put=*", "manage=*", "as=*")
        with at(pair, lead, good) as worker:
            assert worker.code("HELLO", "h") == "OK"
            assert worker.code("QUEUE", "q", "q", "") == "OK"
            crowd = [Sealed(pair, lead, stranger) for _ in range(40)]

            def send(sealed):
                for _ in range(15):
                    if not sealed.send(sealed.curve.seal(bytes(MIB), more=True)):
                        return
            threads = [threading.Thread(target=send, args=(sealed,), daemon=True) for sealed in crowd]
            for thread in threads:
                thread.start()
            for number in range(10):
                assert worker.code("PUT", "p%d" % number, "q", "", bytes(1000000)) == "OK"
            for thread in threads:
                thread.join()
            assert worker.code("PUT", "last", "q", "", bytes(1000000)) == "OK"
            assert PADDED or resident(pair.brokers[lead])[1] < 300 * MIB
            assert pair.status(lead)["dropped"]["cut"] > 20
    finally:
        pair.close()


def test_large_requests_wait_in_their_clients(tight):
    #  Each of six sends 20 PUTs of 4 MiB at once.  Nobody is cut, all are answered, and little of it waits in memory.
    single = tight("limits\n    request = 5m\n")
    flood = Flood(single.endpoints[0], 6)
    body = bytes(MIB)
    for number in range(20):
        for sock in flood.socks:
            sock.send_multipart([b"ZB1", b"PUT", b"%d" % number, b"q", b"", body, body, body, body], copy=False)
    for sock in flood.socks:
        for number in range(20):
            assert sock.poll(PATIENCE * 1000)
            assert sock.recv_multipart()[1:3] == [b"OK", b"%d" % number]
    flood.close()
    print("%d MiB of memory, %d at most" % tuple(value / MIB for value in resident(single.broker)))
    assert PADDED or resident(single.broker)[1] < 350 * MIB
    assert status(single.endpoints[0])["dropped"]["cut"] == 0


def test_a_limit_is_for_nobody_else():
    #  A principal with more connections than it may have says much and is gone.  Whoever has its descriptor next is not cut.
    pair = Keyed().start()
    try:
        lead = pair.in_step()
        bad, good = pair.new("bad", "connections=1", "look=*"), pair.new("good", "look=*")

        def pings(path, count):
            sealed = Sealed(pair, lead, path)
            sealed.sock.settimeout(PATIENCE)
            sealed.send(b"".join(sealed.curve.message(b"", b"ZB1", b"PING", b"%d" % number) for number in range(count)))
            return sealed.sock
        held = pings(bad, 1)
        assert held.recv(1)
        for _ in range(80):
            pings(bad, 30).close()
            other = pings(good, 1)
            assert other.recv(1)
            other.close()
        assert pair.status(lead)["dropped"]["crowded"] > 0
        held.close()
    finally:
        pair.close()


#  --- What is held for a client ends with its connection ----------------------------------------------------------

def held(single):
    now = status(single.endpoints[0])
    return now["sessions"], now["parked"]


def test_a_session_ends_with_its_connection(single, client):
    worker = client(single)
    worker.request("QUEUE", "q", "q", "")
    crowd = [Raw(port_of(single.endpoints[0])) for _ in range(20)]
    for raw in crowd:
        raw.request(b"HELLO", b"h")
        raw.request(b"GET", b"g", b"q", b"1", b"100000000", b"")
    wait_for(lambda: held(single) == (21, 20), "all sessions and GETs")
    for raw in crowd:
        raw.close()
    wait_for(lambda: held(single) == (1, 0), "their ends")
    worker.request("PUT", "p", "q", "", "body")


def test_a_request_of_a_client_that_has_gone_is_done(single, client):
    #  Sent and left: what was under way is read, and nothing stays behind.
    worker = client(single)
    worker.request("QUEUE", "q", "q", "")
    for number in range(200):
        raw = Raw(port_of(single.endpoints[0]))
        raw.send(b"".join([frame(b"ZB1", MORE), frame(b"HELLO", MORE), frame(b"h")]))
        assert raw.hears(b"OK")
        raw.request(b"PUT", b"p", b"q", b"", b"%d" % number)
        raw.close()
    bodies = []
    wait_for(lambda: bodies.extend(worker.request("GET", "g", "q", "1000", "1000", "")[3:]) or len(bodies) == 200,
             "all messages")
    wait_for(lambda: held(single) == (1, 0), "the ends of their sessions")
