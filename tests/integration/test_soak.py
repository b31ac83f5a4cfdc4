"""A pair under a steady load for long: memory flat, disk flat, nothing lost or doubled; and its longest pause.

Not part of `make check`: `make check-soak` runs it.  ZBROKER_SOAK_SECONDS (180) and ZBROKER_SOAK_RATE (messages/s; half of
what the pair does at most, measured first) make it longer and harder.  The pauses are printed, not asserted: they are
the machine's as much as ours.
"""
import glob
import json
import os
import statistics
import subprocess
import time

import pytest

from brokers import PROGRAM, Pair
from conftest import in_step

SECONDS = int(os.environ.get("ZBROKER_SOAK_SECONDS", "180"))
RATE = int(os.environ.get("ZBROKER_SOAK_RATE", "0"))
MIB = 1 << 20


def memory(broker):
    """Bytes of a broker's memory."""
    with open("/proc/%d/status" % broker.process.pid) as file:
        return int(dict(line.split(":", 1) for line in file)["VmRSS"].split()[0]) * 1024


def disk(folder):
    """Bytes that a store takes on the disk, tables and log."""
    sizes = {"table": 0, "log": 0}
    for name in glob.glob(folder + "/env.*/*"):
        try:
            kind = os.path.basename(name).split(".")[0]
            sizes[kind] = sizes.get(kind, 0) + os.stat(name).st_blocks * 512
        except FileNotFoundError:
            pass
    return sizes["table"], sizes["log"]


def bench(*arguments):
    return subprocess.Popen([PROGRAM, "bench", *arguments, "--no-limits", "--json"], stdout=subprocess.PIPE, text=True)


def figures(process):
    out = process.communicate()[0]
    assert process.returncode == 0
    return json.loads(out)


def most(values):
    """A series' highest value but for single peaks."""
    return sorted(values)[len(values) * 9 // 10]


def assert_flat(what, series, slack):
    """The last third of a series is no higher than the second: what grows with the traffic would be."""
    third = len(series) // 3
    before, after = most(series[third:2 * third]), most(series[2 * third:])
    print("%s: %.0f MiB in the second third, %.0f in the last, %.0f at the most" % (what, before / MIB, after / MIB,
                                                                                 max(series) / MIB), flush=True)
    assert after <= before * 1.05 + slack, what


@pytest.fixture
def pair(folder):
    """A pair in sync that keeps little log, so that the log is as long as it gets soon."""
    with open(folder + "/zbroker.conf", "w") as config:
        config.write("store\n    log-keep = 256m\n")
    pair = Pair("--config", folder + "/zbroker.conf").start()
    in_step(pair)
    yield pair
    pair.close()


def test_a_steady_load_leaves_memory_and_disk_flat(pair):
    brokers = ",".join(pair.endpoints)
    rate = RATE or int(figures(bench("through", "--brokers", brokers, "--seconds", "5"))["rate"] / 2)
    process = bench("latency", "--brokers", brokers, "--rate", str(rate), "--batch", "100", "--seconds", str(SECONDS))
    series = {}
    while process.poll() is None:
        for broker, role in zip(pair.brokers, ("primary", "backup")):
            tables, log = disk(pair.folder + "/" + role)
            for what, value in (("memory", memory(broker)), ("tables", tables), ("log", log)):
                series.setdefault("%s's %s" % (role, what), []).append(value)
        time.sleep(max(0.5, SECONDS / 500))
    result = figures(process)
    print("%d messages at %d/s for %d s" % (result["sent"], rate, result["seconds"]))
    for name in ("confirm_ms", "delivery_ms"):
        print(name + ":", ", ".join("%s %.1f" % item for item in result[name].items() if item[0] != "count"))
    #  A machine that stalls for longer than the ack limit makes the active broker go on alone: said, not asserted.
    print("answered solo: %d; delivered again: %d" % (result["stored"] - result["both"], result["again"]))
    assert result["sent"] == result["stored"] and result["taken"] - result["again"] == result["stored"]
    assert result["acked"] >= result["sent"]
    for what, values in series.items():
        #  A checkpoint or a log file more or less is no growth; what 1 byte of each message would leave is.
        assert_flat(what, values, 64 * MIB if what.endswith("log") else 16 * MIB)
    assert statistics.median(series["primary's tables"]) < 1024 * MIB
