"""Can anybody stop a broker, or make it lose a message, with what he sends to its ports?"""
import contextlib
import os
import random
import socket
import struct

import pytest
import zmq

from brokers import Pair, wait_for
from conftest import in_step
from patience import PATIENCE
from zb1 import Client, ask, status

SEED = int(os.environ.get("ZBROKER_SEED", random.randrange(1 << 30)))


def code(reply):
    assert reply[0] == b"ZB1" and reply[1] == b"ERR", reply
    return int(reply[4])


def raw(port, data):
    """Bytes straight into a TCP port."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        try:
            sock.sendall(data)
        except OSError:
            pass


def greeting():
    """ZMTP 3.1, NULL mechanism, and READY as a DEALER."""
    ready = b"\x05READY" + b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
    return (b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" * 32
            + b"\x04" + bytes([len(ready)]) + ready)


@pytest.fixture
def session(single):
    """A client that said HELLO at a single broker; gives request (frames...) -> reply."""
    client = Client(single.endpoints, "n")
    client.hello()
    client.request("QUEUE", 1, "q", "")

    def request(*frames):
        client.socks[0].send_multipart(
            [b"ZB1"] + [f if isinstance(f, bytes) else str(f).encode() for f in frames])
        assert client.socks[0].poll(PATIENCE * 1000), "no answer to %r" % (frames[:3],)
        return client.socks[0].recv_multipart()
    request.client = client
    yield request
    client.close()


@pytest.mark.parametrize("frames, expected", [
    ((b"FLY", b"1"), 400),
    ((b"PUT",), 400),
    ((b"PUT", b"1"), 400),
    ((b"PUT", b"1", b"q", b""), 400),
    ((b"PUT", b"", b"q", b"", b"x"), 400),
    ((b"PUT", b"1", b"a b", b"", b"x"), 400),
    ((b"PUT", b"1", b"a\x01b", b"", b"x"), 400),
    ((b"PUT", b"1", b"a\x7f", b"", b"x"), 400),
    ((b"PUT", b"1", b"$sys", b"", b"x"), 400),
    ((b"PUT", b"1", b"a/b", b"", b"x"), 400),
    ((b"PUT", b"1", b"\xff\xfe", b"", b"x"), 400),
    ((b"PUT", b"1", b"n" * 256, b"", b"x"), 400),
    ((b"PUT", b"1", b"q", b"no line", b"x"), 400),
    ((b"PUT", b"1", b"q", b"a=\x02", b"x"), 400),
    ((b"PUT", b"1", b"absent", b"", b"x"), 404),
    ((b"PUT", b"7", b"q", b"", b"x"), 409),
    ((b"PUT", b"1", b"q", b"", b"x" * (1 << 20) + b"y"), 413),
    ((b"PUT", b"1", b"q", b"", *[b"x"] * 1001), 413),
    ((b"GET", b"1", b"q", b"-1", b"0", b""), 400),
    ((b"GET", b"1", b"q", b"99999999999999999999999", b"0", b""), 400),
    ((b"GET", b"1", b"q", b"1", b"0", b"x..y"), 400),
    ((b"GET", b"1", b"q", b"1", b"0", b"9..1"), 400),
    ((b"ACK", b"1", b"absent", b"1"), 404),
    ((b"ACK", b"1", b"q", b"18446744073709551616"), 400),
    ((b"QUEUE", b"1", b"q", b"speed=9"), 400),
    ((b"QUEUE", b"1", b"q", b"lease=-1"), 400),
    ((b"HELLO", b"1", b"a\nb"), 400),
    ((b"HELLO", b"1", b"n", b"1.1.1.p.00"), 403),
    ((b"HELLO", b"1", b"n", b"", b"seven"), 400),
])
def test_error_codes(session, frames, expected):
    """What is wrong with a request is told by the right code, and the session goes on."""
    assert code(session(*frames)) == expected
    assert session("PUT", 1, "q", "", b"good")[1] == b"OK"


@pytest.mark.parametrize("frames", [
    [b"x"] * 1020,                          # more frames than are kept
    [b"x"] * 5000,
    [bytes(1 << 20)] * 15 + [bytes((1 << 20) - 4)],     # more than 16 MiB in all frames, each within its own limit
    [bytes((16 << 20) - 4)],
    [bytes((16 << 20) + 1)],
], ids=["1020 bodies", "5000 bodies", "16 MiB in all", "16 MiB in a body", "a frame of 16 MiB"])
def test_too_large_is_answered(single, session, frames):
    """413 with the request's id, on a connection that goes on: not silence."""
    hellos = session.client.hellos
    reply = session("PUT", 1, "q", "", *frames)
    assert code(reply) == 413 and reply[2] == b"1", reply
    assert b"at most" in reply[5] or b"larger" in reply[5] or b"body" in reply[5], reply
    assert session("PUT", 1, "q", "", b"good")[1] == b"OK"
    assert session.client.hellos == hellos


def test_far_too_large_ends_the_connection(session):
    """Nothing is read any more that could be answered, and the client sees its connection end."""
    session.client.send("PUT", 1, "q", "", bytes(32 << 20))
    wait_for(lambda: not session.client.greeted or session.client.recv(0.1), "the connection to end")
    assert not session.client.greeted
    assert len(session.client.request("PUT", 1, "q", "", b"good")) == 3


def test_hello_first(single):
    for verb in ((b"PUT", b"1", b"q", b"", b"x"), (b"GET", b"1", b"q", b"1", b"0", b""), (b"LIST", b"1")):
        assert code(ask(single.endpoints[0], *verb)) == 401
    assert ask(single.endpoints[0], b"PING", b"1")[1] == b"OK"


def test_other_version(single):
    with zmq.Context.instance().socket(zmq.DEALER) as sock:
        sock.linger = 0
        sock.connect(single.endpoints[0])
        sock.send_multipart([b"ZB9", b"PING", b"1"])
        assert sock.poll(PATIENCE * 1000) and code(sock.recv_multipart()) == 400


def test_random_bytes(single):
    """Raw bytes, broken ZMTP, random messages and endless frames: counted, and the broker goes on."""
    print("ZBROKER_SEED=%d" % SEED)
    chance = random.Random(SEED)
    port = int(single.endpoints[0].rsplit(":", 1)[1])
    for size in (1, 10, 64, 100, 10000):
        raw(port, chance.randbytes(size))
        raw(port, greeting() + chance.randbytes(size))
    raw(port, greeting() + b"\x02" + struct.pack(">Q", 1 << 62))
    with zmq.Context.instance().socket(zmq.DEALER) as sock:
        sock.linger = 0
        sock.connect(single.endpoints[0])
        for _ in range(300):
            frames = [chance.randbytes(chance.randrange(40)) for _ in range(chance.randrange(1, 12))]
            if chance.random() < 0.7:
                frames.insert(chance.randrange(3), b"ZB1")
            sock.send_multipart(frames)
        sock.send_multipart([b"ZB1", b"PUT", b"1", b"q", b""] + [b"x"] * 5000)
        wait_for(lambda: status(single.endpoints[0])["dropped"]["oversize"] > 0, "the endless message to be counted")
    assert status(single.endpoints[0])["dropped"]["not_zb1"] > 0
    assert single.broker.alive


def test_stranger_at_the_pairs_ports(pair, client):
    """Random bytes and random frames at the ports between the brokers change nothing."""
    print("ZBROKER_SEED=%d" % SEED)
    chance = random.Random(SEED)
    for base in pair.ports:
        #  Only a store that is replicated has a link.
        for offset in (1,) if pair.shared else (1, 2):
            for size in (1, 64, 5000):
                raw(base + offset, chance.randbytes(size))
                raw(base + offset, greeting() + chance.randbytes(size))
            #  A PUB hears what its subscribers ask for, the link's socket hears a DEALER.
            with zmq.Context.instance().socket(zmq.XSUB if offset == 1 else zmq.DEALER) as sock:
                sock.linger = 100
                sock.sndtimeo = 1000
                sock.connect("tcp://127.0.0.1:%d" % (base + offset))
                #  Whoever was hung up on has nowhere to send to, and would wait each time.
                with contextlib.suppress(zmq.Again):
                    for _ in range(200):
                        frame = chance.randbytes(chance.randrange(3000))
                        sock.send_multipart([b"ZBP1" + frame if chance.random() < 0.5 else frame])
    one = client(pair)
    one.request("QUEUE", 1, "q", "")
    assert one.request("PUT", 2, "q", "", b"x")[0].decode() == pair.level("both")
    assert all(broker.alive for broker in pair.brokers)


def test_false_peer():
    """A false backup at the real one's ports: its frames are dropped and counted, and no pair forms with it."""
    print("ZBROKER_SEED=%d" % SEED)
    chance = random.Random(SEED)
    pair = Pair()
    try:
        with zmq.Context.instance().socket(zmq.PUB) as pub:
            pub.linger = 0
            pub.bind("tcp://127.0.0.1:%d" % (pair.ports[1] + 1))
            pair.brokers[0].start()

            def counted():
                pub.send(b"HART" + chance.randbytes(chance.randrange(100)))
                pub.send(chance.randbytes(chance.randrange(100)))
                return status(pair.endpoints[0])["dropped"]["beats"] > 50
            wait_for(counted, "dropped heartbeats")
            assert status(pair.endpoints[0])["role"] == "waiting"
        pair.brokers[1].start()
        in_step(pair)
    finally:
        pair.close()


def test_another_pairs_broker():
    """A backup of another name never joins: neither of the two leads with it."""
    pair = Pair()
    try:
        other = pair.folder + "/other.conf"
        with open(other, "w") as config:
            config.write("pair\n    name = other\n")
        pair.brokers[1].options[:0] = ["--config", other]
        pair.start()
        wait_for(lambda: status(pair.endpoints[0])["dropped"]["beats"] > 5, "dropped heartbeats")
        assert [status(e)["role"] for e in pair.endpoints] == ["waiting", "waiting"]
        assert ask(pair.endpoints[0], "HELLO", "1")[4] == b"503"
    finally:
        pair.close()
