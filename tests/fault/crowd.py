#!/usr/bin/env python3
"""A crowd at a pair: what do its other clients notice?

    python3 tests/fault/crowd.py --minutes 10            # 15,000 connections; the table and the verdict at the end
    python3 tests/fault/crowd.py --minutes 1 --scale 0.1

One client puts, gets and acknowledges, one request at a time: first alone, then beside the crowd, then after it has left.
The crowd is a process of its own that speaks ZMTP by hand (zmtp.py): connections that say HELLO and nothing more, among
them consumers with GETs that wait for ever; clients that say HELLO and go away, one after the other; one that asks on and
never reads; and one whose message never ends.  ZBROKER_PROGRAM is the broker; it ends with 1 if a criterion does not hold.
"""
import argparse
import multiprocessing
import os
import resource
import selectors
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from brokers import Pair                                                         # noqa: E402
from conftest import in_step                                                     # noqa: E402
from patience import PATIENCE                                                    # noqa: E402
from zb1 import Client, status                                                   # noqa: E402
from zmtp import connect, frame, message, opening                                # noqa: E402

MIB = 1 << 20
SPARE = 64 * MIB            # what a broker may keep: src/io/base/heap.h
FOREVER = b"2147483647"
HELLO = message(b"ZB1", b"HELLO", b"h")
VISITORS = 2000             # that wait for an answer at once: a slow machine must not cost the crowd its descriptors
STEP = 0.05                 # seconds between two looks at what is to be opened


def files(count):
    """Lets this process and its children open so many descriptors, if the system allows it."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (now, count))
            most = count
        except (ValueError, PermissionError):
            pass
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


# ---------------------------------------------------------------------------
# The crowd


class Peer:
    """One connection of the crowd: what it still has to say, and what it does with what it hears."""

    def __init__(self, crowd, kind, text):
        self.crowd = crowd
        self.kind = kind
        self.text = text
        self.out = opening()
        self.greeted = b""             # what came before the broker's READY; None after it
        self.sock = connect(crowd.port, "127.0.%d.%d" % (1 + crowd.opened // 200 % 200, 1 + crowd.opened % 200))
        crowd.opened += 1
        crowd.selector.register(self.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def end(self):
        self.crowd.selector.unregister(self.sock)
        self.sock.close()
        self.crowd.left(self)

    def ready(self, mask):
        try:
            if mask & selectors.EVENT_WRITE:
                self.write()
            if mask & selectors.EVENT_READ:
                self.read()
        except OSError:
            self.crowd.count["closed on " + self.kind] = self.crowd.count.get("closed on " + self.kind, 0) + 1
            self.end()

    def write(self):
        while self.out:
            try:
                self.out = self.out[self.sock.send(self.out):]
            except BlockingIOError:
                break
            if not self.out and self.greeted is None:
                self.out = self.more()
        self.listen(selectors.EVENT_READ | (selectors.EVENT_WRITE if self.out else 0))

    def listen(self, mask):
        self.crowd.selector.modify(self.sock, mask, self)

    def more(self):
        """What it goes on to say."""
        return b""

    def read(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError
        if self.greeted is None:
            self.heard(data)
            return
        self.greeted += data
        if b"READY" in self.greeted:
            #  What is sent before that is no ZMTP to libzmq.
            self.greeted = None
            self.out += self.text
            self.write()

    def heard(self, data):
        pass


class Visitor(Peer):
    """Says HELLO, and goes away when that is answered."""

    def heard(self, data):
        if b"ZB1" in data:
            self.crowd.count["visits"] = self.crowd.count.get("visits", 0) + 1
            self.end()


class Deaf(Peer):
    """Asks on, and never reads."""

    def more(self):
        return message(b"ZB1", b"GET", b"g", b"spoils", b"1000", b"0", b"") * 20 + message(b"ZB1", b"STATUS", b"s") * 20

    def listen(self, mask):
        #  What it does not read must not wake it up.
        super().listen(mask if self.greeted is not None else selectors.EVENT_WRITE)


class Endless(Peer):
    """Its message never ends."""

    def more(self):
        return frame(b"", more=True) * 1000


class Crowd:
    """All of them, in one loop."""

    def __init__(self, port, connections, consumers, gets, hellos):
        self.port = port
        self.selector = selectors.DefaultSelector()
        self.opened = 0
        self.visits = hellos / 60               # a second
        self.visitors = 0
        self.count = {}
        parked = message(b"ZB1", b"GET", b"g", b"crowd", b"1", FOREVER, b"")
        share = gets // consumers
        self.waiting = [(Deaf, "the one that never reads", HELLO), (Endless, "the one that never ends", HELLO)]
        self.waiting += [(Peer, "a consumer", HELLO + parked * share)] * consumers
        self.waiting += [(Peer, "an idle one", HELLO)] * (connections - consumers)
        self.waiting.reverse()

    def left(self, peer):
        """A connection is no more: all but visitors come again."""
        if isinstance(peer, Visitor):
            self.visitors -= 1
        else:
            self.waiting.insert(0, (type(peer), peer.kind, peer.text))

    def open_some(self, due):
        """As many as come in a step; those who visit are not held up by those who stay."""
        for _ in range(min(len(self.waiting), int(1000 * STEP))):
            kind, name, text = self.waiting.pop()
            kind(self, name, text)
        for _ in range(due):
            self.visitors += 1
            Visitor(self, "a visitor", HELLO)

    def run(self, complete, leave):
        """Until it is told to leave."""
        begun = time.monotonic()
        visits = 0
        while not leave.is_set():
            due = int((time.monotonic() - begun) * self.visits) - visits
            visits += due
            self.open_some(min(due, 200, VISITORS - self.visitors))
            if not self.waiting:
                complete.set()
            end = time.monotonic() + STEP
            while (left := end - time.monotonic()) > 0:
                for key, mask in self.selector.select(left):
                    key.data.ready(mask)


def crowd(port, sizes, complete, leave, results):
    """The process of the crowd."""
    one = Crowd(port, **sizes)
    one.run(complete, leave)
    results.put(one.count)


# ---------------------------------------------------------------------------
# The one that behaves


class Good:
    """Puts, gets and acknowledges, one request at a time, and keeps the times that each took."""

    def __init__(self, pair):
        self.client = Client(pair.endpoints, "good")
        self.client.hello()
        self.client.request("QUEUE", "q", "good", "")
        self.stored, self.got = [], []
        self.number = self.client.last

    def round(self, times):
        before = time.monotonic()
        self.number += 1
        self.client.request("PUT", self.number, "good", "", b"%d" % self.number, wait=5)
        self.stored.append(self.number)
        times["PUT"].append(time.monotonic() - before)
        _, _, index, *bodies = self.client.request("GET", "g%d" % self.number, "good", 10, 5000, b"", wait=5)
        self.got += [int(body) for body in bodies]
        times["GET"].append(time.monotonic() - before - times["PUT"][-1])
        self.client.request("ACK", "a%d" % self.number, "good",
                            " ".join(line.split(" ")[0] for line in index.decode().split("\n")), wait=5)
        times["round"].append(time.monotonic() - before)

    def run(self, seconds):
        """Goes on for so long; returns the times."""
        times = {"PUT": [], "GET": [], "round": []}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.round(times)
        return times


def share(values, part):
    """The quantile."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def use(broker):
    """What a broker has in memory, has had at its most, and its descriptors."""
    pid = broker.process.pid
    with open("/proc/%d/status" % pid) as file:
        fields = dict(line.split(":", 1) for line in file)
    return {"rss": int(fields["VmRSS"].split()[0]) * 1024, "peak": int(fields["VmHWM"].split()[0]) * 1024,
            "files": len(os.listdir("/proc/%d/fd" % pid))}


# ---------------------------------------------------------------------------
# The run


def gathered(endpoint, sizes, complete):
    """What the broker says when all of the crowd is there, and its GETs wait, or at the end of our patience."""
    complete.wait(PATIENCE)
    end = time.monotonic() + PATIENCE
    while True:
        seen = status(endpoint, 30)
        if (seen["parked"] >= sizes["gets"] and seen["sessions"] >= sizes["connections"]) or time.monotonic() > end:
            return seen
        time.sleep(0.2)


def rested(pair, before, longest):
    """Waits until the brokers have given their memory back, but not longer than they may take."""
    end = time.monotonic() + longest
    while time.monotonic() < end and any(use(broker)["rss"] > one["rss"] + SPARE
                                         for broker, one in zip(pair.brokers, before)):
        time.sleep(0.5)


def run(pair, sizes, alone, beside, after, pause):
    """Times of the good client in the three parts, what the brokers used, and what happened to the crowd."""
    active = in_step(pair)
    good = Good(pair)
    good.client.request("QUEUE", "q", "crowd", "")
    good.client.request("QUEUE", "q", "spoils", "lease=1000")
    for _ in range(40):
        good.client.request("PUT", good.number + 1, "spoils", b"p=" + b"x" * 60000, *[b""] * 1000)
        good.number += 1
    good.run(2)
    before = [use(broker) for broker in pair.brokers]
    epoch = status(pair.endpoints[active], 30)["epoch"]
    times = {"without": good.run(alone)}
    context = multiprocessing.get_context("fork")
    complete, leave, results = context.Event(), context.Event(), context.Queue()
    process = context.Process(target=crowd, args=(pair.ports[active], sizes, complete, leave, results), daemon=True)
    process.start()
    times["with"] = good.run(beside)
    during = gathered(pair.endpoints[active], sizes, complete)
    leave.set()
    count = results.get(timeout=60)
    process.join()
    most = [use(broker) for broker in pair.brokers]
    rested(pair, before, pause)
    rest = [use(broker) for broker in pair.brokers]
    times["after"] = good.run(after)
    states = [status(endpoint, 30) for endpoint in pair.endpoints]
    good.got += [int(body) for body in good.client.drain("good")]
    good.client.close()
    return {"times": times, "before": before, "most": most, "rest": rest, "count": count, "complete": complete.is_set(),
            "sessions": during["sessions"], "parked": during["parked"], "dropped": during["dropped"],
            "takeovers": states[active]["epoch"] - epoch + (states[active]["role"] != "active"),
            "missing": set(good.stored) - set(good.got), "hellos": good.client.hellos}


def verdicts(result, memory=1536 * MIB):
    """Each criterion, what was seen, and whether it holds."""
    without, beside = (share(result["times"][part]["PUT"], 0.99) for part in ("without", "with"))
    rows = [("PUT p99 at most 5 times without the crowd", "%.1f times" % (beside / without), beside <= 5 * without)]
    peak = max(broker["peak"] for broker in result["most"])
    rows.append(("memory below %d MiB" % (memory / MIB), "%d MiB" % (peak / MIB), peak < memory))
    over = max(rest["files"] - before["files"] for rest, before in zip(result["rest"], result["before"]))
    rows.append(("descriptors back", "%+d" % over, over <= 20))
    for rest, before, most in zip(result["rest"], result["before"], result["most"]):
        above, rose = rest["rss"] - before["rss"], most["peak"] - before["rss"]
        rows.append(("memory back", "%+d MiB of %+d" % (above / MIB, rose / MIB), above < SPARE))
    rows.append(("no takeover", "%d" % result["takeovers"], result["takeovers"] == 0))
    rows.append(("every OK is there", "%d missing" % len(result["missing"]), not result["missing"]))
    return rows


def report(result):
    print("%-8s %8s %10s %10s %10s %12s %12s" % ("crowd", "rounds", "PUT p50", "PUT p99", "longest", "GET p99", "round, longest"))
    for part, times in result["times"].items():
        print("%-8s %8d %7.2f ms %7.2f ms %7.0f ms %9.2f ms %9.0f ms" % (
            part, len(times["PUT"]), share(times["PUT"], 0.5) * 1e3, share(times["PUT"], 0.99) * 1e3,
            max(times["PUT"]) * 1e3, share(times["GET"], 0.99) * 1e3, max(times["round"]) * 1e3))
    for role, before, most, rest in zip(("primary", "backup"), result["before"], result["most"], result["rest"]):
        print("%s: memory %d MiB, %d at most, %d at the end; descriptors %d, %d, %d" % (
            role, before["rss"] / MIB, most["peak"] / MIB, rest["rss"] / MIB, before["files"], most["files"],
            rest["files"]))
    print("the crowd was %s: %d sessions, %d GETs that waited; %s; %s" % (
        "complete" if result["complete"] else "not complete", result["sessions"], result["parked"], result["count"],
        result["dropped"]))
    failed = 0
    for what, seen, holds in verdicts(result):
        failed += not holds
        print("%-4s %s: %s" % ("ok" if holds else "NOT", what, seen))
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long the crowd stays")
    parser.add_argument("--alone", type=float, default=60, help="seconds of the good client before it comes")
    parser.add_argument("--scale", type=float, default=1, help="share of the whole crowd")
    parser.add_argument("--connections", type=int, default=15000)
    parser.add_argument("--consumers", type=int, default=5000)
    parser.add_argument("--gets", type=int, default=100000, help="GETs that wait, of all consumers together")
    parser.add_argument("--hellos", type=int, default=50000, help="clients a minute that say HELLO and go")
    options = parser.parse_args()
    most = files(40000)
    sizes = {name: int(getattr(options, name) * options.scale)
             for name in ("connections", "consumers", "gets", "hellos")}
    print("%s; descriptors: %d" % (", ".join("%d %s" % (value, name) for name, value in sizes.items()), most))
    pair = Pair().start()
    failed = 1
    try:
        failed = report(run(pair, sizes, options.alone, options.minutes * 60, 30, 60))
    finally:
        pair.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
