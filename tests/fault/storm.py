#!/usr/bin/env python3
"""Strangers that make handshakes as fast as they can, hold thousands of them half done, and send what never ends, to a pair with keys.

    python3 tests/fault/storm.py --seconds 60

Two processes make handshakes that fail, most of which cost them little and the broker much; the others have a key that nobody
knows.  A third one holds connections open whose handshake does not go on, and sends endless frames slowly, in the handshake
and, with a principal's key, behind it.  All of them are on the broker's own machine, where no address has a limit of its own.
One client puts, gets and acknowledges: beside two processes that burn CPU, beside the strangers, and beside the burners again.
ZBROKER_PROGRAM is the broker; it ends with 1 if a criterion does not hold.
"""
import argparse
import collections
import multiprocessing
import os
import selectors
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import zmq.auth                                                                  # noqa: E402

from conftest import in_step                                                     # noqa: E402
from crowd import MIB, SPARE, Good, files, share, use                            # noqa: E402
from curve import GREETING, WELCOME, Curve, Reader                               # noqa: E402
from keyed import ROLES, KeyedPair                                               # noqa: E402
from patience import PATIENCE                                                    # noqa: E402
from zb1 import status                                                           # noqa: E402
from zmtp import connect, frame                                                  # noqa: E402

STRANGERS = 2
DRAWN = 8               # one of so many handshakes has a key of its own, the others are cheap
STEP = 0.1              # seconds between two things that a slow one says
SLOW = 50               # slow ones of each kind
FILES = 20              # descriptors that a broker may keep
REST = 60               # seconds until memory and descriptors are back


def burn(leave, results):
    """What the strangers are compared with."""
    while not leave.is_set():
        for _ in range(100000):
            pass


def strange(leave, results, port, server):
    """Makes handshakes that fail, one after the other."""
    #  This HELLO is a good one, made once: the broker opens it, draws a key and closes two boxes.
    hello = GREETING + Curve(server).hello()
    nonsense = frame(b"\x08INITIATE" + bytes(300), command=True)
    count = collections.Counter()

    def fail(sock):
        if count["handshakes"] % DRAWN == 1:
            count["let in"] += Curve(server).shake(sock)
            return
        sock.sendall(hello)
        Reader(sock).take(len(GREETING) + WELCOME)
        sock.sendall(nonsense)
        while sock.recv(4096):
            pass
    while not leave.is_set():
        count["handshakes"] += 1
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
                fail(sock)
        except OSError:
            pass        # so they end
    results.put(count)


class Half:
    """One whose handshake does not go on; closed, it comes again."""
    said = (b"", GREETING[:10], GREETING)

    def __init__(self, crowd):
        self.crowd = crowd
        self.sock = connect(crowd.port)
        self.out = self.said[crowd.count["half open"] % len(self.said)]
        crowd.count["half open"] += 1
        crowd.selector.register(self.sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if self.out else 0), self)

    def ready(self, mask):
        try:
            if mask & selectors.EVENT_WRITE:
                self.out = self.out[self.sock.send(self.out):]
                self.crowd.selector.modify(self.sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if self.out else 0), self)
            if mask & selectors.EVENT_READ and not self.sock.recv(65536):
                raise ConnectionResetError
        except BlockingIOError:
            pass
        except OSError:
            self.crowd.selector.unregister(self.sock)
            self.sock.close()
            self.crowd.missing += 1


class Slow:
    """One that says a little now and then of what never ends: a command of the handshake, or, with a key, a message."""

    def __init__(self, crowd, keys):
        self.curve = Curve(crowd.server, keys)
        self.keys = keys
        self.sock = socket.create_connection(("127.0.0.1", crowd.port), PATIENCE)
        self.sock.settimeout(PATIENCE)
        if keys:
            assert self.curve.shake(self.sock), "the principal is not let in"
        else:
            self.sock.sendall(GREETING + b"\x06" + (1 << 20).to_bytes(8, "big"))
        self.sock.setblocking(False)
        crowd.count["slow"] += 1

    def more(self):
        """Whether it is still there."""
        try:
            self.sock.send(self.curve.seal(b"x" * 200, more=True) if self.keys else b"x")
        except BlockingIOError:
            pass
        except OSError:
            self.sock.close()
            return False
        return True


class Crowd:
    """Those that are half open, and those that are slow."""

    def __init__(self, port, server, keys, half_open):
        self.port, self.server, self.keys = port, server, keys
        self.selector = selectors.DefaultSelector()
        self.half_open = self.missing = half_open
        self.count = collections.Counter()
        self.slow = {None: [], keys: []}

    def step(self):
        for _ in range(min(self.missing, 500)):
            self.missing -= 1
            Half(self)
        self.count["at once"] = max(self.count["at once"], self.half_open - self.missing)
        for keys, slow in self.slow.items():
            slow[:] = [one for one in slow if one.more()]
            if len(slow) < SLOW:
                try:
                    slow.append(Slow(self, keys))
                except OSError:
                    pass        # no place yet
        end = time.monotonic() + STEP
        while (left := end - time.monotonic()) > 0:
            for key, mask in self.selector.select(left):
                key.data.ready(mask)


def crowd(leave, results, *arguments):
    one = Crowd(*arguments)
    while not leave.is_set():
        one.step()
    results.put(one.count)


class Processes:
    """Some at once, until they are told to leave; then `end` returns what they have counted."""

    def __init__(self):
        context = multiprocessing.get_context("fork")
        self.process, self.leave, self.results, self.started = context.Process, context.Event(), context.Queue(), []

    def start(self, function, *arguments):
        self.started.append(self.process(target=function, args=(self.leave, self.results, *arguments), daemon=True))
        self.started[-1].start()

    def end(self, counting=0):
        self.leave.set()
        count = sum((self.results.get(timeout=PATIENCE) for _ in range(counting)), collections.Counter())
        for process in self.started:
            process.join()
        return count


def burners(good, seconds):
    processes = Processes()
    for _ in range(STRANGERS):
        processes.start(burn)
    times = good.run(seconds)
    processes.end()
    return times


def rested(pair, before):
    """What the brokers have when they have given back what they took, or after the time that they have for it."""
    end = time.monotonic() + REST
    while True:
        rest = [use(broker) for broker in pair.brokers]
        if time.monotonic() > end or all(now["rss"] <= was["rss"] + SPARE and now["files"] <= was["files"] + FILES
                                         for now, was in zip(rest, before)):
            return rest
        time.sleep(0.2)


def run(pair, half_open, alone, beside):
    """Times of the good client in the three parts, what the brokers used, and what the strangers have counted."""
    active = in_step(pair)
    port, server = pair.ports[active], pair.public[ROLES[active]]
    slow = zmq.auth.load_certificate(pair.new("slow", "put=slow"))
    good = Good(pair)
    good.run(1)
    before, first, hellos = [use(broker) for broker in pair.brokers], status(pair.endpoints[active]), good.client.hellos
    times = {"burners": burners(good, alone)}
    processes = Processes()
    processes.start(crowd, port, server, slow, half_open)
    for _ in range(STRANGERS):
        processes.start(strange, port, server)
    times["strangers"] = good.run(beside)
    count = processes.end(STRANGERS + 1)
    most = [use(broker) for broker in pair.brokers]
    rest = rested(pair, before)
    times["burners again"] = burners(good, alone)
    last = status(pair.endpoints[active])
    good.got += [int(body) for body in good.client.drain("good")]
    hellos = good.client.hellos - hellos
    good.client.close()
    return {"times": times, "before": before, "most": most, "rest": rest, "count": count, "hellos": hellos,
            "errors": good.client.errors, "missing": set(good.stored) - set(good.got), "dropped": last["dropped"],
            "takeovers": last["epoch"] - first["epoch"]}


def rate(times):
    """Rounds a second."""
    return len(times["round"]) / sum(times["round"])


def verdicts(result):
    """Each criterion, what was seen, and whether it holds."""
    times, count = result["times"], result["count"]
    ratio = 2 * rate(times["strangers"]) / (rate(times["burners"]) + rate(times["burners again"]))
    rows = [("half of the rate beside two burners", "%.2f" % ratio, ratio >= 0.5),
            ("no error at the client", "%d HELLOs, %s" % (result["hellos"], result["errors"]),
             not result["hellos"] and not result["errors"]),
            ("no stranger is let in", "%d, %d keys of nobody" % (count["let in"], result["dropped"]["unknown_keys"]),
             not count["let in"] and result["dropped"]["unknown_keys"] > 0),
            ("no takeover", "%d" % result["takeovers"], result["takeovers"] == 0),
            ("every OK is there", "%d missing" % len(result["missing"]), not result["missing"])]
    for rest, before, most in zip(result["rest"], result["before"], result["most"]):
        above, rose = rest["rss"] - before["rss"], most["peak"] - before["rss"]
        rows.append(("memory back", "%+d MiB of %+d" % (above / MIB, rose / MIB), above < SPARE))
        rows.append(("descriptors back", "%+d of %+d" % (rest["files"] - before["files"], most["files"] - before["files"]),
                     rest["files"] - before["files"] <= FILES))
    return rows


def report(result):
    print("%-14s %8s %10s %10s %10s %10s" % ("beside", "rounds/s", "PUT p50", "PUT p99", "round p99", "longest"))
    for part, times in result["times"].items():
        print("%-14s %8.0f %7.2f ms %7.2f ms %7.2f ms %7.0f ms" % (
            part, rate(times), share(times["PUT"], 0.5) * 1e3, share(times["PUT"], 0.99) * 1e3,
            share(times["round"], 0.99) * 1e3, max(times["round"]) * 1e3))
    print("%s; %s" % (dict(result["count"]), result["dropped"]))
    failed = 0
    for what, seen, holds in verdicts(result):
        failed += not holds
        print("%-4s %s: %s" % ("ok" if holds else "NOT", what, seen))
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long the strangers stay")
    parser.add_argument("--alone", type=float, default=10, help="seconds of each part beside the burners")
    parser.add_argument("--half-open", type=int, default=5000)
    options = parser.parse_args()
    files(40000)
    pair = KeyedPair()
    failed = 1
    try:
        pair.start()
        failed = report(run(pair, options.half_open, options.alone, options.seconds))
    finally:
        pair.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
