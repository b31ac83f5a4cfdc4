"""Is the client that include/PROTOCOL.md shows to the authors of clients complete, and do its rules hold?"""
import itertools
import os
import re
import subprocess
import sys
import threading
import time

import pytest
import zmq

import keyed
from brokers import Single, wait_for
from conftest import in_step, two_stores
from patience import PATIENCE
from zb1 import Client, Refused, status

PAGE = os.path.join(os.environ.get("ZBROKER_SOURCE", "."), "include", "PROTOCOL.md")
#  The broker counts whole milliseconds, and all that it does in a turn has one time.
A_TURN = 0.05       # s


def page_client(folder):
    """The first Python block of the page, as a program of its own."""
    with open(PAGE) as page:
        code = re.search(r"^```python\n(.*?)^```$", page.read(), re.S | re.M).group(1)
    name = os.path.join(folder, "client.py")
    with open(name, "w") as program:
        program.write(code)
    return name


def start(program, name, endpoints):
    return subprocess.Popen([sys.executable, program, name, *endpoints], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


# --- The page's client ---

def test_page_client_is_short(folder):
    """The pages promise some twenty lines."""
    with open(page_client(folder)) as program:
        assert sum(1 for line in program if line.strip()) <= 24


def test_page_client(pair, client):
    """It stores every line it is given, once and in order, though the active broker is killed in between."""
    client(pair).request("QUEUE", "q", "orders", "")
    lines, half = [b"line %d" % number for number in range(1, 41)], 20
    program = start(page_client(pair.folder), "reader", pair.endpoints)
    try:
        program.stdin.write(b"\n".join(lines[:half]) + b"\n")
        program.stdin.flush()
        said = [program.stdout.readline() for _ in range(half)]
        pair.brokers[in_step(pair)].kill()
        out, _ = program.communicate(b"\n".join(lines[half:]) + b"\n", timeout=PATIENCE)
    finally:
        program.kill()
        program.wait()
    said += out.splitlines(keepends=True)
    assert program.returncode == 0
    assert len(said) == len(lines)
    assert [line.split()[0].decode() for line in said] == [pair.level("both")] * half + [pair.level("solo")] * half
    assert client(pair).drain("orders") == lines


def test_page_client_with_keys():
    """With the lines of the page's chapter on keys in it, before it connects, it does the same at a pair with keys."""
    with open(PAGE) as page:
        lines = re.search(r"^    public, secret = .*?(?=\n\n)", page.read(), re.S | re.M).group(0).split("\n")
    pair = keyed.Keyed()
    try:
        pair.start()
        active = pair.in_step()
        worker = pair.new("worker", "put=orders", "get=orders", "manage=orders", "as=reader")
        keyed.program(pair, worker, "queue", "create", "orders")
        keys = "".join("    %s\n" % line for line in lines).replace("worker.key", worker).replace("[endpoint]", "[broker]")
        name = page_client(pair.folder)
        with open(name) as file:
            head, connect, tail = file.read().partition("        sock.connect(broker)\n")
        with open(name, "w") as file:
            file.write("import re, zmq.auth\n" + head + keys + connect + tail)
        #  It asks the passive one first, so that it needs the keys of both.
        client = start(name, "reader", [pair.endpoints[1 - active], pair.endpoints[active]])
        try:
            out, error = client.communicate(b"one\ntwo\n", timeout=PATIENCE)
        finally:
            client.kill()
            client.wait()
        assert client.returncode == 0 and len(out.splitlines()) == 2, error
        assert keyed.program(pair, worker, "get", "orders", "--count", "2").stdout == "one\ntwo\n"
    finally:
        pair.close()


@two_stores
def test_page_client_sees_a_death(pair, client):
    """Its time-out is put out of reach: the monitor alone tells it to go on."""
    client(pair).request("QUEUE", "q", "orders", "")
    name = page_client(pair.folder)
    with open(name) as file:
        code, found = re.subn(r"\[sock, gone\], \[\], \[\], 1\)", "[sock, gone], [], [], 3600)", file.read())
    assert found == 1
    with open(name, "w") as file:
        file.write(code)
    program = start(name, "reader", pair.endpoints)
    try:
        program.stdin.write(b"one\n")
        program.stdin.flush()
        assert program.stdout.readline()
        pair.brokers[in_step(pair)].kill()
        out, _ = program.communicate(b"two\n", timeout=PATIENCE)
    finally:
        program.kill()
        program.wait()
    assert out.startswith(b"solo")
    assert client(pair).drain("orders") == [b"one", b"two"]


def test_page_client_fences(pair, client):
    """A second process under its name takes over; the first one ends with 409 instead of going on."""
    client(pair).request("QUEUE", "q", "orders", "")
    name = page_client(pair.folder)
    first = start(name, "one", pair.endpoints)
    try:
        first.stdin.write(b"one\n")
        first.stdin.flush()
        level = pair.level("both").encode() + b" "
        assert first.stdout.readline().startswith(level)
        second = subprocess.run([sys.executable, name, "one", *pair.endpoints], input=b"two\n", stdout=subprocess.PIPE,
                                timeout=PATIENCE)
        assert second.returncode == 0 and second.stdout.startswith(level)
        _, error = first.communicate(b"three\n", timeout=PATIENCE)
        assert first.returncode != 0 and b"409" in error
    finally:
        first.kill()
        first.wait()
    assert client(pair).drain("orders") == [b"one", b"two"]


def test_page_clients_of_two_names(single, client):
    """Two readers beside each other store all their lines; neither fences the other."""
    client(single).request("QUEUE", "q", "orders", "")
    name = page_client(single.folder)
    readers = [start(name, who, single.endpoints) for who in ("one", "two")]
    try:
        for number in range(5):
            for who, reader in enumerate(readers):
                reader.stdin.write(b"%d.%d\n" % (who, number))
                reader.stdin.flush()
                assert reader.stdout.readline().startswith(b"single ")
        assert [reader.communicate(timeout=PATIENCE)[1] for reader in readers] == [b"", b""]
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
    assert len(client(single).drain("orders")) == 10


@pytest.mark.parametrize("arguments", [[], ["name"]])
def test_page_client_without_endpoints(folder, arguments):
    done = subprocess.run([sys.executable, page_client(folder), *arguments], input=b"x\n", stderr=subprocess.PIPE,
                          timeout=PATIENCE)
    assert done.returncode not in (0, None) and b"ENDPOINT" in done.stderr


@two_stores
def test_page_client_is_sent_to_an_endpoint_that_it_does_not_know(pair, client):
    """The passive one names the active one as the config does; the client knows both by another name."""
    client(pair).request("QUEUE", "q", "orders", "")
    active = in_step(pair)
    endpoints = [pair.endpoints[index].replace("127.0.0.1", "localhost") for index in (1 - active, active)]
    done = subprocess.run([sys.executable, page_client(pair.folder), "reader", *endpoints], input=b"one\n",
                          stdout=subprocess.PIPE, timeout=PATIENCE)
    assert done.returncode == 0 and done.stdout.startswith(b"both ")


def test_page_client_goes_on_after_an_unknown_5xx(folder):
    """A later broker may have other codes: from 500 on they are as 503, below like 400."""
    router = zmq.Context.instance().socket(zmq.ROUTER)
    router.linger = 0
    port = router.bind_to_random_port("tcp://127.0.0.1")
    codes = [b"599", b"503", b"520", None, b"499"]

    def serve():
        while codes:
            who, version, verb, number, *_ = router.recv_multipart()
            if verb == b"HELLO":
                answer = [b"OK", number, b"t", b"1", b"0", b"", b""]
            else:
                code = codes.pop(0)
                answer = [b"ERR", number, b"", code, b"text"] if code else [b"OK", number, b"t", b"single", b"1", b"1"]
            router.send_multipart([who, version, *answer])
    threading.Thread(target=serve, daemon=True).start()
    done = subprocess.run([sys.executable, page_client(folder), "reader", "tcp://127.0.0.1:%d" % port],
                          input=b"one\ntwo\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
    router.close()
    assert codes == [] and done.stdout.startswith(b"single ")
    assert done.returncode != 0 and b"499" in done.stderr


# --- The page's rules ---

@pytest.fixture
def one(single, client):
    """A client of a broker without a pair, with a queue."""
    one = client(single, "producer")
    one.request("QUEUE", "q", "q", "")
    return one


def refused(one, *request):
    with pytest.raises(Refused) as refusal:
        one.request(*request)
    return refusal.value.code, str(refusal.value)


def settle(one, number, ids):
    """An ACK where it is asked who has the message: one that is sent again is told that it was done."""
    try:
        one.request("ACK", number, "q", ids)
    except Refused as refusal:
        assert refusal.code == 410


def test_arguments_are_frames(one):
    """Properties and acks may be empty; they have to be there."""
    assert refused(one, "PUT", 1, "q", "body")[0] == 400
    assert refused(one, "PUT", 1, "q", "")[0] == 400
    assert refused(one, "GET", "g", "q", 1, 0)[0] == 400
    one.request("PUT", 1, "q", "", "body")
    assert one.request("GET", "g", "q", 1, 0, "")[3:] == [b"body"]


def test_an_empty_msg_is_not_an_empty_queue(one):
    """A GET with acks is answered when they are safe, though the wait is not over, and a message may come a moment later."""
    one.request("PUT", 1, "q", "", "first")
    level, _, index, body = one.request("GET", "g1", "q", 1, 0, "")
    #  Without acks the level promises nothing; it is what an OK says.
    assert (level, body) == (b"single", b"first")
    began = time.monotonic()
    assert one.request("GET", "g2", "q", 1, int(10 * PATIENCE * 1000), index.split(b" ")[0], wait=PATIENCE)[2:] == [b""]
    assert time.monotonic() - began < PATIENCE
    one.request("PUT", 2, "q", "", "second")
    assert one.request("GET", "g3", "q", 1, 1000, "")[3:] == [b"second"]


def test_a_nack_with_a_delay_holds_up_nobody(pair, client):
    """What can't be done yet comes when the delay is over, not before; who takes over knows nothing of it."""
    one, other = client(pair), client(pair)
    one.request("QUEUE", "q", "q", "")
    one.request("PUT", "p1", "q", "", b"first", b"second")
    ids = [one.request("GET", "g%d" % number, "q", 1, 0, "")[2].split()[0].decode() for number in (1, 2)]
    since = time.monotonic()
    assert one.request("NACK", "n1", "q", ids[0], 700) == [b"1"]
    assert one.request("NACK", "n2", "q", ids[1], 2**31 - 1) == [b"1"]
    assert other.request("GET", "g3", "q", 9, 5000, "", wait=PATIENCE)[3:] == [b"first"]
    assert time.monotonic() - since >= 0.7 - A_TURN
    with pytest.raises(Refused):
        one.request("NACK", "n3", "q", ids[0], 2**31)
    pair.brokers[in_step(pair)].kill()
    assert other.request("GET", "g4", "q", 9, 5000, "", wait=PATIENCE)[3:] == [b"first", b"second"]


def test_what_has_had_its_tries_dies(pair, client):
    """After max-deliveries tries a message is among the dead letters and nowhere else, on both brokers; a takeover is no try, and forgets them."""
    one, other = client(pair), client(pair)
    one.request("QUEUE", "q", "q", "max-deliveries=2\ngrace=100")
    one.request("PUT", "p", "q", "colour=red", b"poison", b"food")
    ids = [line.split()[0].decode() for line in one.request("GET", "g", "q", 2, 0, "")[2].split(b"\n")]
    assert one.request("NACK", "n", "q", ids[0]) == [b"1"]
    one.request("ACK", "a", "q", ids[1])
    assert one.request("GET", "h", "q", 2, 0, "")[3:] == [b"poison"]
    #  Its second try would be its last, but ends with the takeover.
    first = in_step(pair)
    pair.brokers[first].kill()
    assert other.request("GET", "g", "q", 9, 9000, "", wait=PATIENCE)[3:] == [b"poison"]
    assert other.request("NACK", "n", "q", ids[0], wait=PATIENCE) == [b"1"]
    assert b"max-deliveries=2" in other.request("LIST", "l", "q")[1]
    #  The end of a connection is a try as well.
    third = Client(pair.endpoints)
    assert third.request("GET", "g", "q", 9, 9000, "", wait=PATIENCE)[3:] == [b"poison"]
    third.close()
    wait_for(lambda: b"q.dead" in other.request("LIST", "l", "*"), "dead letters")
    pair.brokers[first].start()
    in_step(pair)
    pair.brokers[1 - first].kill()
    last = client(pair)
    dead = last.request("GET", "g", "q.dead", 9, 9000, "", wait=PATIENCE)
    assert dead[3:] == [b"poison"]
    assert dead[2].split(b"\t")[1:] == [b"colour=red", b"zb-dead=max-deliveries", b"zb-from=q", b"zb-tries=2"]
    assert last.request("GET", "h", "q", 9, 0, "")[3:] == []


def fence(index):
    """The number of who holds an exclusive queue, which all messages of a reply have."""
    numbers = {int(line.split(b"zb-fence=")[1]) for line in index.split(b"\n")}
    assert len(numbers) == 1, index
    return numbers.pop()


def test_one_consumer_at_a_time(pair, client):
    """An exclusive queue is kept for the name of its holder over a takeover, and the next one's when that one has gone; the number rises."""
    one, two = Client(pair.endpoints, "one"), client(pair, "two")
    one.request("QUEUE", "q", "q", "mode=exclusive\nlease=60000\ngrace=100")
    two.request("PUT", 1, "q", "", b"a", b"b", b"c")
    _, _, index, *bodies = one.request("GET", "g", "q", 1, 0, "")
    assert bodies == [b"a"]
    first = fence(index)
    assert two.request("GET", "g", "q", 9, 0, "")[3:] == []
    assert fence(one.request("GET", "h", "q", 1, 0, "")[2]) == first
    ids = index.split()[0].decode()
    assert refused(two, "ACK", "a", "q", ids)[0] == 410
    assert refused(two, "QUEUE", "q", "q", "mode=shared")[0] == 400
    pair.brokers[in_step(pair)].kill()
    _, _, index, *bodies = one.request("GET", "i", "q", 1, 9000, "", wait=PATIENCE)
    assert bodies == [b"a"]
    second = fence(index)
    assert second > first
    assert two.request("GET", "i", "q", 9, 0, "")[3:] == []
    settle(one, "a", ids)
    #  It was done.
    assert refused(one, "ACK", "b", "q", ids)[0] == 410
    one.close()
    _, _, index, *bodies = two.request("GET", "j", "q", 9, 9000, "", wait=PATIENCE)
    assert bodies == [b"b", b"c"]
    assert fence(index) > second


def test_one_message_of_a_key_at_a_time(pair, client):
    """Messages of a key come one after the other, others go on; what was not acknowledged comes first after a takeover."""
    one, two = Client(pair.endpoints, "one"), client(pair, "two")
    one.request("QUEUE", "q", "q", "mode=key\nlease=60000")
    for number, (properties, bodies) in enumerate((("key=a", (b"a1", b"a2", b"a3")), ("key=b", (b"b1",)), ("", (b"c",)))):
        two.request("PUT", number + 1, "q", properties, *bodies)
    _, _, index, *bodies = one.request("GET", "g", "q", 9, 0, "")
    assert bodies == [b"a1", b"b1", b"c"]
    ids = [line.split()[0].decode() for line in index.split(b"\n")]
    assert two.request("GET", "g", "q", 9, 0, "")[3:] == []
    assert refused(two, "ACK", "a", "q", ids[0])[0] == 410
    assert refused(one, "ACK", "a", "q", "%s..%s" % (ids[0], ids[1]))[0] == 400
    assert refused(one, "QUEUE", "q", "q", "mode=exclusive")[0] == 400
    settle(one, "b", ids[0])
    assert two.request("GET", "h", "q", 9, 9000, "", wait=PATIENCE)[3:] == [b"a2"]
    pair.brokers[in_step(pair)].kill()
    _, _, index, *bodies = one.request("GET", "i", "q", 9, 9000, "", wait=PATIENCE)
    assert bodies == [b"a2", b"b1", b"c"]
    assert two.request("GET", "i", "q", 9, 0, "")[3:] == []
    settle(one, "c", index.split()[0].decode())
    assert two.request("GET", "j", "q", 9, 9000, "", wait=PATIENCE)[3] == b"a3"
    one.close()


def test_what_was_tried_rests(pair, client):
    """A NACK's message comes when retry-delay is over, twice as long after the second time; untried ones at once; a takeover ends it."""
    one, other = client(pair), client(pair)
    one.request("QUEUE", "q", "q", "retry-delay=400..60000")
    one.request("PUT", "p", "q", "", b"job")
    message = one.request("GET", "g", "q", 1, 0, "")[2].split()[0].decode()
    for turn, least in enumerate((0.4, 0.8)):
        since = time.monotonic()
        assert one.request("NACK", "n%d" % turn, "q", message) == [b"1"]
        assert one.request("GET", "g%d" % turn, "q", 1, 9000, "", wait=PATIENCE)[3:] == [b"job"]
        assert time.monotonic() - since >= least - A_TURN
    assert one.request("NACK", "u", "q", message, "", "untried") == [b"1"]
    assert one.request("GET", "h", "q", 1, 0, "")[3:] == [b"job"]
    with pytest.raises(Refused):
        one.request("NACK", "w", "q", message, "", "tried")
    #  For a minute, but for the takeover.
    assert one.request("NACK", "m", "q", message, 60000) == [b"1"]
    assert one.request("GET", "i", "q", 1, 0, "")[3:] == []
    pair.brokers[in_step(pair)].kill()
    assert other.request("GET", "j", "q", 1, 9000, "", wait=PATIENCE)[3:] == [b"job"]
    assert b"retry-delay=400..60000" in other.request("LIST", "l", "q")[1]
    since = time.monotonic()
    assert other.request("NACK", "k", "q", message) == [b"1"]
    assert other.request("GET", "x", "q", 1, 9000, "", wait=PATIENCE)[3:] == [b"job"]
    assert time.monotonic() - since >= 0.4 - A_TURN


def test_the_oldest_go_when_a_queue_is_full(pair, client):
    """The newest fit, whoever leads: the bytes that count are known to who takes over, and what is sent again drops nothing again."""
    one, other = client(pair), client(pair)
    named = client(pair, "till")
    one.request("QUEUE", "q", "q", "max-bytes=40\nmax-messages=5\nfull=drop-oldest")
    assert refused(one, "PUT", "p", "q", "", "x" * 41)[0] == 413
    for number in range(1, 8):
        named.request("PUT", number, "q", "", b"%010d" % number)
    lines = one.request("LIST", "l", "q")[1].split(b"\n")
    assert b"messages=4" in lines and b"bytes=40" in lines and b"full=drop-oldest" in lines
    #  A consumer has the oldest two: they stay.
    assert other.request("GET", "g", "q", 2, 0, "")[3:] == [b"0000000004", b"0000000005"]
    named.request("PUT", 8, "q", "", b"0000000008")
    assert refused(one, "PUT", "p", "q", "", "x" * 21)[0] == 429
    assert status(pair.endpoints[in_step(pair)])["messages_dropped"] == 4
    pair.brokers[in_step(pair)].kill()
    assert named.request("PUT", 8, "q", "", b"0000000008")[3:] == [b"duplicate"]
    lines = one.request("LIST", "m", "q")[1].split(b"\n")
    assert b"messages=4" in lines and b"bytes=40" in lines
    named.request("PUT", 9, "q", "", b"00009", b"000010")
    assert client(pair).drain("q") == [b"0000000007", b"0000000008", b"00009", b"000010"]


def test_409_tells_the_expected_number(one):
    one.request("PUT", 1, "q", "", "a")
    assert refused(one, "PUT", 1, "q", "", "b") == (409, "409 2")
    assert refused(one, "PUT", 5, "q", "", "b") == (409, "409 2")
    assert one.request("PUT", 1, "q", "", "a")[3:] == [b"duplicate"]


def test_ids_of_one_put_follow_each_other(one):
    _, first, last = one.request("PUT", 1, "q", "", *["x" * 1500] * 500)
    _, _, index, *_ = one.request("GET", "g", "q", 1000, 0, "")
    ids = [int(line.split(b" ")[0]) for line in index.split(b"\n")]
    assert ids == list(range(int(first), int(last) + 1)) and len(ids) == 500


def test_503_is_for_too_many_clients_as_well(client):
    single = Single()
    try:
        with open(single.folder + "/zbroker.conf", "a") as config:
            config.write("limits\n    sessions = 2\n")
        single.broker.start()
        #  Who holds nothing gives way; these two wait for a message.
        first, second = client(single), client(single)
        first.hello()
        first.request("QUEUE", "q", "q", "")
        second.hello()
        first.send("GET", "g", "q", 1, 600000, "")
        second.send("GET", "g", "q", 1, 600000, "")
        wait_for(lambda: status(single.endpoints[0])["parked"] == 2, "two GETs that wait")
        third = client(single)
        third.send("HELLO", "h", "", "", "")
        reply = third.recv(PATIENCE)
        assert (reply[1], reply[4], reply[5]) == (b"ERR", b"503", b"too many clients")
    finally:
        single.close()


class Pipelined:
    """A client with many PUTs in flight, by the page's rules alone."""

    def __init__(self, where, name, bodies):
        self.client = Client(where.endpoints, name)
        self.waiting = dict(enumerate(bodies, 1))       #  number and body of what was not answered OK, in order
        self.rounds = 0

    def run(self):
        few = False
        end = time.monotonic() + PATIENCE
        while self.waiting and time.monotonic() < end:
            if not self.client.greeted:
                self.client.hello()
            few = self._round(dict(itertools.islice(self.waiting.items(), 1 if few else 256)))
            self.rounds += 1
            if few:
                time.sleep(0.01)
        self.client.close()
        return not self.waiting

    def _round(self, flight):
        """Sends these, lets all replies come, and keeps what was not OK. Returns true if there was no room."""
        for number, body in flight.items():
            self.client.send("PUT", number, "q", "", body)
        missing = {b"%d" % number for number in flight}
        full = greet = False
        while missing and self.client.greeted:
            reply = self.client.recv(2)
            if not reply:
                self.client.greeted = False
                break
            missing.discard(reply[2])
            if reply[1] == b"OK":
                self.client.token = reply[3]
                self.waiting.pop(int(reply[2]), None)
            elif reply[1] == b"PASSIVE" or reply[4] in (b"401", b"503"):
                greet = True
            else:
                assert reply[4] in (b"429", b"409"), reply
                assert reply[4] == b"429" or int(reply[5]) < int(reply[2])
                full = True
        self.client.greeted = self.client.greeted and not greet
        return full


def test_pipelined_recovery_from_a_full_queue(single, client):
    """256 in flight against a queue that is full again and again: all stored once, in order."""
    other = client(single)
    other.request("QUEUE", "q", "q", "max-messages=50")
    bodies = [b"%d" % number for number in range(2000)]
    pipelined = Pipelined(single, "p", bodies)
    worker = threading.Thread(target=pipelined.run, daemon=True)
    worker.start()
    taken = []
    while worker.is_alive() or len(taken) < len(bodies):
        got = other.drain("q", wait=50)
        taken += got
        assert got or worker.is_alive()
    assert taken == bodies and pipelined.rounds > 10


def test_pipelined_recovery_from_a_death(pair, client):
    one = client(pair)
    one.request("QUEUE", "q", "q", "")
    bodies = [b"%d" % number for number in range(20000)]
    pipelined = Pipelined(pair, "p", bodies)
    active = in_step(pair)
    worker = threading.Thread(target=pipelined.run, daemon=True)
    worker.start()
    while len(pipelined.waiting) > 15000 and worker.is_alive():
        time.sleep(0.01)
    pair.brokers[active].kill()
    worker.join(PATIENCE)
    assert not pipelined.waiting
    assert one.drain("q") == bodies
