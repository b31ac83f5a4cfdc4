"""Does the pair keep its promise when a broker is killed with -9?"""
import os
import signal
import subprocess

import pytest

from brokers import STORES, WRAPPER, Pair
from conftest import in_step
from patience import PATIENCE, REPLY

KILLS = int(os.environ.get("ZBROKER_KILLS", "10"))
MESSAGES = int(os.environ.get("ZBROKER_MESSAGES", "100000"))

STREAM = os.path.join(os.environ.get("ZBROKER_BUILD", "."), "tests/integration/stream")


def bodies(first, last):
    return [b"%d" % number for number in range(first, last + 1)]


@pytest.mark.parametrize("pair", dict.fromkeys([*STORES, "keyed"]), indirect=True)
def test_takeover(pair, client):
    """A message that was answered OK is fetched from the backup after the primary is gone."""
    one = client(pair)
    one.hello()
    one.request("QUEUE", 1, "q", "")
    level, _, _ = one.request("PUT", 2, "q", "", b"hello")
    assert level.decode() == pair.level("both")
    pair.brokers[0].kill()
    level, _, index, body = one.request("GET", 3, "q", 1, 1000, "")
    assert (level.decode(), body) == (pair.level("solo"), b"hello")


def test_kill_series(pair, client, record_property):
    """A pipelined stream goes on through ten kills of whoever is active: all of it is delivered, once, in order."""
    put = client(pair, "producer")
    put.hello()
    put.request("QUEUE", "q", "q", "")
    #  The verbs of a named producer that are not PUT don't count.
    kills, gaps = 0, []
    share = MESSAGES // KILLS
    for round_ in range(KILLS):
        active = in_step(pair)

        def kill(done):
            nonlocal kills
            if done == share // 2:
                pair.brokers[active].kill()
                kills += 1
        levels, gap = put.stream("q", bodies(round_ * share + 1, (round_ + 1) * share), progress=kill)
        assert set(levels) == {pair.level("both"), pair.level("solo")}, levels
        gaps.append(max(gap))
        pair.brokers[active].start()
    assert kills == KILLS
    record_property("gaps", gaps)
    print("client's gap in ms, median %d: %s" % (sorted(gaps)[len(gaps) // 2] * 1000,
                                                [int(gap * 1000) for gap in gaps]))
    in_step(pair)
    got = client(pair, "consumer")
    assert got.drain("q") == bodies(1, share * KILLS)


def test_acknowledged_stays_away(pair, client):
    """A consumer works while brokers are killed: what it acknowledged with OK never comes back."""
    put, get = client(pair, "producer"), client(pair, "consumer")
    put.hello()
    put.request("QUEUE", "q", "q", "")
    total, acked, number, seen = 6000, set(), 0, []
    put.stream("q", bodies(1, total))
    kill_at = {1500, 3000, 4500}
    pending = []
    while len(acked) < total:
        number += 1
        _, _, index, *got = get.request("GET", "g%d" % number, "q", 50, 100,
                                        " ".join(i for i, _ in pending).encode(), wait=1.1)
        acked.update(body for _, body in pending)
        ids = [line.split(" ")[0] for line in index.decode().split("\n")] if got else []
        for body in got:
            assert body not in acked, "acknowledged %r came back" % body
        seen.extend(got)
        pending = list(zip(ids, got))
        if any(len(acked) >= mark for mark in kill_at):
            kill_at -= {mark for mark in kill_at if len(acked) >= mark}
            active = in_step(pair)
            pair.brokers[active].kill()
            pair.brokers[active].start(ready=False)
    assert acked == set(bodies(1, total))
    first = list(dict.fromkeys(seen))
    assert first == bodies(1, total), "first deliveries are in the producer's order"


def test_consume_work_produce(pair, client):
    """What is made of messages is stored in one commit with their acknowledgement: through ten kills of whoever is active,
    before the PUT and amid it, there is one result of each."""
    put, work = client(pair, "producer"), client(pair, "worker")
    put.hello()
    put.request("QUEUE", "q", "q", "")
    put.request("QUEUE", "o", "out", "")
    put.stream("q", bodies(1, MESSAGES))
    number, made, kills = work.hello(), 0, 0
    while made < MESSAGES:
        _, _, index, *got = work.request("GET", "g%d.%d" % (number, made), "q", 100, 500, "", wait=1.5)
        if not got:
            continue
        number += 1
        acks = "acks=q " + " ".join(line.split(" ")[0] for line in index.decode().split("\n"))
        result = [b"made of " + body for body in got]
        if kills < KILLS and made >= (kills + 0.5) * MESSAGES / KILLS:
            active = in_step(pair)
            if kills % 2:
                work.send("PUT", number, "out", acks, *result)
            pair.brokers[active].kill()
            pair.brokers[active].start(ready=False)
            kills += 1
        work.request("PUT", number, "out", acks, *result)
        made += len(got)
    assert kills == KILLS
    in_step(pair)
    left = client(pair, "left")
    assert left.drain("q") == []
    assert left.drain("out") == [b"made of " + body for body in bodies(1, MESSAGES)]


def test_kill_series_of_the_library(pair, client):
    """The same through libzbroker's asynchronous window."""
    setup = client(pair)
    setup.request("QUEUE", 1, "q", "")
    share, gaps = MESSAGES // KILLS, []
    for round_ in range(KILLS):
        active = in_step(pair)
        stream = subprocess.Popen([*WRAPPER, STREAM, ",".join(pair.endpoints), "producer", "q", str(round_ * share + 1),
                                   str((round_ + 1) * share)], stdout=subprocess.PIPE, text=True)
        for line in stream.stdout:
            if line == "at %d\n" % (share // 200 * 100):
                pair.brokers[active].kill()
        assert stream.wait() == 0
        _, both, solo, _, longest = line.split()
        if pair.shared:
            assert int(both) == int(solo) == 0
        else:
            assert int(both) and int(solo) and int(both) + int(solo) == share
        gaps.append(int(longest))
        pair.brokers[active].start()
    print("client's gap in ms, median %d: %s" % (sorted(gaps)[len(gaps) // 2], gaps))
    in_step(pair)
    assert client(pair, "consumer").drain("q") == bodies(1, share * KILLS)


@pytest.fixture
def patient(folder):
    """A pair in sync that waits ten times as long for an ack as a test does: only what is known of the peer can end that."""
    with open(folder + "/patient.conf", "w") as config:
        config.write("pair\n    ack-limit = %dms\n" % (10000 * PATIENCE))
    pair = Pair("--config", folder + "/patient.conf").start()
    in_step(pair)
    yield pair
    pair.close()


def test_a_dead_passive_one_is_not_waited_for(patient, client):
    """A stream goes on through five kills of the passive broker, which is taken back each time."""
    put = client(patient, "producer")
    put.hello()
    put.request("QUEUE", "q", "q", "")
    active = in_step(patient)
    kills, share = 5, 4000
    for round_ in range(kills):
        def kill(done):
            if done == share // 2:
                patient.brokers[1 - active].kill()
        levels, _ = put.stream("q", bodies(round_ * share + 1, (round_ + 1) * share), progress=kill)
        assert set(levels) == {"both", "solo"}, levels
        patient.brokers[1 - active].start()
        assert in_step(patient) == active
    assert client(patient, "consumer").drain("q") == bodies(1, share * kills)


def test_a_passive_one_that_stands_is_waited_for_until_it_is_dead(patient, client):
    """It has not acknowledged, and may lead: a process that is stopped is no dead one.  One that is killed then, is."""
    one = client(patient)
    one.hello()
    one.request("QUEUE", "q", "q", "")
    passive = patient.brokers[1 - in_step(patient)]
    passive.process.send_signal(signal.SIGSTOP)
    one.send("PUT", 1, "q", "", b"x")
    assert one.recv(REPLY) is None
    passive.kill()
    reply = one.recv(PATIENCE)
    assert (reply[1], reply[2], reply[4]) == (b"OK", b"1", b"solo")
