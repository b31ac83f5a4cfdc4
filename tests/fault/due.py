"""How late do delayed messages come, how many of them cost how much memory, and what does a takeover add?

A pair holds so many messages that are due in an hour (--backlog). Then a producer names the millisecond in which each of its
messages is due (--rate a second, for --seconds), and consumers wait for them. Prints how much later than that they come, in ms, by
the machine's clock, first without a fault, then with a kill -9 of the active broker in the middle; and the brokers' memory. Exit
code 1 if a message comes early or not at all.

    ZBROKER_PROGRAM=$PWD/zbroker python3 ../tests/fault/due.py --backlog 10000000
"""
import argparse
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "integration"))
os.environ.setdefault("ZBROKER_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))

from brokers import Pair, wait_for      # noqa: E402
from conftest import in_step            # noqa: E402
from zb1 import Client                  # noqa: E402

BATCH = 1000            #  messages of a PUT of the backlog
AHEAD = 3000            #  ms between a PUT and the time that it names
SLOT = 5                #  ms: the messages of it are in one PUT
CONSUMERS = 4
MIB = 1 << 20


def now():
    return time.time() * 1000


def memory(pair):
    """The memory of each broker's own, and all that is resident, in MiB: the database's cache is in files."""
    sizes = []
    for broker in pair.brokers:
        with open("/proc/%d/status" % broker.process.pid) as file:
            lines = dict(line.split(":", 1) for line in file)
        sizes.append([int(lines[name].split()[0]) * 1024 // MIB for name in ("RssAnon", "VmRSS")])
    return sizes


def fill(pair, backlog):
    """Stores messages that are due in an hour."""
    one = Client(pair.endpoints)
    one.request("QUEUE", "q", "later", "delay=3600000")
    bodies = [b"%0100d" % number for number in range(BATCH)]
    for number in range(backlog // BATCH):
        one.request("PUT", number + 1, "later", "", *bodies)
        if number % 1000 == 999:
            print("%d million stored" % ((number + 1) * BATCH // 1000000), file=sys.stderr)
    one.close()


class Consumer(threading.Thread):
    """Notes when each message comes first, and how often."""

    def __init__(self, endpoints, came):
        super().__init__(daemon=True)
        self.client = Client(endpoints)
        self.came = came
        self.ends = False

    def run(self):
        acks, number = b"", 0
        while not self.ends:
            number += 1
            _, _, index, *bodies = self.client.request("GET", number, "due", 100, 200, acks, wait=1)
            at = now()
            for body in bodies:
                self.came.setdefault(int(body), at)
            acks = b" ".join(line.split(b" ")[0] for line in index.split(b"\n")) if bodies else b""
        self.client.close()


def produce(pair, rate, seconds, kill):
    """Names the time of each message, with those of SLOT ms in one PUT, AHEAD of it. Returns the times, and the longest wait for an OK."""
    one = Client(pair.endpoints, "producer")
    begin, due, longest = now() + AHEAD, {}, 0
    number, each = one.hello(), rate * SLOT // 1000
    for slot in range(seconds * 1000 // SLOT):
        if kill and slot >= seconds * 500 // SLOT:
            pair.brokers[in_step(pair)].kill()
            kill = False
        at = int(begin + slot * SLOT)
        time.sleep(max(0, at - AHEAD - now()) / 1000)
        messages = range(slot * each, (slot + 1) * each)
        due.update((message, at) for message in messages)
        asked = now()
        one.request("PUT", number + slot + 1, "due", "due=%d" % at, *[b"%d" % message for message in messages])
        longest = max(longest, now() - asked)
    one.close()
    return due, longest


def measure(pair, rate, seconds, kill):
    """Returns how late each message came, the longest wait for an OK, and what is wrong."""
    came = {}
    consumers = [Consumer(pair.endpoints, came) for _ in range(CONSUMERS)]
    for consumer in consumers:
        consumer.start()
    due, longest = produce(pair, rate, seconds, kill)
    wait_for(lambda: len(came) >= len(due), "all that is due")
    for consumer in consumers:
        consumer.ends = True
    for consumer in consumers:
        consumer.join()
    late = sorted(came[message] - due[message] for message in due)
    return late, longest, ["message %d comes %.1f ms early" % (message, due[message] - came[message])
                           for message in due if came[message] < due[message]]


def percentile(times, percent):
    return times[min(len(times) - 1, int(len(times) * percent / 100))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backlog", type=int, default=100000)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    pair = Pair().start()
    wrong = []
    try:
        in_step(pair)
        print("own and resident memory of primary and backup, MiB: %s, empty" % memory(pair))
        fill(pair, options.backlog)
        print("own and resident memory of primary and backup, MiB: %s, behind %d that are due in an hour" % (memory(pair), options.backlog))
        one = Client(pair.endpoints)
        one.request("QUEUE", "q", "due", "delay=0")
        one.close()
        print("ms behind the time of %d messages a second\n%-28s %8s %8s %8s %8s  %s" % (options.rate, "", "p50", "p99", "max", "first", "longest wait for an OK"))
        for name, kill in (("", False), ("the active broker is killed", True)):
            in_step(pair)
            late, longest, bad = measure(pair, options.rate, options.seconds, kill)
            wrong += bad
            print("%-28s %8.1f %8.1f %8.1f %8.1f  %.1f" % (name, percentile(late, 50), percentile(late, 99), late[-1], late[0], longest))
        for broker in pair.brokers:
            if not broker.alive:
                broker.process = None
                broker.start(ready=False)
        in_step(pair)
        print("own and resident memory of primary and backup, MiB: %s, at the end" % memory(pair))
    finally:
        pair.close()
    print("\n".join(wrong[:10]) or "none came early, none is missing")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
