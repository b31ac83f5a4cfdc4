"""Does a witness let at most one broker go on alone, and does the pair go on with it?"""
import os
import shutil
import socket
import struct
import subprocess

import pytest
import zmq

from brokers import PROGRAM, Broker, Pair, free_ports, wait_for
from conftest import in_step
from links import CutPair
from seal import key, seal
from zb1 import Client, ask, status, way_out


CLAIM, RESUME, SHARE, FORCE = range(4)


class Liar:
    """Somebody who knows how brokers talk to the witness, and speaks in the name of a node of the pair "test"."""

    def __init__(self, port, secret="", ident=b"\0" * 16):
        self.key = key("test", secret)
        self.ident = ident
        self.session = int.from_bytes(os.urandom(8), "big")
        self.sequence = 0
        self.nonce = 0
        self.sock = zmq.Context.instance().socket(zmq.DEALER)
        self.sock.linger = 0
        self.sock.connect("tcp://127.0.0.1:%d" % port)

    def frame(self, node, event, epoch, proof=b"\0" * 32):
        self.sequence += 1
        return seal(self.key, 32, node, struct.pack(">BQQ", event, epoch, self.nonce) + self.ident + proof,
                    session=self.session, sequence=self.sequence)

    def say(self, frame):
        """The verdict and the record's epoch; the first release's frames were shorter."""
        self.sock.send_multipart([b"test", frame])
        assert self.sock.poll(5000), "no answer"
        verdict, _, _, epoch, self.nonce = struct.unpack(">BBBQQ", self.sock.recv_multipart()[1][32:51])
        return VERDICTS[verdict], epoch

    def claim(self, *claim, **more):
        """As one who has asked for the nonce before."""
        self.say(self.frame(*claim, **more))
        return self.say(self.frame(*claim, **more))

    def old(self, node, event, epoch):
        """As the first release had it; it answers that, and no later one does."""
        self.sock.send_multipart([b"test", seal(self.key, 32, node, struct.pack(">BQ", event, epoch),
                                                session=self.session, sequence=1, version=1)])
        self.sock.poll(500)

    def close(self):
        self.sock.close()


VERDICTS = ["granted", "stranger", "taken", "late", "again", "other", "unproven", "beyond"]


class Witness(Broker):
    """One `zbroker witness`."""
    command = "witness"

    def __init__(self, port, config, folder):
        super().__init__(["--store", folder, config], folder + ".log")
        self.port = port
        self.folder = folder

    def records(self):
        with open(self.folder + "/pairs") as file:
            return file.read()


@pytest.fixture
def watched():
    """A pair in sync behind links that can be cut, with a witness that knows it."""
    port = free_ports(1)
    pair = CutPair("pair\n    name = test\n    secret = \"s\"\n    witness = \"tcp://127.0.0.1:%d\"\n" % port)
    pair.witness = Witness(port, pair.configs[0], pair.folder + "/witness").start()
    pair.start()
    in_step(pair)
    shared(pair)
    yield pair
    pair.witness.finish()
    pair.close()


def shared(pair):
    """Waits until the witness knows that both are up to date."""
    wait_for(lambda: os.path.exists(pair.witness.folder + "/pairs") and " shared " in pair.witness.records(),
             "the witness to know that both are up to date")


def hello(endpoint):
    """The answer to one HELLO without a token: OK, PASSIVE, or the code and the text of a refusal."""
    reply = ask(endpoint, "HELLO", "h", "", "", "", patience=20)
    assert reply, "no answer to HELLO"
    return reply[1].decode() if reply[1] != b"ERR" else b" ".join(reply[4:6]).decode()


def test_a_takeover_asks_the_witness(watched):
    """The active one dies: the other goes on with the witness's consent, and gives it back when the pair is whole."""
    for number in (1, 3, 5):
        active = in_step(watched)
        shared(watched)
        one = Client(watched.endpoints, "producer")
        one.hello()
        one.request("QUEUE", "q", "q", "")
        assert one.request("PUT", number, "q", "", b"x")[0] == b"both"
        watched.brokers[active].kill()
        assert one.request("PUT", number + 1, "q", "", b"y")[0] == b"solo"
        assert " held %d " % (2 - active) in watched.witness.records()
        assert status(watched.endpoints[1 - active])["witness"]["consent"] == "given"
        watched.brokers[active].start()
        one.close()
    in_step(watched)
    shared(watched)


def test_a_cut_leaves_one(watched):
    """The brokers do not hear each other, clients reach both: one goes on, the other tells why it does not."""
    active = in_step(watched)
    one = Client([watched.endpoints[active]], "producer")
    one.hello()
    one.request("QUEUE", "q", "q", "")
    one.request("PUT", 1, "q", "", b"before")
    watched.cut()
    one.send("PUT", 2, "q", "", b"after")

    def leader():
        answers = [hello(endpoint) for endpoint in watched.endpoints]
        alone = [bool((status(endpoint) or {}).get("alone")) for endpoint in watched.endpoints]
        assert alone != [True, True]
        return answers if "OK" in answers and any("witness" in a for a in answers) else None
    answers = wait_for(leader, "one that goes on, and one that says that the witness does not let it")
    winner = answers.index("OK")
    #  As long as it lasts: asked again and again, the other one never serves.
    for _ in range(20):
        assert "503" in hello(watched.endpoints[1 - winner])
    put = Client([watched.endpoints[winner]], "other")
    put.hello()
    assert put.request("PUT", 1, "q", "", b"alone")[0] == b"solo"
    put.close()
    one.close()
    watched.heal()
    in_step(watched)
    shared(watched)
    get = Client(watched.endpoints, "consumer")
    got = get.drain("q")
    get.close()
    assert got.count(b"before") == 1 and got.count(b"alone") == 1


def test_without_the_witness_nobody_goes_on_alone(watched):
    """Witness and active one are gone: the other one waits, says why, and goes on when the witness is back."""
    active = in_step(watched)
    watched.witness.kill()
    watched.brokers[active].kill()
    other = watched.endpoints[1 - active]
    wait_for(lambda: "witness" in hello(other), "a refusal that names the witness")
    assert any("start the witness" in text for text in way_out(other, "witness-silent"))
    watched.witness.start()
    wait_for(lambda: hello(other) == "OK", "the takeover")
    watched.brokers[active].start()
    in_step(watched)


def test_together_they_do_not_need_it(watched):
    """The witness is away, then back without its records: the pair serves on, and makes itself known again."""
    watched.witness.kill()
    shutil.rmtree(watched.witness.folder)
    one = Client(watched.endpoints, "producer")
    one.hello()
    one.request("QUEUE", "q", "q", "")
    assert one.request("PUT", 1, "q", "", b"x")[0] == b"both"
    watched.witness.start()
    shared(watched)
    active = in_step(watched)
    watched.brokers[active].kill()
    assert one.request("PUT", 2, "q", "", b"y")[0] == b"solo"
    one.close()
    watched.brokers[active].start()
    in_step(watched)


def test_a_dead_witness_is_shown(watched):
    """The pair is in sync, and its witness is gone: status and log say so before it is needed, and that it is back."""
    in_step(watched)
    run = [PROGRAM, "status", "--brokers", ",".join(watched.endpoints)]
    wait_for(lambda: subprocess.run(run, capture_output=True).returncode == 0, "a pair that lacks nothing")
    watched.witness.kill()

    def shown():
        done = subprocess.run(run, capture_output=True, text=True)
        return done.returncode == 1 and "in sync, but the witness can't be reached" in done.stdout and done.stdout
    assert "the witness: closed for" in wait_for(shown, "the witness's silence in status")
    for broker in watched.brokers:
        wait_for(lambda: "the witness: closed for" in broker.tail() and "nobody listens at" in broker.tail(),
                 "a line in the log")
    watched.witness.start()
    wait_for(lambda: subprocess.run(run, capture_output=True).returncode == 0, "a pair that lacks nothing")
    for broker in watched.brokers:
        wait_for(lambda: "the witness: open again" in broker.tail(), "a line in the log")


def test_one_that_was_alone_resumes(watched):
    """The broker that went on alone restarts while the other one is gone: the record is its own, and it goes on."""
    active = in_step(watched)
    watched.brokers[active].kill()
    one = Client(watched.endpoints, "producer")
    one.hello()
    one.request("QUEUE", "q", "q", "")
    assert one.request("PUT", 1, "q", "", b"x")[0] == b"solo"
    watched.brokers[1 - active].kill()
    watched.brokers[1 - active].start()
    assert one.request("PUT", 2, "q", "", b"y")[0] == b"solo"
    #  And the other one, alone, does not.
    watched.brokers[1 - active].kill()
    watched.brokers[active].start()
    wait_for(lambda: "503" in hello(watched.endpoints[active]), "a refusal")
    one.close()
    watched.brokers[1 - active].start()
    in_step(watched)


def test_bad_input(watched):
    """Random bytes, frames of other pairs, damaged records: dropped, or refused with a text; the witness goes on."""
    before = watched.witness.records()
    with socket.create_connection(("127.0.0.1", watched.witness.port)) as raw:
        raw.sendall(os.urandom(1000))
    for frames in ([b"x"], [b"test", b"x" * 41], [b"nobody", b"x" * 41], [b"test", b"", b""], [b"t" * 400, b"x" * 400]):
        with zmq.Context.instance().socket(zmq.DEALER) as sock:
            sock.linger = 1000
            sock.connect("tcp://127.0.0.1:%d" % watched.witness.port)
            sock.send_multipart(frames)
    active = in_step(watched)
    assert watched.witness.records() == before
    watched.brokers[active].kill()
    wait_for(lambda: hello(watched.endpoints[1 - active]) == "OK", "the takeover")
    watched.brokers[active].start()
    in_step(watched)
    #  A second one on the same folder, and one whose records are damaged.
    other = Witness(0, watched.configs[0], watched.witness.folder)
    other.options = ["--bind", "tcp://127.0.0.1:%d" % free_ports(1)] + other.options
    other.start(ready=False)
    assert other.process.wait(30) == 3
    watched.witness.stop()
    with open(watched.witness.folder + "/pairs", "a") as file:
        file.write("x")
    watched.witness.start(ready=False)
    assert watched.witness.process.wait(30) == 5
    assert "damaged" in watched.witness.tail()
    watched.witness.process = None
    os.remove(watched.witness.folder + "/pairs")
    watched.witness.start()
    shared(watched)


@pytest.fixture
def open_pair():
    """A pair without a secret and with a witness, which anybody can speak to."""
    port = free_ports(1)
    pair = Pair()
    config = pair.folder + "/test.conf"
    with open(config, "w") as file:
        file.write('pair\n    name = test\n    witness = "tcp://127.0.0.1:%d"\n' % port)
    for broker in pair.brokers:
        broker.options[:0] = ["--config", config]
    pair.witness = Witness(port, config, pair.folder + "/witness").start()
    pair.start()
    in_step(pair)
    shared(pair)
    yield pair
    pair.witness.finish()
    pair.close()


def ident(pair):
    """The pair's id, by the witness's record."""
    return bytes.fromhex(pair.witness.records().split("\n")[1].split(" ")[4])


def test_a_stranger_at_the_witness(open_pair):
    """No secret is set, and somebody says that the active one goes on alone, in an epoch that never was, by an operator's
    word that nobody gave.  When the active one dies the pair goes on."""
    pair = open_pair
    active = in_step(pair)
    liar = Liar(pair.witness.port)
    #  As the first release was told it.
    for node in (active + 1, 2 - active):
        liar.old(node, FORCE, 2 ** 64 - 1)
    assert " 18446744073709551615" not in pair.witness.records()
    liar.ident = ident(pair)
    for event in (CLAIM, RESUME, SHARE, FORCE):
        assert liar.claim(active + 1, event, 2 ** 64 - 1)[0] == "beyond"
        assert liar.claim(active + 1, event, 2 ** 22)[0] == "beyond"
    assert liar.claim(active + 1, FORCE, 9)[0] == "unproven"
    assert liar.claim(active + 1, FORCE, 9, proof=b"x" * 32)[0] == "unproven"
    liar.ident = b"z" * 16
    assert liar.claim(active + 1, CLAIM, 9)[0] == "other"
    liar.close()
    shared(pair)
    one = Client(pair.endpoints, "producer")
    one.hello()
    one.request("QUEUE", "q", "q", "")
    pair.brokers[active].kill()
    assert one.request("PUT", 1, "q", "", b"x", patience=20)[0] == b"solo"
    one.close()
    pair.brokers[active].start()
    in_step(pair)


def test_a_recorded_claim(watched):
    """What was recorded is worth nothing, in the same session, after it, and after the witness has restarted."""
    one = Liar(watched.witness.port, "s", ident(watched))
    epoch = int(watched.witness.records().split("\n")[1].split(" ")[3])
    first = one.frame(2, SHARE, epoch)
    assert one.say(first)[0] == "again"
    assert one.say(first)[0] == "again"
    recorded = one.frame(2, SHARE, epoch)
    assert one.say(recorded)[0] == "granted"
    assert one.say(recorded)[0] == "again"
    assert one.say(one.frame(2, SHARE, epoch))[0] == "granted"
    other = Liar(watched.witness.port, "s", ident(watched))
    assert other.claim(2, SHARE, epoch)[0] == "granted"
    assert one.say(recorded)[0] == "again"
    assert one.say(one.frame(1, SHARE, epoch))[0] == "again"
    watched.witness.kill()
    watched.witness.start()
    assert one.say(recorded)[0] == "again"
    one.close()
    other.close()
    in_step(watched)
    shared(watched)


def test_two_pairs_of_one_name(watched):
    """Another pair of the same name and secret at one witness has no part in the first one's record: it is refused, the log
    and its status say why; `witness reset` lets it in when the first one is gone."""
    second = CutPair("pair\n    name = test\n    secret = \"s\"\n    witness = \"tcp://127.0.0.1:%d\"\n"
                     % watched.witness.port)
    try:
        second.start()
        active = in_step(second)
        wait_for(lambda: "another pair of the same name" in watched.witness.tail(), "the witness's refusal")
        second.brokers[active].kill()
        wait_for(lambda: "another pair of this name" in hello(second.endpoints[1 - active]), "a refusal that tells why")
        #  The first one's record is untouched: it goes on with it.
        first = in_step(watched)
        watched.brokers[first].kill()
        wait_for(lambda: hello(watched.endpoints[1 - first]) == "OK", "the takeover of the first pair")
        watched.brokers[first].start()
        in_step(watched)
        second.brokers[active].start()
        in_step(second)
        run = [PROGRAM, "witness", "reset", "test", "--store", watched.witness.folder]
        assert subprocess.run(run, capture_output=True).returncode == 3
        for broker in watched.brokers:
            broker.stop()
        watched.witness.stop()
        assert b"forgotten" in subprocess.run(run, capture_output=True, check=True).stdout
        assert subprocess.run(run, capture_output=True).returncode == 2
        watched.witness.start()
        wait_for(lambda: os.path.exists(watched.witness.folder + "/pairs") and " shared " in watched.witness.records(),
                 "the second pair at the witness")
        active = in_step(second)
        second.brokers[active].kill()
        wait_for(lambda: hello(second.endpoints[1 - active]) == "OK", "the takeover of the second pair")
        second.brokers[active].start()
        in_step(second)
        for broker in watched.brokers:
            broker.start()
    finally:
        second.close()


def test_an_operators_word(watched):
    """The one that went on alone is lost for good: an operator's word, with his proof, is believed by the witness."""
    active = in_step(watched)
    left = 1 - active
    watched.brokers[left].kill()
    one = Client([watched.endpoints[active]], "producer")
    one.hello()
    one.request("QUEUE", "q", "q", "")
    assert one.request("PUT", 1, "q", "", b"x")[0] == b"solo"
    one.close()
    watched.brokers[active].kill()
    watched.brokers[left].start()
    wait_for(lambda: "503" in hello(watched.endpoints[left]), "a refusal")
    assert " held %d " % (active + 1) in watched.witness.records()
    run = subprocess.run([PROGRAM, "promote", "--accept-loss", "--config", watched.configs[left], "--brokers",
                          watched.endpoints[left]], capture_output=True)
    assert run.returncode == 0, run.stderr
    assert " held %d " % (left + 1) in watched.witness.records()
    assert hello(watched.endpoints[left]) == "OK"


def test_the_way_out_of_one_that_was_in_step(watched):
    """A cut leaves the active one, which is then lost for good: the other one, which was in sync and would lead but for the
    witness, leads on an operator's word."""
    active = in_step(watched)
    left = watched.endpoints[1 - active]
    watched.cut()
    one = Client([watched.endpoints[active]], "producer")
    one.hello()
    one.request("QUEUE", "q", "q", "")
    assert one.request("PUT", 1, "q", "", b"x")[0] == b"solo"
    one.close()
    watched.brokers[active].kill()
    wait_for(lambda: "503" in hello(left) and way_out(left, "witness-taken"), "a refusal")
    run = subprocess.run([PROGRAM, "promote", "--accept-loss", "--config", watched.configs[1 - active], "--brokers", left],
                         capture_output=True)
    assert run.returncode == 0, run.stderr
    assert hello(left) == "OK"


def test_records_of_the_first_release(watched):
    """A line without the pair's id is read, and gets the id of the pair that speaks next."""
    path = watched.witness.folder + "/pairs"
    watched.witness.stop()
    text = watched.witness.records()
    body = "\n".join(" ".join(line.split(" ")[:4]) if line.startswith("test ") else line
                     for line in text.split("\n")[:-2]) + "\n"
    check = 0xcbf29ce484222325
    for byte in body.encode():
        check = (check ^ byte) * 0x100000001b3 % 2 ** 64
    with open(path, "w") as file:
        file.write("%scheck %016x\n" % (body, check))
    watched.witness.start()

    def known(records):
        """The pair's state, epoch and id; either broker may be the one that spoke last."""
        words = [line for line in records.split("\n") if line.startswith("test ")][0].split(" ")
        return words[1:2] + words[3:]

    wait_for(lambda: known(watched.witness.records()) == known(text), "the record with the pair's id")
