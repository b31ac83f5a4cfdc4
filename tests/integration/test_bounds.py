"""Bounded memory: what clients do costs their own time, or disk, but not the broker's memory."""
import os
import resource
import signal
import time

import pytest
import zmq

from brokers import WRAPPER, Broker, Pair, Single, single_config, wait_for
from conftest import in_step, two_stores
from patience import PATIENCE, SLOWER
from zb1 import Client, Refused, status

MIB = 1 << 20
#  PUTs of the test that counts replies: 1000000 for the whole.
REPLIES = int(os.environ.get("ZBROKER_REPLIES", "30000"))
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
        self.endpoint = endpoint
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


def hold_back(endpoint):
    """A DEALER that has said HELLO, and takes next to nothing from the network that it is not asked for."""
    sock = zmq.Context.instance().socket(zmq.DEALER)
    sock.linger, sock.sndhwm, sock.rcvhwm, sock.rcvbuf = 0, 0, 1, 4096
    sock.connect(endpoint)
    sock.send_multipart([b"ZB1", b"HELLO", b"h"])
    assert sock.recv_multipart()[1] == b"OK"
    return sock


def test_thousands_in_flight_are_all_answered(single, client):
    #  One client without a name, 5,000 PUTs in flight: more than any pipe of libzmq's holds by default.
    client(single).request("QUEUE", "q", "q", "")
    sock = zmq.Context.instance().socket(zmq.DEALER)
    sock.linger, sock.sndhwm, sock.rcvhwm = 0, 0, 0
    sock.connect(single.endpoints[0])
    sock.send_multipart([b"ZB1", b"HELLO", b"h"])
    assert sock.recv_multipart()[1] == b"OK"
    open_, sent, window, answers = set(), 0, 5000, {}
    while sent < REPLIES or open_:
        while sent < REPLIES and len(open_) < window:
            sent += 1
            open_.add(b"%d" % sent)
            sock.send_multipart([b"ZB1", b"PUT", b"%d" % sent, b"q", b"", b"x" * 100], copy=True)
        assert sock.poll(PATIENCE * 1000), "%d of %d PUTs are never answered" % (len(open_), sent)
        while sock.poll(0):
            _, word, number, *_ = sock.recv_multipart()
            open_.remove(number)
            answers[word] = answers.get(word, 0) + 1
    sock.close(0)
    assert answers == {b"OK": REPLIES}
    now = status(single.endpoints[0])
    assert now["messages_in"] == REPLIES and now["dropped"]["undeliverable"] == 0


def test_who_does_not_read_is_refused_and_gets_every_reply_later(single, client):
    #  More PUTs than their replies have room for: what is not done is refused with 429, and nothing is silent.
    single.broker.stop()
    with open(single.folder + "/zbroker.conf", "a") as config:
        config.write("limits\n    output = 40m\n")
    single.broker.start()
    client(single).request("QUEUE", "q", "q", "")
    sock, count = hold_back(single.endpoints[0]), 60000
    for number in range(count):
        sock.send_multipart([b"ZB1", b"PUT", b"%d" % number, b"q", b"", b"x"])
    wait_for(lambda: status(single.endpoints[0])["refused"], "a PUT to be refused")
    assert len(client(single).request("PUT", "p", "q", "", "by another one")) == 3
    answers, order = {}, []
    for _ in range(count):
        assert sock.poll(PATIENCE * 1000), "%d of %d PUTs are never answered" % (count - sum(answers.values()), count)
        _, word, number, _, *rest = sock.recv_multipart()
        order.append(int(number))
        answers[word if word == b"OK" else rest[0]] = answers.get(word if word == b"OK" else rest[0], 0) + 1
    print(answers)
    sock.close(0)
    assert sorted(order) == list(range(count)) and set(answers) == {b"OK", b"429"}
    assert status(single.endpoints[0])["messages_in"] == answers[b"OK"] + 1


def test_replies_of_many_mib_that_nobody_reads(single, client):
    #  Each GET brings 16 MiB, from a PUT of 64 KiB: properties count for each message.  LIST brings some more.
    other = client(single)
    other.request("QUEUE", "q", "q", "lease=1000")
    for number in range(40):
        other.request("PUT", number, "q", b"p=" + b"x" * 60000, *[b""] * 1000)
    for number in range(1000):
        other.request("QUEUE", number, "queue-of-a-long-name-%d" % number, "")
    lazy = hold_back(single.endpoints[0])
    for number in range(300):
        lazy.send_multipart([b"ZB1", b"GET", b"g%d" % number, b"q", b"1000", b"60000", b""])
        lazy.send_multipart([b"ZB1", b"LIST", b"l%d" % number])
    wait_for(lambda: status(single.endpoints[0])["refused"], "a request to be refused")
    assert len(other.request("PUT", "p", "q", "", "by another one")) == 3
    now, most = resident(single.broker)
    print("%d MiB of memory, %d at most; %d MiB wait" % (now / MIB, most / MIB,
                                                        status(single.endpoints[0])["output_bytes"] / MIB))
    assert PADDED or most < 400 * MIB
    #  Whoever reads again has an answer to each, and no message is lost by it.
    words = {}
    for _ in range(600):
        assert lazy.poll(PATIENCE * 1000), "a request is never answered: %s" % words
        _, word, number, _, *rest = lazy.recv_multipart()
        key = number[:1], word, rest[0] if word == b"ERR" else len(rest) > 3
        words[key] = words.get(key, 0) + 1
    print(words)
    lazy.close(0)
    assert all(key[1] in (b"OK", b"MSG") or key[2] == b"429" for key in words)
    assert words[b"g", b"MSG", True]
    assert len(set(index for index in ids(client(single), "q"))) == 40 * 1000 + 1


def test_who_sends_on_and_does_not_read_is_shut_down(folder, client):
    #  One is refused first, and goes on; three together have more than there is for all.  Another one notices nothing.
    endpoint = single_config(folder + "/zbroker.conf")
    with open(folder + "/zbroker.conf", "a") as config:
        config.write("limits\n    output = 512k\n    outputs = 768k\n")
    broker = Broker(["--config", folder + "/zbroker.conf", "--store", folder + "/store"], folder + "/log").start()
    other = Client([endpoint])
    other.request("QUEUE", "q", "q", "")
    for flooders in 1, 3:
        before = status(endpoint)["dropped"]["unread"]
        socks = [hold_back(endpoint) for _ in range(flooders)]
        monitor = socks[0].get_monitor_socket(zmq.EVENT_DISCONNECTED)
        end = time.monotonic() + PATIENCE
        while status(endpoint)["dropped"]["unread"] == before:
            assert time.monotonic() < end, "nobody was shut down"
            for sock in socks:
                for _ in range(1000):
                    sock.send_multipart([b"ZB1", b"STATUS", b"s"])
            assert len(other.request("PUT", "p", "q", "", "by another one")) == 3
        #  Whoever reads to the end of what has come sees the end of the connection.
        while flooders == 1 and not monitor.poll(0):
            assert time.monotonic() < end, "the end of the connection is not seen"
            if socks[0].poll(10):
                socks[0].recv_multipart()
        socks[0].disable_monitor()
        for sock in socks:
            sock.close(0)
        wait_for(lambda: status(endpoint)["output_bytes"] < 64 << 10, "what waited to be given back")
        assert status(endpoint)["dropped"]["unread"] <= before + flooders
    assert other.hellos == 1
    other.close()
    broker.finish()
    wait_for(lambda: "do not read" in broker.tail(), "a line about it")


def ids(consumer, queue):
    """The ids of all messages, acknowledged as they come, also those that somebody else holds until he is gone."""
    got, acks = [], b""
    while True:
        _, _, index, *bodies = consumer.request("GET", "g", queue, 1000, 3000, acks, wait=4)
        if not bodies and not acks:
            return got
        here = [line.split("\t")[0].split(" ")[0] for line in index.decode().split("\n")] if bodies else []
        acks = " ".join(here).encode()
        got.extend(here)


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


def test_gets_that_wait_hold_nobody_up(single, client):
    #  60,000 of them with long ids, 250 of each client: they wait for a message, not for the broker, which reads on.
    flood = Flood(single.endpoints[0], 240)
    for sock in flood.socks:
        for number in range(250):
            sock.send_multipart([b"ZB1", b"GET", b"%0200d" % number, b"q", b"1", b"600000", b""])
    busy = client(single)
    busy.hello()
    wait_for(lambda: status(single.endpoints[0])["parked"] == 240 * 250, "all GETs to be taken")
    for number in range(100):
        assert busy.request("PUT", number + 1, "q", "", b"x")[0] == b"single"
    answers = []
    wait_for(lambda: answers.extend(flood.replies()) or len(answers) == 100, "as many answers as messages")
    assert {reply[1] for reply in answers} == {b"MSG"}
    flood.close()


@two_stores
def test_ranges_of_everything_stop_nobody(pair, client):
    #  NACKs and EXTENDs of 64 KiB that name all messages 2,700 times.  The pair stays as it is, and others are served.
    flood = Flood(pair.endpoints[in_step(pair)], 1)
    for number in range(300):
        flood.socks[0].send_multipart([b"ZB1", b"PUT", b"%d" % number, b"q", b""] + [b"x"] * 1000)
    answers = []
    wait_for(lambda: answers.extend(flood.replies()) or len(answers) == 300, "the messages")
    before = status(flood.endpoint)
    acks = b" ".join([b"1..18446744073709551615"] * 2700)
    for number in range(20):
        flood.socks[0].send_multipart([b"ZB1", [b"NACK", b"EXTEND"][number % 2], b"%d" % number, b"q", acks])
    busy = client(pair)
    busy.hello()
    for number in range(20):
        assert busy.request("PUT", number + 1, "q", "", b"x")[0] == b"both"
    answers = []
    wait_for(lambda: answers.extend(flood.replies()) or len(answers) == 20, "an answer to each")
    assert {(reply[1], reply[4]) for reply in answers} == {(b"OK", b"0")}
    after = status(flood.endpoint)
    assert (after["role"], after["epoch"], after["level"]) == (before["role"], before["epoch"], "both")
    flood.close()


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


#  Names

def tables(folder):
    """Bytes of a store's tables."""
    return sum(os.path.getsize(os.path.join(where, name))
               for where, _, names in os.walk(folder) for name in names if name.startswith("table."))


def greet(sock, names):
    """Says HELLO with each name over one connection."""
    for name in names:
        sock.send_multipart([b"ZB1", b"HELLO", b"h", name])
    for _ in names:
        reply = sock.recv_multipart()
        assert reply[1] == b"OK" and reply[5] == b"0", reply


def test_a_name_costs_nothing_before_its_first_put(single, client):
    client(single).request("QUEUE", "q", "q", "")
    with zmq.Context.instance().socket(zmq.DEALER) as sock:
        sock.linger = 0
        sock.connect(single.endpoints[0])
        for start in range(0, 5000, 100):
            greet(sock, [b"x" * 240 + b"%d" % number for number in range(start, start + 100)])
        sock.send_multipart([b"ZB1", b"PUT", b"1", b"q", b"", b"x"])
        assert sock.recv_multipart()[1] == b"OK"
    single.broker.stop()
    #  The names alone have 1.2 MiB.
    assert 0 < tables(single.folder) < MIB


def test_names_are_bounded(client):
    single = Single()
    with open(single.folder + "/zbroker.conf", "a") as config:
        config.write("limits\n    producers = 3\n    producer-idle = 1s\n")
    single.broker.start()
    try:
        clients = [Client(single.endpoints, "name%d" % number) for number in range(3)]
        clients += [client(single, "name%d" % number) for number in range(3, 5)]
        clients[0].request("QUEUE", "q", "q", "")
        for each in clients[:3]:
            each.request("PUT", "1", "q", "", "x")
        for each in clients[3:]:
            with pytest.raises(Refused, match="429 .*limits.producers"):
                each.request("PUT", "1", "q", "", "x")
        clients[0].request("PUT", "2", "q", "", "x")
        assert len(clients[3].request("GET", "g", "q", "1", "0", "")) == 4
        assert status(single.endpoints[0])["names"] == 3
        #  Names whose time is over, and whose clients are gone, make room.
        for each in clients[:3]:
            each.close()
        wait_for(lambda: status(single.endpoints[0])["names"] == 0, "names to be forgotten")
        clients[3].request("PUT", "1", "q", "", "x")
    finally:
        single.close()


def test_an_instance_of_before_a_takeover(pair, client):
    """A process says HELLO, and nothing else; the broker dies.  A later process is newer than it all the same."""
    before, after, again = (client(pair, "till") for _ in range(3))
    before.request("QUEUE", "q", "q", "")
    pair.brokers[in_step(pair)].kill()
    after.hello()
    assert int(after.instance) > int(before.instance)
    after.request("PUT", "1", "q", "", "x")
    with pytest.raises(Refused, match="409 fenced"):
        before.hello()
    again.instance = after.instance
    assert again.hello() == 1
