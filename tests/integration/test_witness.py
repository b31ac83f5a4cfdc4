"""Does a witness let at most one broker go on alone, and does the pair go on with it?"""
import os
import shutil
import socket

import pytest
import zmq

from brokers import Broker, free_ports, wait_for
from conftest import in_step
from links import CutPair
from zb1 import Client, ask, status


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
    """A pair in step behind links that can be cut, with a witness that knows it."""
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
