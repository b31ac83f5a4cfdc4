"""zbroker bench: each mode does what it says, and its figures are of what was done.  How fast it was is not tested."""
import glob
import json
import os
import signal
import subprocess
import time

import pytest

from brokers import PROGRAM, WRAPPER, wait_for
from keyed import KeyedPair
from patience import PATIENCE, SLOWER
from zb1 import status

MESSAGES = 2000
OPTIONS = ["--messages", str(MESSAGES)]


def percentiles_rise(times):
    values = [times[point] for point in ("p50", "p90", "p99", "p99.9", "max")]
    return values == sorted(values) and values[0] > 0


@pytest.fixture
def bench(zbroker, folder):
    def run(*arguments):
        done = zbroker(["bench", *arguments, "--json"], environment={"TMPDIR": folder})
        assert os.listdir(folder) == []
        assert done.stderr == ""
        return json.loads(done.stdout)
    return run


@pytest.mark.parametrize("mode, arguments", [
    ("put", ["--batch", "7"]),
    ("get", []),
    ("through", []),
    ("latency", ["--rate", "4000"]),
])
def test_each_mode(bench, mode, arguments):
    figures = bench(mode, "--no-limits", *OPTIONS, *arguments)
    assert figures["mode"] == mode
    assert figures["sent"] == figures["stored"] == figures["both"] == (0 if mode == "get" else MESSAGES)
    assert figures["taken"] == figures["acked"] == (0 if mode == "put" else MESSAGES)
    assert figures["again"] == 0
    assert figures["rate"] > 0 and figures["cpu_per_million"] >= 0
    assert ("confirm_ms" in figures) == (mode != "get")
    assert ("delivery_ms" in figures) == (mode in ("through", "latency"))
    for name, count in (("confirm_ms", None), ("delivery_ms", MESSAGES)):
        if name in figures:
            assert percentiles_rise(figures[name])
            assert count in (None, figures[name]["count"])
    assert "limits" not in figures


def test_the_brokers_costs(bench):
    figures = bench("put", "--no-limits", *OPTIONS)
    for broker in ("primary", "backup"):
        cost = figures[broker]
        assert cost["hwm"] >= cost["rss"] > 1 << 20 and cost["written_per_message"] > 0
    #  Each body of 100 bytes is in the log once, and what is around it is no more than that again.
    assert 100 < figures["log_per_message"] < 200


def test_a_backlog_stays(single, zbroker):
    #  2 GETs of 10 in flight: beyond what was put meanwhile no more than twice that is taken.
    figures = json.loads(zbroker(["bench", "--no-limits", "--json", "--brokers", single.endpoints[0], *OPTIONS, "--backlog",
                                  "3000", "--gets", "2", "--take", "10"]).stdout)
    assert figures["backlog"] == 3000
    assert figures["sent"] == figures["stored"] == MESSAGES
    assert MESSAGES <= figures["acked"] <= figures["taken"] <= MESSAGES + 2 * 2 * 10
    assert "delivery_ms" not in figures


def test_idle_clients(single, zbroker):
    #  All of them are connected at once, and are still served at the end.
    process = subprocess.Popen([PROGRAM, "bench", "--no-limits", "--json", "--brokers", single.endpoints[0], "--idle", "200",
                                "--messages", "4000", "--rate", "2000"], stdout=subprocess.PIPE, text=True)
    wait_for(lambda: status(single.endpoints[0])["sessions"] >= 202, "200 idle clients and two busy ones")
    figures = json.loads(process.communicate()[0])
    assert figures["options"]["idle"] == 200 and figures["acked"] == 4000


def test_a_rate_is_kept_to(bench):
    #  The last of 2000 messages is not sent before its time.
    figures = bench("latency", "--no-limits", "--rate", "2000", *OPTIONS)
    assert figures["seconds"] >= (MESSAGES - 1) / 2000
    assert figures["options"]["rate"] == 2000


def test_a_stall_is_charged_with_all_that_was_meant_to_be_sent(single):
    #  The broker stands still for 0.3 s of each 0.5 s or so.  With 5 PUTs in flight few would be late, did their time
    #  count from when they were sent; from when they were meant to be sent, most are.
    process = subprocess.Popen([*WRAPPER, PROGRAM, "bench", "latency", "--no-limits", "--json", "--window", "5",
                                "--rate", "2000", "--messages", "4000", "--brokers", single.endpoints[0]],
                               stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        single.broker.process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        single.broker.process.send_signal(signal.SIGCONT)
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            pass
    figures = json.loads(process.stdout.read())
    assert figures["acked"] == 4000
    assert figures["confirm_ms"]["p90"] >= 100 and figures["delivery_ms"]["p90"] >= 100


def test_limits(bench):
    figures = bench("put", "--body", "1000", *OPTIONS)
    limits = figures["limits"]
    assert all(limits[name] > 0 for name in ("relay", "commits", "grouped", "fdatasync"))
    assert percentiles_rise(limits["relay_ms"]) and percentiles_rise(limits["commit_ms"])
    assert figures["ratio"] == pytest.approx(figures["rate"] / min(limits["relay"], limits["commits"]), rel=1e-3)


def test_keys(bench):
    #  All of it with CURVE, the relay as well.
    figures = bench("through", "--keys", *OPTIONS)
    assert figures["options"]["keys"] and figures["limits"]["relay"] > 0
    assert figures["stored"] == figures["both"] == figures["acked"] == MESSAGES
    assert bench("through", "--no-limits", "--keys", "--subs", "2", *OPTIONS)["subs"] == 2


@pytest.mark.skipif(SLOWER > 1, reason="its figures are of a program that is not slowed down")
def test_keys_beside_none(folder):
    """tools/bench/keys: each row says with keys, as a share of without."""
    script = os.path.join(os.environ["ZBROKER_SOURCE"], "tools/bench/keys")
    done = subprocess.run([script, PROGRAM, "1", "1"], cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr, os.listdir(folder)) == (0, "", [])
    _, *rows, last = done.stdout.splitlines()
    shares = {}
    for row in rows:
        title, without, keyed, share = row.rsplit(maxsplit=3)
        shares[title] = float(share)
        assert abs(float(share) - float(keyed) / float(without)) <= 0.02 * float(share) + 0.001, row
    through, relay = shares["through, messages/s"], shares["a relay of the same frames, messages/s"]
    assert abs(float(last.split()[3]) - through / relay) <= 0.02 * through / relay, last


def test_brokers_with_keys(zbroker):
    pair = KeyedPair()
    try:
        pair.start()
        figures = json.loads(zbroker(["bench", "--no-limits", "--json", *OPTIONS, "--brokers", ",".join(pair.endpoints)]).stdout)
        assert figures["options"]["keys"] and figures["both"] == figures["acked"] == MESSAGES
    finally:
        pair.close()


def test_one_put_at_a_time_is_set_beside_one_commit(bench):
    figures = bench("put", "--messages", "50", "--batch", "1", "--window", "1")
    assert figures["confirm_ms"]["count"] == 50
    assert figures["alone_ratio"] == pytest.approx(
        figures["confirm_ms"]["p50"] / figures["limits"]["commit_ms"]["p50"], rel=1e-3)


def test_many_clients_and_queues(bench):
    figures = bench("through", "--no-limits", "--producers", "20", "--consumers", "15", "--queues", "40", "--batch", "3",
                    "--named", "--body", "0", *OPTIONS)
    assert figures["stored"] == figures["acked"] == MESSAGES
    figures = bench("through", "--no-limits", "--producers", "3", "--consumers", "5", "--take", "10", *OPTIONS)
    assert figures["stored"] == figures["acked"] == MESSAGES


def test_seconds(bench):
    figures = bench("put", "--no-limits", "--seconds", "1")
    assert figures["seconds"] >= 1
    assert figures["sent"] == figures["stored"] > 0


def test_text(zbroker, folder):
    text = zbroker(["bench", *OPTIONS], environment={"TMPDIR": folder}).stdout
    for word in ("through ", "messages/s", "until OK", "end to end", "relay ", "commits ", "fdatasync ", "p99.9"):
        assert word in text


def test_brokers_of_others(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    figures = json.loads(zbroker(["bench", "--no-limits", "--json", *OPTIONS, *brokers]).stdout)
    assert (figures["stored"], figures["both"], figures["acked"]) == (MESSAGES, 0, MESSAGES)
    assert "cpu_per_million" not in figures
    figures = json.loads(zbroker(["bench", "--no-limits", "--json", *OPTIONS, "--subs", "2", *brokers]).stdout)
    assert (figures["stored"], figures["acked"]) == (MESSAGES, 2 * MESSAGES)
    #  Nothing stays behind.
    assert json.loads(zbroker(["queue", "list", "--json"] + brokers).stdout) == []


def test_interruption_leaves_nothing(folder):
    process = subprocess.Popen([*WRAPPER, PROGRAM, "bench", "--no-limits", "--seconds", "600"],
                               env={**os.environ, "TMPDIR": folder}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: glob.glob(folder + "/*/backup.log"), "the brokers")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and out == "" and err.endswith("zbroker bench: interrupted\n")
    assert os.listdir(folder) == []


@pytest.mark.parametrize("arguments, words", [
    (["throguh"], ["'throguh'"]),
    (["put", "get"], ["'get'"]),
    (["put", "--batch", "0"], ["--batch '0'"]),
    (["put", "--batch", "1001"], ["--batch '1001'"]),
    (["put", "--named", "--window", "257"], ["--window '257'"]),
    (["put", "--keys", "--brokers", "tcp://127.0.0.1:1"], ["--keys"]),
    (["put", "--key", "x.key"], ["--brokers"]),
    (["put", "--messages", "5", "--seconds", "5"], ["not both"]),
    (["get", "--seconds", "5"], ["--messages"]),
    (["get", "--rate", "5"], ["--rate"]),
    (["latency", "--body", "7"], ["--body"]),
    (["through", "--queues", "1000"], ["GETs"]),
    (["put", "--body", "1000000", "--batch", "100"], ["too large"]),
    (["put", "--body", "1000000", "--batch", "1", "--window", "2000"], ["in flight"]),
    (["put", "--producers", "5000", "--window", "100"], ["in flight"]),
    (["get", "--backlog", "5"], ["--backlog"]),
    (["latency", "--backlog", "5"], ["--backlog"]),
    (["latency", "--subs", "5"], ["--subs"]),
    (["put", "--subs", "5", "--queues", "5"], ["--subs", "--queues"]),
    (["put", "--subs", "0"], ["--subs '0'"]),
    (["put", "--brokers", "nonsense"], ["tcp://HOST:PORT"]),
])
def test_misuse(zbroker, folder, arguments, words):
    done = zbroker(["bench", *arguments], environment={"TMPDIR": folder}, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    for word in words:
        assert word in done.stderr
    assert os.listdir(folder) == []


@pytest.mark.skipif(SLOWER > 1, reason="a broker that is so slow may not be in sync when it is killed; its peer then waits")
@pytest.mark.parametrize("keys", [[], ["--keys"]], ids=["open", "keys"])
def test_failover(zbroker, folder, keys):
    """Clients follow the role around, and all that was stored was taken, in order."""
    arguments = ["bench", "--json", "--failover", *keys, "--kills", "2", "--passive-kills", "2", "--stops", "1", "--switchovers", "2",
                 "--backlog", "3000", "--rate", "500"]
    #  On a busy machine a broker may stand still in the moment between the look and the kill: its peer then waits, as it must.
    for _ in range(3):
        done = zbroker(arguments, environment={"TMPDIR": folder}, check=False)
        if not any(why in done.stderr for why in ("this broker was not in sync when it was last heard",
                                                  "the peer may have answered meanwhile")):
            break
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert (figures["mode"], figures["keys"], figures["backlog"]) == ("failover", bool(keys), 3000)
    assert figures["stored"] > 0
    for event, count in (("kill", 2), ("passive_kill", 2), ("stop", 1), ("switchover", 2)):
        for times in figures[event].values():
            assert times["count"] == count and 0 < times["p50"] <= times["p99"] <= times["max"]
        assert figures[event].keys() == {"put_ms", "get_ms"}


@pytest.mark.parametrize("mode", ["put", "get", "through"])
def test_a_topic_beside_queues(bench, mode):
    """Each subscription is given all that is put; what is put into it is stored once."""
    figures = bench(mode, "--no-limits", *OPTIONS, "--subs", "3")
    assert figures["subs"] == figures["options"]["queues"] == 3
    assert figures["sent"] == figures["stored"] == (0 if mode == "get" else MESSAGES)
    assert figures["taken"] == figures["acked"] == (0 if mode == "put" else 3 * MESSAGES)
    assert figures["beside_ratio"] == pytest.approx(figures["rate"] / figures["beside_rate"], rel=0.01)
