"""How long does a client of include/PROTOCOL.md's page wait at a kill -9 of the active broker, beside libzbroker?

Both store lines one at a time through the same pair, at the same kills: the page's client as it stands, and `zbroker put
--name`. The pause is the longest time between two OKs around a kill. Prints a table; exit code 1 if the page's median or
99th percentile is more than 1.5 times the library's.

    ZBROKER_PROGRAM=$PWD/zbroker python3 ../tests/fault/pause.py --kills 50
"""
import argparse
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "integration"))
os.environ.setdefault("ZBROKER_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))

from brokers import PROGRAM, Pair, wait_for     # noqa: E402
from conftest import in_step                    # noqa: E402
from test_protocol import page_client           # noqa: E402
from zb1 import Client                          # noqa: E402


class Watched(threading.Thread):
    """A program that stores each line it is given: given the next one as soon as it has told OK."""

    def __init__(self, command):
        super().__init__(daemon=True)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.oks = 0
        self.longest = 0.0
        self.lock = threading.Lock()

    def run(self):
        last = time.monotonic()
        number = 0
        while True:
            number += 1
            try:
                self.process.stdin.write("line %d\n" % number)
                self.process.stdin.flush()
            except (BrokenPipeError, ValueError):
                return
            if not self.process.stdout.readline():
                return
            now = time.monotonic()
            with self.lock:
                self.oks += 1
                self.longest = max(self.longest, now - last)
            last = now

    def begin(self):
        with self.lock:
            self.longest = 0.0

    def wait_oks(self, more):
        until = self.oks + more
        wait_for(lambda: self.oks >= until or self.process.poll() is not None, "OKs of %s" % self.process.args)
        assert self.process.poll() is None, "%s ended" % self.process.args

    def end(self):
        self.process.kill()
        self.process.wait()


def percentile(times, percent):
    return sorted(times)[min(len(times) - 1, int(len(times) * percent / 100))]


def measure(kills, folder, pair):
    one = Client(pair.endpoints)
    one.request("QUEUE", "q1", "orders", "")
    one.request("QUEUE", "q2", "library", "")
    one.close()
    clients = {
        "the page's": Watched([sys.executable, page_client(folder), "page", *pair.endpoints]),
        "libzbroker": Watched([PROGRAM, "put", "library", "--name", "library", "--brokers", ",".join(pair.endpoints)])}
    pauses = {name: [] for name in clients}
    try:
        for client in clients.values():
            client.start()
        for _ in range(kills):
            active = in_step(pair)
            for client in clients.values():
                client.wait_oks(20)
                client.begin()
            pair.brokers[active].kill()
            #  The first OK may be one that was on its way.
            for client in clients.values():
                client.wait_oks(20)
            for name, client in clients.items():
                pauses[name].append(client.longest * 1000)
            pair.brokers[active].start()
    finally:
        for client in clients.values():
            client.end()
    return pauses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    kills = parser.parse_args().kills
    pair = Pair().start()
    try:
        pauses = measure(kills, pair.folder, pair)
    finally:
        pair.close()
    print("ms from the last OK before to the first OK after, %d kills of the active broker" % kills)
    print("%-12s %8s %8s %8s" % ("", "p50", "p99", "max"))
    for name, times in pauses.items():
        print("%-12s %8.1f %8.1f %8.1f" % (name, percentile(times, 50), percentile(times, 99), max(times)))
    ratios = [percentile(pauses["the page's"], percent) / percentile(pauses["libzbroker"], percent) for percent in (50, 99)]
    print("%-12s %8.2f %8.2f" % ("ratio", *ratios))
    return max(ratios) > 1.5


if __name__ == "__main__":
    sys.exit(main())
