"""Bounded memory: what clients do costs their own time, or disk, but not the broker's memory."""
import os
import resource
import signal
import time

import pytest
import zmq

from brokers import WRAPPER, Pair, wait_for
from conftest import in_step
from patience import SLOWER
from zb1 import status

MIB = 1 << 20
#  Sanitizers and valgrind keep what was freed, and more beside it: how much memory there is says nothing of the broker.
PADDED = SLOWER > 1


def resident(broker):
    """Bytes of a broker's memory, now and at their most."""
    with open("/proc/%d/status" % broker.process.pid) as file:
        fields = dict(line.split(":", 1) for line in file)
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))


class Flood:
    """Clients that send PUTs as if there were no window."""

    def __init__(self, endpoint, clients, options=""):
        self.context = zmq.Context()
        self.socks = []
        for _ in range(clients):
            sock = self.context.socket(zmq.DEALER)
            sock.linger = 0
            sock.sndhwm = 0
            sock.connect(endpoint)
            sock.send_multipart([b"ZB1", b"HELLO", b"h"])
            self.socks.append(sock)
        for sock in self.socks:
            assert sock.recv_multipart()[1] == b"OK"
        self.socks[0].send_multipart([b"ZB1", b"QUEUE", b"q", b"q", options.encode()])
        assert self.socks[0].recv_multipart()[1] == b"OK"

    def put(self, body, count):
        for number in range(count):
            for sock in self.socks:
                sock.send_multipart([b"ZB1", b"PUT", b"%d" % number, b"q", b"", body], copy=False)

    def replies(self):
        """All replies that are there."""
        got = []
        for sock in self.socks:
            while sock.poll(0):
                got.append(sock.recv_multipart())
        return got

    def close(self):
        for sock in self.socks:
            sock.close(0)
        self.context.term()


def test_a_flood_of_large_puts_stays_with_its_senders(single):
    #  100 clients with 100 PUTs of 128 KiB each: 1.2 GiB.  The broker may take 32 of each, and its own bounds.
    flood = Flood(single.endpoints[0], 100)
    flood.put(os.urandom(128 << 10), 100)
    answers = []
    wait_for(lambda: answers.extend(flood.replies()) or len(answers) == 100 * 100, "an answer to each PUT")
    assert all(reply[1] == b"OK" for reply in answers)
    assert status(single.endpoints[0])["messages_in"] == 100 * 100
    flood.close()
    assert PADDED or resident(single.broker)[1] < 800 * MIB


@pytest.mark.skipif(bool(WRAPPER), reason="valgrind keeps this limit to itself")
def test_a_broker_takes_as_many_connections_as_the_system_lets_it(single):
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    single.broker.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, most))
    try:
        single.broker.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))
    assert resource.prlimit(single.broker.process.pid, resource.RLIMIT_NOFILE) == (most, most)


def test_a_consumer_that_does_not_read_costs_disk(single, client):
    #  200 MB for a consumer that asks for all of it and reads nothing; a window of 8 MiB is all that is in memory of it,
    #  and what was sent.  When it is gone others get everything.
    flood = Flood(single.endpoints[0], 1, "lease=1000")
    lazy = zmq.Context.instance().socket(zmq.DEALER)
    lazy.linger, lazy.rcvhwm, lazy.rcvbuf = 0, 1, 4096
    lazy.connect(single.endpoints[0])
    lazy.send_multipart([b"ZB1", b"HELLO", b"h"])
    for number in range(250):
        lazy.send_multipart([b"ZB1", b"GET", b"%d" % number, b"q", b"1000", b"60000", b""])
    for number in range(100):
        flood.socks[0].send_multipart([b"ZB1", b"PUT", b"%d" % number, b"q", b""] + [bytes(2000)] * 1000)
    wait_for(lambda: status(single.endpoints[0])["expired"] > 5000, "leases to end")
    now = status(single.endpoints[0])
    print("%d messages went to the one that reads nothing" % now["messages_out"])
    assert now["window_bytes"] < 10 * MIB
    lazy.close(0)
    assert len(client(single).drain("q", wait=3000)) == 100 * 1000
    flood.close()
    print("%d MiB of memory, %d at most" % tuple(value / MIB for value in resident(single.broker)))
    assert PADDED or resident(single.broker)[1] < 400 * MIB


def test_a_client_that_is_not_read_for_long_is_not_dropped(folder):
    #  The passive one stands still, and the active one may wait for it: soon so much waits that it reads nothing any
    #  more, for longer than any heartbeat's limit.  Each client's PUTs stay where they are, and none has to say HELLO
    #  again.
    with open(folder + "/zbroker.conf", "w") as config:
        config.write("pair\n    ack-limit = 10min\n    silence = 10min\nlimits\n    waiting = 64k\n")
    pair = Pair("--config", folder + "/zbroker.conf").start()
    active = in_step(pair)
    flood = Flood(pair.endpoints[active], 3)
    pair.brokers[1 - active].process.send_signal(signal.SIGSTOP)
    flood.put(bytes(10000), 300)
    time.sleep(5)
    pair.brokers[1 - active].process.send_signal(signal.SIGCONT)
    answers = []
    wait_for(lambda: answers.extend(flood.replies()) or len(answers) == 3 * 300, "an answer to each PUT")
    assert {reply[1] for reply in answers} == {b"OK"}
    flood.close()
    pair.close()
