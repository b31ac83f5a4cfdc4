"""What operators are told, and that whoever reads it can neither end nor stop what serves."""
import json
import os
import re
import socket
import subprocess

import pytest
import zmq

from brokers import PROGRAM, WRAPPER, Single, free_ports, single_config, wait_for
from conftest import in_step, two_stores
from patience import PATIENCE
from zb1 import Client, Refused, status

LINE = re.compile(r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (error|warning|notice|info|debug) zbroker\S*: .")


def full_pipe():
    """A pipe that has no room left: its two ends."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(writer, True)
    return reader, writer


@pytest.mark.parametrize("reader", ["gone", "still"])
def test_who_reads_the_log_cannot_stop_a_broker(tmp_path, reader):
    endpoint = single_config(tmp_path / "conf")
    read, write = full_pipe() if reader == "still" else os.pipe()
    if reader == "gone":
        os.close(read)
    broker = subprocess.Popen([*WRAPPER, PROGRAM, "serve", "--config", str(tmp_path / "conf"), "--store", str(tmp_path / "store")],
                              stdin=subprocess.DEVNULL, stdout=write, stderr=write)
    os.close(write)
    try:
        wait_for(lambda: status(endpoint), "a broker that answers")
        client = Client([endpoint])
        client.hello()
        #  Each of these is worth a line.
        for _ in range(5):
            with zmq.Context.instance().socket(zmq.DEALER) as stranger:
                stranger.connect(endpoint)
                stranger.send(b"nonsense")
        client.request("QUEUE", "a", "q", "")
        assert client.request("PUT", 1, "q", "", "body")[0] == b"single"
        assert broker.poll() is None
        client.close()
    finally:
        broker.terminate()
        assert broker.wait(PATIENCE) == 0
        if reader == "still":
            os.close(read)


@pytest.mark.parametrize("reader", ["gone", "still"])
def test_who_reads_the_log_cannot_stop_a_witness(tmp_path, reader):
    port = free_ports(1)
    read, write = full_pipe() if reader == "still" else os.pipe()
    if reader == "gone":
        os.close(read)
    witness = subprocess.Popen([*WRAPPER, PROGRAM, "witness", "--bind", "tcp://127.0.0.1:%d" % port, "--store", str(tmp_path / "w")],
                               stdin=subprocess.DEVNULL, stdout=write, stderr=write)
    os.close(write)
    try:
        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_for(listens, "its port")
        for _ in range(5):
            with zmq.Context.instance().socket(zmq.DEALER) as stranger:
                stranger.connect("tcp://127.0.0.1:%d" % port)
                stranger.send(b"nonsense")
        assert witness.poll() is None
    finally:
        witness.terminate()
        assert witness.wait(PATIENCE) == 0
        if reader == "still":
            os.close(read)


def test_lines_have_date_zone_and_milliseconds(pair):
    for broker in pair.brokers:
        lines = broker.tail().splitlines()
        assert lines and all(LINE.match(line) for line in lines), lines
        #  What the peer's start brings with it is no news.
        assert not any("BDB3504" in line for line in lines), lines


def test_lines_may_be_json(tmp_path):
    """For a broker by its config, for a witness by the command line; what serves says each line so, from the first on."""
    single = Single()
    with open(single.folder + "/zbroker.conf", "a") as config:
        config.write("log\n    format = json\n")
    port = free_ports(1)
    witness = subprocess.Popen([*WRAPPER, PROGRAM, "witness", "--log-format", "json", "--store", str(tmp_path / "w"), "--bind",
                                "tcp://127.0.0.1:%d" % port], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        single.broker.start()
        assert witness.stdout.readline().startswith("READY")
        with zmq.Context.instance().socket(zmq.DEALER) as stranger:
            stranger.connect("tcp://127.0.0.1:%d" % port)
            stranger.send(b"nonsense")
            said = witness.stderr.readline()
        told = single.broker.tail()
        assert "connections of clients are let in" in told
        for lines, sender in ((told, "zbroker"), (said, "zbroker/witness")):
            for line in lines.splitlines():
                told = json.loads(line)
                assert set(told) == {"time", "level", "from", "text"} and told["from"] == sender
                assert LINE.match("%(time)s %(level)s %(from)s: %(text)s" % told)
    finally:
        witness.terminate()
        witness.communicate(timeout=PATIENCE)
        single.close()


def test_roles_are_in_the_log(pair):
    for broker in pair.brokers:
        roles = [line[len("ROLE "):] for line in broker.lines if line.startswith("ROLE ")]
        log = broker.tail()
        assert all(role in log for role in roles)
    wait_for(lambda: any("ACTIVE" in broker.tail() for broker in pair.brokers), "a line about it")


def test_what_clients_meet_is_told(single):
    client = Client(single.endpoints, "name")
    client.hello()
    with pytest.raises(Refused):
        client.request("PUT", 1, "absent", "", "body")
    wait_for(lambda: "1 with 404 (no such queue)" in single.broker.tail(), "a line about it")
    client.request("QUEUE", "a", "q", "")
    newer = Client(single.endpoints, "name")
    newer.hello()
    newer.request("PUT", 1, "q", "", "body")
    with pytest.raises(Refused):
        client.request("PUT", 1, "q", "", "other")
    wait_for(lambda: "fenced" in single.broker.tail(), "a line about it")
    newer.close()
    client.close()


def test_a_limit_that_refuses_is_named():
    single = Single()
    with open(single.folder + "/zbroker.conf", "a") as config:
        config.write("limits\n    queues = 1\n    parked = 1\n    producers = 1\n")
    single.broker.start()
    client, other = Client(single.endpoints, "name"), Client(single.endpoints, "other")
    try:
        client.request("QUEUE", "a", "q", "max-messages=1")
        client.request("PUT", 1, "q", "", "body")
        client.request("GET", "g", "q", "1", "0", "")
        other.hello()
        other.send("GET", "g", "q", "1", "%d" % (1000 * PATIENCE), "")
        wait_for(lambda: status(single.endpoints[0])["parked"] == 1, "a GET that waits")
        for request in (("QUEUE", "b", "r", ""), ("PUT", 2, "q", "", "body"), ("GET", "h", "q", "1", "1000", "")):
            with pytest.raises(Refused, match="429"):
                client.request(*request)
        for text in ("1 with 429 (no more queues are allowed (limits.queues of the broker))", "1 with 429 (the queue is full)",
                     "1 with 429 (too many GETs wait (limits.parked of the broker))"):
            wait_for(lambda text=text: text in single.broker.tail(), "a line that names the limit")
        client.request("QUEUE", "c", "q", "max-messages=9")
        with pytest.raises(Refused, match="429"):
            other.request("PUT", 1, "q", "", "body")
        wait_for(lambda: "1 with 429 (too many names of producers are kept (limits.producers of the broker))"
                 in single.broker.tail(), "a line that names the limit")
    finally:
        client.close()
        other.close()
        single.close()


@two_stores
def test_answering_alone_is_told(pair):
    active = in_step(pair)
    client = Client(pair.endpoints, "name")
    client.hello()
    client.request("QUEUE", "a", "q", "")
    pair.brokers[1 - active].kill()
    assert client.request("PUT", 1, "q", "", "body")[0] == b"solo"
    wait_for(lambda: "alone from now on" in pair.brokers[active].tail(), "a line about it")
    pair.brokers[1 - active].start()
    in_step(pair)
    told = wait_for(lambda: re.search(r"alone for \d+\.\d{3} s: (\d+) requests got OK solo", pair.brokers[active].tail()),
                    "a line with the sum")
    assert int(told.group(1)) >= 1
    client.close()
