"""Does an operator's word move the role, without an error at any client, and only an operator's?"""
import os
import subprocess
import threading
import time

import pytest

from brokers import Pair, wait_for
from conftest import in_step, two_stores
from keyed import KeyedPair
from zb1 import Client, Refused, ask, status, way_out

SWITCHES = int(os.environ.get("ZBROKER_SWITCHES", "10"))
MESSAGES = int(os.environ.get("ZBROKER_MESSAGES", "100000"))

STREAM = os.path.join(os.environ.get("ZBROKER_BUILD", "."), "tests/integration/stream")


def bodies(first, last):
    return [b"%d" % number for number in range(first, last + 1)]


def brokers(pair):
    """For an operator's command: the endpoints, or where the pair has keys its config, which has the secret."""
    return ["--config", pair.configs["primary"]] if isinstance(pair, KeyedPair) else ["--brokers", ",".join(pair.endpoints)]


def percentile(gaps, share):
    return sorted(gaps)[min(len(gaps) - 1, int(len(gaps) * share))]


@two_stores
def test_switchover_series(pair, client, zbroker):
    """The role moves to and fro under a pipelined stream: each PUT is OK both, no request is answered ERR."""
    put = client(pair, "producer")
    put.hello()
    put.request("QUEUE", "q", "q", "")
    share, gaps = MESSAGES // SWITCHES, []
    for round_ in range(SWITCHES):
        active = in_step(pair)
        done = []

        def switch(stored):
            if stored == share // 2:
                done.append(threading.Thread(target=zbroker, args=(["switchover", *brokers(pair)],)))
                done[0].start()
        levels, gap = put.stream("q", bodies(round_ * share + 1, (round_ + 1) * share), progress=switch)
        done[0].join()
        assert set(levels) == {"both"}, levels
        assert in_step(pair) == 1 - active
        gaps.extend(gap)
    assert put.errors == []
    print("client's gap in ms: median %d, p99 %d, longest %d, of %d switchovers"
          % (percentile(gaps, .5) * 1000, percentile(gaps, .99) * 1000, max(gaps) * 1000, SWITCHES))
    assert client(pair, "consumer").drain("q") == bodies(1, share * SWITCHES)


@two_stores
def test_switchover_of_the_library(pair, client, zbroker):
    """The same through libzbroker's window."""
    client(pair).request("QUEUE", 1, "q", "")
    share, gaps = MESSAGES // SWITCHES, []
    for round_ in range(SWITCHES):
        in_step(pair)
        stream = subprocess.Popen([STREAM, ",".join(pair.endpoints), "producer", "q", str(round_ * share + 1),
                                   str((round_ + 1) * share)], stdout=subprocess.PIPE, text=True)
        for line in stream.stdout:
            if line == "at %d\n" % (share // 200 * 100):
                zbroker(["switchover", *brokers(pair)])
        assert stream.wait() == 0
        _, both, solo, _, longest = line.split()
        assert int(both) == share and not int(solo)
        gaps.append(int(longest))
    print("client's gap in ms: median %d, longest %d, of %d switchovers" % (percentile(gaps, .5), max(gaps), SWITCHES))
    assert client(pair, "consumer").drain("q") == bodies(1, share * SWITCHES)


@two_stores
def test_consumers_and_acks_go_along(pair, client, zbroker):
    """A GET that waits is told where to go; what was acknowledged before stays away, what was not comes again."""
    one = client(pair, "consumer")
    one.hello()
    one.request("QUEUE", 1, "q", "")
    for number in range(3):
        one.request("PUT", number + 1, "q", "", b"%d" % number)
    _, _, index, body = one.request("GET", "g1", "q", 1, 0, "")
    one.request("ACK", "a1", "q", index.split(b" ")[0])
    parked = client(pair)
    parked.hello()
    parked.send("QUEUE", 1, "empty", "")
    parked.recv(10)
    parked.send("GET", 2, "empty", 1, 600000, "")
    zbroker(["switchover", *brokers(pair)])
    reply = parked.recv(10)
    assert reply[1:3] == [b"PASSIVE", b"2"] and reply[4].decode() == pair.endpoints[1]
    assert one.drain("q") == [b"1", b"2"]
    assert parked.errors == [] and one.errors == []


@two_stores
def test_switchover_needs_a_peer_in_step(pair, client, zbroker):
    pair.brokers[1].kill()
    done = zbroker(["switchover", *brokers(pair)], check=False)
    assert done.returncode == 1 and pair.endpoints[0] in done.stderr
    assert client(pair).request("QUEUE", 1, "q", "") == []


def test_it_takes_the_pairs_secret(folder, zbroker):
    """Neither a stranger's proof nor one that was used before moves the role."""
    files = []
    pair = Pair("--config", "")
    for name, secret in (("right", "s3cret"), ("wrong", "guess")):
        files.append("%s/%s.conf" % (folder, name))
        with open(files[-1], "w") as config:
            config.write("pair\n    secret = \"%s\"\nprimary\n    endpoint = \"%s\"\nbackup\n    endpoint = \"%s\"\n"
                         % (secret, *pair.endpoints))
    for broker in pair.brokers:
        broker.options[broker.options.index("")] = files[0]
    try:
        pair.start()
        active = in_step(pair)
        for arguments in (brokers(pair), ["--config", files[1]]):
            done = zbroker(["switchover", *arguments], check=False)
            assert done.returncode == 1 and "proof is wrong" in done.stderr
        for verb in ("SWITCHOVER", "PROMOTE"):
            reply = ask(pair.endpoints[active], verb, "1", "0" * 64, *["accept-loss"] * (verb == "PROMOTE"))
            assert (reply[1], reply[4]) == (b"ERR", b"403")
        assert in_step(pair) == active
        before = status(pair.endpoints[active])["challenge"]
        zbroker(["switchover", "--config", files[0]])
        assert in_step(pair) == 1 - active
        assert status(pair.endpoints[active])["challenge"] != before
    finally:
        pair.close()


@two_stores
def test_promote(pair, client, zbroker):
    """One that waits leads on an operator's word alone; what the other one has answered is replayed when it is back."""
    one = client(pair)
    one.request("QUEUE", 1, "q", "")
    one.request("PUT", 2, "q", "", b"both")
    pair.brokers[1].kill()
    assert one.request("PUT", 3, "q", "", b"solo")[0] == b"solo"
    pair.brokers[0].kill()
    pair.brokers[1].start()
    lone = ["--brokers", pair.endpoints[1]]
    with pytest.raises(AssertionError):
        Client(pair.endpoints[1:]).hello(patience=4)
    done = zbroker(["promote", *lone], check=False)
    assert done.returncode == 1 and "--accept-loss" in done.stderr and "commit" in done.stderr
    assert status(pair.endpoints[1])["role"] == "waiting"
    #  The way out, wherever one asks.
    assert way_out(pair.endpoints[1], "peer-unknown") == [status(pair.endpoints[1])["way_out"][0]["text"]]
    text = "zbroker promote --accept-loss"
    assert text in zbroker(["status", *lone], check=False).stdout
    assert text in zbroker(["doctor", "--store", pair.folder + "/backup", *lone], check=False).stdout
    done = zbroker(["promote", "--accept-loss", *lone])
    assert "is not here" in done.stdout and "solo" in done.stdout
    new = client(pair)
    new.current = 1
    assert new.drain("q") == [b"both"]
    done = zbroker(["promote", "--accept-loss", *lone], check=False)
    assert done.returncode == 1 and "not needed" in done.stderr
    assert status(pair.endpoints[1])["way_out"] == [] and status(pair.endpoints[1])["reason"] == "alone"
    #  Who remembers what was lost is not served as if nothing had been.
    one.endpoints = pair.endpoints[1:]
    one.socks, one.monitors, one.current, one.greeted = one.socks[1:], one.monitors[1:], 0, False
    with pytest.raises(AssertionError, match="merging|lacks"):
        one.hello(patience=4)
    #  The other one comes back with its disk: what it has is replayed, and who was promoted goes on.
    pair.brokers[0].start()
    assert in_step(pair) == 1
    #  It was sent again until the broker went alone, without a name: it may be there more than once.
    assert set(client(pair).drain("q")) == {b"solo"}


@two_stores
def test_promote_is_refused_where_it_is_not_needed(pair, client, zbroker):
    in_step(pair)
    done = zbroker(["promote", "--accept-loss", *brokers(pair)], check=False)
    assert done.returncode == 1 and "not needed" in done.stderr
    for endpoint in pair.endpoints:
        done = zbroker(["promote", "--accept-loss", endpoint, *brokers(pair)], check=False)
        assert done.returncode == 1 and "not needed" in done.stderr
    #  In step, and the active one dead: a client is enough.
    pair.brokers[in_step(pair)].kill()
    def refused():
        done = zbroker(["promote", "--accept-loss", *brokers(pair)], check=False)
        return done.returncode == 1 and "as soon as a client asks" in done.stderr
    wait_for(refused, "the death to be known")
    assert client(pair).request("QUEUE", 1, "q", "") == []


@two_stores
def test_status_is_good_right_after_a_switchover(pair, zbroker):
    for _ in range(3):
        in_step(pair)
        assert zbroker(["switchover", *brokers(pair)]).returncode == 0
        assert zbroker(["status", *brokers(pair)]).returncode == 0


@two_stores
def test_there_is_nothing_to_promote_in_a_healthy_pair(pair, zbroker):
    for more in ([], ["--accept-loss"]):
        done = zbroker(["promote", pair.endpoints[1], *more, *brokers(pair)], check=False)
        assert done.returncode == 1 and "not needed" in done.stderr, done
        assert "accept-loss" not in done.stderr


def test_timeout_is_kept(zbroker):
    """By a command that asks two brokers, of which neither answers: it is the time for all of it."""
    begun = time.monotonic()
    done = zbroker(["switchover", "--timeout", "1000", "--brokers", "tcp://192.0.2.1:5560,tcp://192.0.2.2:5560"], check=False)
    assert done.returncode == 6
    assert time.monotonic() - begun < 3 * float(os.environ.get("ZBROKER_SLOWER", "1"))
