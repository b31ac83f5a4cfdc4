"""What a pair under full load loses by a backup, or by monitors and open pages, beside it; and a lone PUT by a DELETE.

    beside.py backup [--mib 1024] [--rounds 3]       `make bench-backup`
    beside.py scrape [--seconds 10] [--rounds 6]     `make bench-scrape`
    beside.py delete [--body 1024] [--rounds 3]      `make bench-delete`

A pair of ZBROKER_PROGRAM on loopback with its stores in $TMPDIR; `zbroker bench through` as its load, and two named producers that
tell how long a PUT waits and what was answered OK.  Without and with take turns, in one run.  test_beside.py runs it short, for what
has to be true however fast the machine is; the figures want a machine that has nothing else to do.
"""
import argparse
import contextlib
import http.client
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from brokers import PROGRAM, Pair, wait_for
from conftest import in_step
from load import QUEUES, Load, check_prefix
from patience import PATIENCE
from zb1 import Client, ask, status

MIB = 1 << 20
BODY = 1 << 16                  # bytes of a message that fills the store
NAMES = ["ann", "bob"]
PAUSE = 0.005                   # seconds between two PUTs of theirs: they are to tell, not to load
LONE_PAUSE = 0.002              # after each lone PUT
UNCHANGED = 1.25                # times: two longest gaps that differ by less are the same


class Disturbed(Exception):
    """Another broker has taken over, or the load has ended for it: a machine that is too busy, and no figures."""


class Through:
    """The load, until the end of the block: as much as the pair takes, or so many messages a second."""

    def __init__(self, pair, load):
        self.pair = pair
        self.active = in_step(pair)
        self.epoch = status(pair.endpoints[self.active], 30)["epoch"]
        #  Two consumers keep up: a queue that grows is more to copy in each round.
        self.process = subprocess.Popen([PROGRAM, "bench", "through", "--no-limits", "--json", "--seconds", "100000",
                                         "--consumers", "2", "--gets", "8", "--brokers",
                                         ",".join(pair.endpoints), *(["--rate", str(load)] if load else [])], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            wait_for(lambda: self.acked() > 1000, "the load")
        except BaseException:
            self.end()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        ended = self.process.poll()
        said = self.end()
        if ended is not None and kind is None:
            raise Disturbed("the load has ended: " + said)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()[1]

    def acked(self):
        now = status(self.pair.endpoints[self.active], 30)
        if self.process.poll() is not None or not now or now["role"] != "active" or now["epoch"] != self.epoch:
            raise Disturbed("another broker leads, or none")
        return now["acked"]

    @contextlib.contextmanager
    def window(self, producers):
        """What was done meanwhile: {"rate", "longest", "p99", "seconds"}, filled in at the end."""
        seen = {}
        begin, before, first = time.monotonic(), self.acked(), len(producers.waits)
        yield seen
        after, seconds = self.acked(), time.monotonic() - begin
        wait_for(lambda: len(producers.waits) > first, "a PUT that is answered")
        waits = sorted(producers.waits[first:])
        seen.update(rate=(after - before) / seconds, seconds=seconds, longest=waits[-1], p99=waits[int(0.99 * (len(waits) - 1))])


def table(rows):
    """rows: (title, window) in their order."""
    print("%-22s %10s %14s %10s %12s" % ("", "seconds", "messages/s", "PUT p99", "PUT longest"))
    for title, seen in rows:
        print("%-22s %10.1f %14.0f %7.2f ms %9.2f ms" % (title, seen["seconds"], seen["rate"], seen["p99"] * 1e3, seen["longest"] * 1e3))


def shares(without, beside):
    return [one["rate"] / max(other["rate"], 1) for one, other in zip(beside, without)]


def verdict(what, seen, holds):
    print("%-6s %s: %s" % ("ok" if holds else "MISSED", what, seen))
    return (what, seen, holds)


def settle(pair):
    """Behind whatever was before; a pair that fell out of step under its load is in step again."""
    in_step(pair, 4 * PATIENCE)


# ---------------------------------------------------------------------------
# A backup


def fill(pair, mib):
    """So much in a queue that nobody reads; returns its messages."""
    client = Client(pair.endpoints, "filler")
    client.request("QUEUE", "q", "filled", "")
    count = mib * MIB // BODY
    for number in range(0, count, 16):
        client.request("PUT", number // 16 + 1, "filled", "", *[os.urandom(BODY) for _ in range(min(16, count - number))])
    client.close()
    return count


def back_up(pair, folder, rate):
    end = time.monotonic() + PATIENCE
    while True:
        done = subprocess.run([PROGRAM, "backup", folder, "--brokers", ",".join(pair.endpoints), "--rate", str(rate), "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode == 0:
            return json.loads(done.stdout)
        #  A pair that is out of step for a moment; its figures say nothing then.
        passes = done.returncode == 6 or "changed meanwhile" in done.stderr or "not in sync" in done.stderr
        assert passes and time.monotonic() < end, done.stderr
        print("once more: " + done.stderr.strip())


def restored(folder, filled):
    """Serves the backup as a broker of its own; returns up to which number each named producer's messages are in it."""
    pair = Pair()
    client = None
    try:
        for arguments in (["verify", folder], ["restore", folder, pair.folder + "/primary"]):
            subprocess.run([PROGRAM, *arguments], check=True, stdout=subprocess.DEVNULL)
        pair.brokers[0].start()
        wait_for(lambda: (ask(pair.endpoints[0], "HELLO", "1") or [b""] * 2)[1] == b"OK", "the restored store serves")
        client = Client(pair.endpoints[:1])
        lines = client.request("LIST", 1, "filled")[1].decode().split("\n")
        assert "messages=%d" % filled in lines, lines
        return check_prefix({queue: client.drain(queue) for queue in QUEUES}, NAMES)
    finally:
        if client:
            client.close()
        pair.close()


def backup(mib, rounds, rate, seconds, load=None):
    """Returns the verdicts; what is not there, or not a prefix, ends it with an assertion."""
    pair = Pair().start()
    folder = tempfile.mkdtemp(prefix="zbroker-test-")
    try:
        in_step(pair)
        filled = fill(pair, mib)
        print("%d MiB in the store; at most %d MiB/s are copied" % (mib, rate // MIB))
        producers = Load(pair.endpoints, NAMES, PAUSE)
        without, beside = [], []
        with producers.ended_after(), Through(pair, load) as through:
            for number in range(rounds):
                if number:
                    shutil.rmtree(folder + "/backup")
                settle(pair)
                with through.window(producers) as seen:
                    time.sleep(seconds)
                without.append(seen)
                settle(pair)
                with through.window(producers) as seen:
                    made = back_up(pair, folder + "/backup", rate)
                beside.append(seen)
                #  As long as that one took, so that the longest of either is the longest of as much.
                seconds = seen["seconds"]
        end = producers.end()
        table([row for number in range(rounds) for row in (("without", without[number]), ("beside a backup", beside[number]))])
        print("the last one is %d MiB, of commit %d, made by %s" % (made["bytes"] // MIB, made["commit"], made["broker"]))
        ends = restored(folder + "/backup", filled)
        assert 0 < ends[0] <= end
        verdict("of each producer the restored store has a prefix, all up to one commit", ends, True)
    finally:
        shutil.rmtree(folder)
        pair.close()
    kept = statistics.median(shares(without, beside))
    longest = [max(seen["longest"] for seen in all_of) for all_of in (without, beside)]
    return [verdict("the rate beside a backup, at least 0.95 of without", "%.3f" % kept, kept >= 0.95),
            verdict("the longest wait of a PUT is unchanged (%.2f times at most)" % UNCHANGED,
                    "%.1f ms, %.1f ms without" % (longest[1] * 1e3, longest[0] * 1e3), longest[1] <= UNCHANGED * longest[0])]


# ---------------------------------------------------------------------------
# Monitors and pages


class Visitor(threading.Thread):
    """Asks one broker over HTTP, by one connection, each path when its time has come, until the end."""

    def __init__(self, endpoint, paths):
        """paths: (path, seconds between two)."""
        super().__init__(daemon=True)
        self.port = int(endpoint.rsplit(":", 1)[1]) + 3
        self.paths = paths
        self.answers, self.wrong = 0, []
        self.ends = threading.Event()
        self.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        due = [time.monotonic()] * len(self.paths)
        while not self.ends.wait(max(0, min(due) - time.monotonic())):
            index = due.index(min(due))
            path, every = self.paths[index]
            due[index] += every
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200 or not text:
                    self.wrong.append((path, answer.status, text))
                self.answers += 1
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append((path, error, b""))
                connection.close()
        connection.close()

    def end(self):
        self.ends.set()
        self.join(PATIENCE)


def visitors(pair, active, pages):
    """A scrape a second of each broker, and so many open pages of the active one: they ask as page.js does."""
    page = [("/", 1e9), ("/page.css", 1e9), ("/page.js", 1e9), ("/api/v1/pair", 1), ("/api/v1/queues?max=50&pattern=&after=", 2)]
    return ([Visitor(endpoint, [("/metrics", 1)]) for endpoint in pair.endpoints] +
            [Visitor(pair.endpoints[active], page) for _ in range(pages)])


def scrape(seconds, rounds, pages, load=None):
    """As backup."""
    pair = Pair().start()
    try:
        in_step(pair)
        producers = Load(pair.endpoints, NAMES, PAUSE)
        without, beside, answers, wrong = [], [], 0, []
        with producers.ended_after(), Through(pair, load) as through:
            for _ in range(rounds):
                settle(pair)
                with through.window(producers) as seen:
                    time.sleep(seconds)
                without.append(seen)
                settle(pair)
                crowd = visitors(pair, through.active, pages)
                try:
                    with through.window(producers) as seen:
                        time.sleep(seconds)
                finally:
                    for one in crowd:
                        one.end()
                        answers += one.answers
                        wrong += one.wrong
                beside.append(seen)
        end = producers.end()
        client = Client(pair.endpoints)
        ends = check_prefix({queue: client.drain(queue) for queue in QUEUES}, NAMES)
        client.close()
        assert ends == [end, end], (ends, end)
        assert not wrong, wrong[:5]
    finally:
        pair.close()
    table([row for number in range(rounds) for row in (("without", without[number]), ("beside monitors", beside[number]))])
    verdict("every request was answered, and every OK is there", "%d answers, %d PUTs" % (answers, sum(ends)), answers > 0)
    kept = statistics.median(shares(without, beside))
    return [verdict("the rate beside a scrape a second and %d open pages, at least 0.97 of without" % pages, "%.3f" % kept, kept >= 0.97)]


# ---------------------------------------------------------------------------
# A DELETE


def lone(client, number, seconds):
    """PUTs one at a time, with a pause between; returns what the last one's number is, and how long each took."""
    waits, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        number += 1
        begin = time.monotonic()
        client.request("PUT", number, "lone", "", b"x" * 100)
        waits.append(time.monotonic() - begin)
        time.sleep(LONE_PAUSE)
    return number, sorted(waits)


def delete(body, messages, rounds, seconds):
    """As backup: a queue of so many messages, 100 in a PUT, is deleted while a lone client puts into another one."""
    pair = Pair().start()
    rows, ratios = [], []
    try:
        settle(pair)
        filler, client = Client(pair.endpoints, "filler"), Client(pair.endpoints, "lone")
        client.request("QUEUE", "q", "lone", "")
        number = 0
        for _ in range(rounds):
            filler.request("QUEUE", "q", "large", "")
            bodies = [os.urandom(body) for _ in range(100)]
            for _ in range(messages // 100):
                filler.last += 1
                filler.request("PUT", filler.last, "large", "", *bodies)
            settle(pair)
            number, without = lone(client, number, seconds)
            filler.request("DELETE", "d", "large")
            number, beside = lone(client, number, seconds)
            for title, waits in (("without", without), ("beside a DELETE", beside)):
                rows.append((title, len(waits), *(waits[int(share * (len(waits) - 1))] * 1e3 for share in (0.5, 0.9, 0.99, 1))))
            ratios.append(rows[-1][4] / rows[-2][4])
        filler.close()
        count = client.request("LIST", "l", "lone")[1].decode().split("\n")
        client.close()
        assert "messages=%d" % number in count, (number, count)
    finally:
        pair.close()
    print("%-22s %8s %9s %9s %9s %9s  (ms until OK)" % ("", "PUTs", "p50", "p90", "p99", "longest"))
    for row in rows:
        print("%-22s %8d %9.2f %9.2f %9.2f %9.2f" % row)
    times = statistics.median(ratios)
    return [verdict("p99 of a lone PUT beside DELETE of %d messages of %d bytes, at most 2 times without" % (messages, body), "%.2f" % times, times <= 2)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["backup", "scrape", "delete"])
    parser.add_argument("--mib", type=int, default=1024, help="backup: what the store holds")
    parser.add_argument("--rate", type=int, default=32 * MIB, help="backup: bytes a second that are copied at most")
    parser.add_argument("--rounds", type=int, help="so many times without and with, by turns (default: 3; scrape: 6)")
    parser.add_argument("--body", type=int, default=1024, help="delete: bytes of a message that is deleted")
    parser.add_argument("--messages", type=int, default=400000, help="delete: how many are deleted")
    parser.add_argument("--seconds", type=float, help="of each part (default: 10; backup: of the first one alone, 40)")
    parser.add_argument("--pages", type=int, default=10, help="scrape: open pages")
    options = parser.parse_args()
    try:
        if options.what == "backup":
            rows = backup(options.mib, options.rounds or 3, options.rate, options.seconds or 40)
        elif options.what == "delete":
            rows = delete(options.body, options.messages, options.rounds or 3, options.seconds or 10)
        else:
            rows = scrape(options.seconds or 10, options.rounds or 6, options.pages)
    except Disturbed as why:
        print("no figures: %s" % why, file=sys.stderr)
        return 1
    return 0 if all(holds for _, _, holds in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
