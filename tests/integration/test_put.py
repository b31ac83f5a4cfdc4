"""`zbroker put` and `get` as programs: whatever is killed, refused or paused, no message is lost, doubled or skipped."""
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
import zmq

from brokers import PROGRAM, WRAPPER, wait_for
from conftest import in_step, two_stores
from patience import PATIENCE


class Put:
    """A `zbroker put` that runs; its OKs are read as they come."""

    def __init__(self, where, queue, *options, stdin=subprocess.PIPE):
        self.process = subprocess.Popen([*WRAPPER, PROGRAM, "put", queue, "--brokers", ",".join(where.endpoints), *options],
                                        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def write(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def wait_oks(self, count):
        wait_for(lambda: len(self.lines) >= count or self.process.poll() is not None, "%d OKs" % count)
        assert len(self.lines) >= count, self.process.stderr.read()

    def end(self, close=True):
        """Waits for the end; returns the exit code and what it complained of."""
        if close and self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        code = self.process.wait(PATIENCE)
        self.reader.join()
        return code, self.process.stderr.read()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()


def numbers(count):
    return ["line %d" % number for number in range(1, count + 1)]


def input_file(folder, lines):
    name = os.path.join(folder, "input")
    with open(name, "w") as file:
        file.write("".join(line + "\n" for line in lines))
    return name


@pytest.fixture
def queue(single, client):
    """A queue of a broker without a pair, and a client of it."""
    one = client(single)
    one.request("QUEUE", "q", "q", "")
    return one


def drained(one):
    return [body.decode() for body in one.drain("q")]


# --- Killed and run again ---

def kill_and_resume(where, one, folder, count, kills, moment, break_in=lambda kill: None):
    lines = numbers(count)
    name = input_file(folder, lines)
    for kill in range(kills):
        with open(name) as file:
            put = Put(where, "q", "--name", "importer", stdin=file)
        time.sleep(moment())
        break_in(kill)
        put.kill()
    with open(name) as file:
        put = Put(where, "q", "--name", "importer", stdin=file)
        code, error = put.end()
    assert code == 0, error
    assert drained(one) == lines


@pytest.mark.parametrize("seed", range(3))
def test_killed_and_resumed(single, queue, folder, seed):
    """The same input again stores exactly the rest of it, wherever kill -9 hits."""
    chance = random.Random(seed)
    kill_and_resume(single, queue, folder, 30000, 6, lambda: chance.uniform(0.01, 0.2))


def test_killed_and_resumed_while_brokers_die(pair, client, folder):
    """The same while the active broker is killed, too, and comes back."""
    one = client(pair)
    one.request("QUEUE", "q", "q", "")
    chance = random.Random(4)

    def break_in(kill):
        if kill % 2:
            for broker in pair.brokers:
                if not broker.alive:
                    broker.start()
            in_step(pair)
        else:
            pair.brokers[in_step(pair)].kill()
    kill_and_resume(pair, one, folder, 30000, 4, lambda: chance.uniform(0.01, 0.3), break_in)


def test_without_a_name_a_kill_leaves_the_beginning(single, queue, folder):
    """What is stored has no gap and nothing twice, wherever kill -9 hits."""
    lines = numbers(200000)
    name = input_file(folder, lines)
    for moment in (0.02, 0.05, 0.1, 0.15):
        with open(name) as file:
            put = Put(single, "q", stdin=file)
        time.sleep(moment)
        put.kill()
        stored = drained(queue)
        assert stored == lines[:len(stored)]
        assert len(stored) >= len(put.lines)


def test_resumed_input_is_told_what_is_known(single, queue, folder):
    """The last 256 are compared and answered as duplicates; what is older is counted."""
    name = input_file(folder, numbers(1000))
    for again in (False, True):
        with open(name) as file:
            put = Put(single, "q", "--name", "n", stdin=file)
            code, error = put.end()
        assert code == 0, error
        assert len(put.lines) == (256 if again else 1000)
        assert all(("duplicate" in line) == again for line in put.lines)
        assert not again or "1000 messages were put under this name before" in error
    #  The input has grown.
    with open(name, "a") as file:
        file.write("more\n")
    with open(name) as file:
        put = Put(single, "q", "--name", "n", stdin=file)
        assert put.end()[0] == 0
    assert drained(queue) == numbers(1000) + ["more"]


@pytest.mark.parametrize("lines, complaint", [
    (["line %d" % number for number in range(2, 700)], "message 45: "),
    (numbers(299) + ["other"] + numbers(100), "message 300: "),
    (numbers(298), "the input has 298 messages, but 300 were put"),
    (["line 1"], "the input has 1 messages, but 300 were put"),
])
def test_another_input_under_the_name_is_refused(single, queue, folder, lines, complaint):
    """Nothing of it is stored, and nothing is silently taken for stored."""
    with open(input_file(folder, numbers(300))) as file:
        assert Put(single, "q", "--name", "n", stdin=file).end()[0] == 0
    with open(input_file(folder, lines)) as file:
        code, error = Put(single, "q", "--name", "n", stdin=file).end()
    assert code == 1 and complaint in error and "take another name" in error
    assert drained(queue) == numbers(300)


# --- Refused ---

@pytest.mark.parametrize("options", [[], ["--name", "n"]])
def test_refused_leaves_no_gap(single, client, folder, options):
    """A full queue and a consumer beside: what is stored is the beginning of the input."""
    one, other = client(single), client(single)
    one.request("QUEUE", "q", "q", "max-messages=331")
    lines = numbers(5000)
    taken = []
    with open(input_file(folder, lines)) as file:
        put = Put(single, "q", *options, stdin=file)
        #  The consumer stops: then the queue fills up, however fast the two are.
        while len(taken) < 1000 and put.process.poll() is None:
            _, _, index, *bodies = other.request("GET", "g", "q", 3, 1, "")
            taken += [body.decode() for body in bodies]
            if bodies:
                other.request("ACK", "a", "q", " ".join(line.split(" ")[0] for line in index.decode().split("\n")))
        code, error = put.end()
    taken += drained(one)
    assert code == 1
    assert taken == lines[:len(taken)] and 331 <= len(taken) < 5000
    assert len(put.lines) == len(taken)
    assert "message %d: " % (len(taken) + 1) in error and "nothing behind it is stored" in error


@pytest.mark.parametrize("options", [[], ["--name", "n"]])
def test_waits_for_room(single, client, folder, options):
    one, other = client(single), client(single)
    one.request("QUEUE", "q", "q", "max-messages=20")
    lines = numbers(300)
    taken = []
    with open(input_file(folder, lines)) as file:
        put = Put(single, "q", "--wait-for-room", *options, stdin=file)
        #  It stays full for longer than a try of the client; only then there is room.
        put.wait_oks(20)
        assert put.process.poll() is None
        acks = ""
        end = time.monotonic() + PATIENCE
        while len(taken) < 300 and time.monotonic() < end:
            _, _, index, *bodies = other.request("GET", "g", "q", 7, 100, acks)
            taken += [body.decode() for body in bodies]
            acks = " ".join(line.split(" ")[0] for line in index.decode().split("\n")) if bodies else ""
        other.request("GET", "g", "q", 1, 0, acks)
        code, error = put.end()
    assert code == 0, error
    assert taken == lines and len(put.lines) == 300


def test_waiting_outlasts_the_timeout(single, queue, zbroker):
    """--timeout is for brokers that do not answer, not for consumers that do not come."""
    queue.request("QUEUE", "q1", "q", "max-messages=1")
    put = Put(single, "q", "one", "two", "--wait-for-room", "--timeout", "300")
    put.wait_oks(1)
    time.sleep(1)
    assert put.process.poll() is None
    assert zbroker(["get", "q", "--brokers", single.endpoints[0]]).stdout == "one\n"
    put.wait_oks(2)
    assert put.end()[0] == 0


@pytest.mark.parametrize("options", [[], ["--name", "n"]])
def test_too_large_is_found(single, queue, folder, options):
    """One message in many is refused: those before it are stored, those behind it are not."""
    lines = numbers(700)
    lines[450] = "x" * (1 << 20) + "x"
    with open(input_file(folder, lines)) as file:
        code, error = Put(single, "q", *options, stdin=file).end()
    assert code == 1 and "message 451: " in error
    assert drained(queue) == lines[:450]


# --- Input that pauses ---

@pytest.mark.parametrize("options", [[], ["--name", "n"]])
def test_a_pause_keeps_nothing_back(single, queue, options):
    """`tail -f x | zbroker put q`: each line is stored, and its OK told, while the input stays open."""
    put = Put(single, "q", *options)
    for number in range(1, 4):
        put.write("line %d\n" % number)
        put.wait_oks(number)
    assert drained(queue) == numbers(3)
    put.write("the end")
    assert put.end()[0] == 0
    assert drained(queue) == ["the end"]


def io_thread(process):
    """How often the I/O thread of its sockets went to sleep, and whether it sleeps."""
    folder = "/proc/%d/task" % process.pid
    for thread in os.listdir(folder):
        with open("%s/%s/status" % (folder, thread)) as file:
            fields = dict(line.split(":", 1) for line in file)
        if "IO" in fields["Name"]:
            return int(fields["voluntary_ctxt_switches"]), fields["State"].split()[0] == "S"
    return 0, False


def test_who_waits_for_each_ok_gets_each():
    """An OK that is there as soon as its message is sent is told before the next line is waited for."""
    router = zmq.Context.instance().socket(zmq.ROUTER)
    endpoint = "tcp://127.0.0.1:%d" % router.bind_to_random_port("tcp://127.0.0.1")

    def request(verb):
        assert router.poll(PATIENCE * 1000), verb
        frames = router.recv_multipart()
        assert frames[2] == verb
        return frames[0], frames[3]

    def ok(client, number, *more):
        router.send_multipart([client, b"ZB1", b"OK", number, b"", *more])

    class Here:
        endpoints = [endpoint]

    put = Put(Here, "q", "--name", "n")
    for _ in range(2):
        client, number = request(b"HELLO")
        ok(client, number, b"1", b"0", endpoint.encode(), b"")
    put.write("one\n")
    request(b"PUT")
    ok(client, b"1", b"single", b"1", b"1")
    put.wait_oks(1)
    #  As from a fast broker to a slow machine: the answer is there before the program looks.
    before, _ = io_thread(put.process)
    ok(client, b"2", b"single", b"2", b"2")
    wait_for(lambda: io_thread(put.process)[0] > before and io_thread(put.process)[1], "its I/O thread to have the answer")
    put.write("two\n")
    request(b"PUT")
    put.wait_oks(2)
    assert put.end() == (0, "")
    router.close()


@pytest.mark.parametrize("options", [[], ["--name", "n"]])
def test_a_signal_stores_what_has_come(single, queue, options):
    put = Put(single, "q", *options)
    put.write("line 1\n")
    put.wait_oks(1)
    put.process.send_signal(signal.SIGSTOP)
    put.write("".join(line + "\n" for line in numbers(2000)[1:]) + "half a li")
    put.process.send_signal(signal.SIGTERM)
    put.process.send_signal(signal.SIGCONT)
    code, error = put.end(close=False)
    assert code == -signal.SIGTERM
    assert "the last 9 bytes" in error
    assert len(put.lines) == 2000
    assert drained(queue) == numbers(2000)


def test_nobody_reads_the_oks(single, queue):
    put = Put(single, "q")
    put.write("line 1\n")
    put.wait_oks(1)
    end, other = os.pipe()
    os.close(end)
    done = subprocess.run([*WRAPPER, PROGRAM, "put", "q", "line 2", "--brokers", single.endpoints[0]], stdout=other,
                          stderr=subprocess.PIPE, text=True)
    os.close(other)
    assert done.returncode == 1 and "standard output" in done.stderr
    assert put.end()[0] == 0
    assert drained(queue) == numbers(2)


# --- Bodies ---

def test_bodies_with_newlines_files_and_properties(single, queue, zbroker, folder):
    brokers = ["--brokers", single.endpoints[0]]
    first, second = os.path.join(folder, "first"), os.path.join(folder, "second")
    with open(first, "w") as file:
        file.write("a\nb\n")
    open(second, "w").close()
    done = zbroker(["put", "q", "x\ny", "-H", "colour=red", "--file", first, "-Hsize=9", "-H", "colour=blue",
                    "--file", second] + brokers)
    assert len(done.stdout.splitlines()) == 3
    objects = [json.loads(line) for line in zbroker(["get", "q", "--count", "3", "--json"] + brokers).stdout.splitlines()]
    assert [one["body"] for one in objects] == ["x\ny", "a\nb\n", ""]
    assert all(one["properties"] == {"colour": ["red", "blue"], "size": "9"} for one in objects)
    assert [one["id"] for one in objects] == [line.split()[2] for line in done.stdout.splitlines()]
    assert all(one["deliveries"] == 1 for one in objects)
    assert zbroker(["put", "q", "x", "-H", "novalue"] + brokers, check=False).returncode == 2
    assert "/absent" in zbroker(["put", "q", "--file", "/absent"] + brokers, check=False).stderr
    assert zbroker(["put", "q", "--null"] + brokers, text="a\nb\0\0c").stdout.count("OK") == 3
    assert zbroker(["get", "q", "--count", "3", "--null"] + brokers).stdout == "a\nb\0\0c\0"
    subprocess.run([PROGRAM, "put", "q", *brokers], input=b"\xff\xfe\n", check=True, stdout=subprocess.PIPE)
    assert json.loads(zbroker(["get", "q", "--json"] + brokers).stdout)["body_base64"] == "//4="


def test_a_file_per_message(single, queue, zbroker, folder):
    brokers = ["--brokers", single.endpoints[0]]
    zbroker(["put", "q", "one\n", "two"] + brokers)
    out = os.path.join(folder, "out")
    names = zbroker(["get", "q", "--count", "2", "--file-per-message", out] + brokers).stdout.splitlines()
    assert sorted(os.path.basename(name) for name in names) == sorted(os.listdir(out))
    assert [open(name).read() for name in names] == ["one\n", "two"]
    zbroker(["put", "q", "three"] + brokers)
    #  What can't be written is not acknowledged.
    assert zbroker(["get", "q", "--file-per-message", names[0] + "/x"] + brokers, check=False).returncode == 1
    assert zbroker(["get", "q"] + brokers).stdout == "three\n"
    assert zbroker(["get", "q", "--json", "--null"] + brokers, check=False).returncode == 2


def test_ids_of_a_gathered_put(single, queue, folder):
    """Each OK tells its own message's id, however many went in one PUT."""
    with open(input_file(folder, numbers(3000))) as file:
        put = Put(single, "q", stdin=file)
        assert put.end()[0] == 0
    _, _, index, *bodies = queue.request("GET", "g", "q", 1000, 0, "")
    assert [line.split()[2] for line in put.lines[:len(bodies)]] == [line.split(" ")[0] for line in index.decode().split("\n")]


# --- Brokers that die ---

@two_stores
@pytest.mark.parametrize("options", [[], ["--name", "n"]])
def test_a_takeover_in_the_middle(pair, client, folder, options):
    one = client(pair)
    one.request("QUEUE", "q", "q", "")
    lines = numbers(60000)
    with open(input_file(folder, lines)) as file:
        put = Put(pair, "q", *options, stdin=file)
        put.wait_oks(1000)
        pair.brokers[in_step(pair)].kill()
        code, error = put.end()
    assert code == 0, error
    assert len(put.lines) == 60000
    stored = drained(one)
    if options:
        assert stored == lines
    else:
        #  The one PUT that was on its way may be there twice: 500 messages at most, in one piece.
        doubled = len(stored) - len(lines)
        assert 0 <= doubled <= 500
        where = next((index for index, line in enumerate(lines) if stored[index] != line), len(lines))
        assert stored[:where] + stored[where + doubled:] == lines
        assert stored[where:where + doubled] == lines[where - doubled:where]
