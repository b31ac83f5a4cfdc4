#!/usr/bin/env python3
"""Breaks a real pair in random ways under load, and judges what its clients saw.

    torture.py [--seed N] [--minutes M | --rounds N] [--row NAME]... [--store KIND] [--json FILE] [--keep] [--list]

Needs root (it makes network namespaces of its own, and leaves nothing).  Prints a line for each fault, and a table at
the end.  The exit code is 0 if nothing was lost, doubled, resurrected, out of order or stuck, 1 if something was, and
77 if it can't run here.
"""
import argparse
import json
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import network  # noqa: E402
from books import FAULTS as FINDINGS, told  # noqa: E402
from operators import FAULTS  # noqa: E402
from rig import Rig, Stuck, Waits  # noqa: E402

LEVELS = ("both", "solo", "shared")
LOST = 7                    #  exit code of a broker with a shared store: its lock was lost, or could not be confirmed
ROUNDS = 25                 #  rounds of one pair; then a new one with other settings


class Row:
    """The sum of all rounds of one fault."""

    def __init__(self):
        self.rounds = 0
        self.counts = Counter()
        self.gaps = []


def needs(function):
    return json.dumps(function.needs, sort_keys=True)


def text(function):
    return function.__doc__.split("\n")[0]


def line(name, number, seconds, counts, gap, wrong):
    found = ["%s %d" % (fault, counts[fault]) for fault in FINDINGS if counts[fault]]
    other = ["%s %d" % item for item in sorted(counts.items()) if told(item[0])]
    return "%4d %-22s %5.1f s  both %5d  solo %5d  shared %5d  recovered %3d  again %4d  beside %4d  gap %5.2f s  %s" % (
        number, name, seconds, *(counts["acknowledged " + level] for level in LEVELS), counts["recovered"],
        counts["redelivered"], counts["beside"], gap, "; ".join(found + other + wrong) or "ok")


class Torture:
    def __init__(self, arguments):
        self.arguments = arguments
        self.dice = random.Random(arguments.seed)
        self.rows = defaultdict(Row)
        self.bad = []
        self.number = 0
        self.rig = None
        self.network = network.Network(5)
        self.shared = arguments.store == "shared"
        #  The others break a disk of which each broker has its own.
        self.known = [name for name, function in FAULTS.items() if not self.shared or function.on_shared]
        self.current = ""
        self.end = time.monotonic() + arguments.minutes * 60

    def more(self):
        if self.arguments.rounds:
            return self.number < self.arguments.rounds
        return time.monotonic() < self.end

    def choose(self):
        """A fault, and for how many rounds its pair is kept."""
        names = self.arguments.row or [name for name in self.known if FAULTS[name].in_torture]
        return FAULTS[self.dice.choice(names)]

    def run(self):
        print("seed %d" % self.arguments.seed, flush=True)
        while self.more() and len(self.bad) < 20:
            #  Faults with the same needs share a pair.
            first = self.choose()
            group = [FAULTS[name] for name in self.arguments.row or self.known
                     if needs(FAULTS[name]) == needs(first) and (self.arguments.row or FAULTS[name].in_torture)]
            self.pair(first, group)
        self.table()
        return 1 if self.bad else 0

    def pair(self, first, group):
        good, before = False, len(self.bad)
        try:
            self.rig = Rig(self.network, **first.needs, shared=self.shared)
            for round_ in range(ROUNDS if len(group) > 5 else 5):
                if not self.more():
                    break
                self.round(self.dice.choice(group) if round_ else first)
            pairs = [self.rig, *([self.rig.neighbour] if self.rig.neighbour else [])]
            answers = "; ".join(filter(None, [pair.judge_answers() for pair in pairs]))
            if answers:
                self.report(first.__name__, ["answers: %s" % answers])
            equal, sums = self.rig.same_stores()
            if not equal:
                self.report(first.__name__, ["the stores differ: %s" % sums])
            good = equal and not answers
        except Waits as waits:
            #  The round is not judged; the next one has a new pair.
            good = True
            print("%4d %-22s waits for an operator: %s" % (self.number, self.current, waits), flush=True)
        except Stuck as stuck:
            self.report(self.current, ["stuck: %s" % stuck])
        finally:
            if self.rig:
                keep = self.arguments.keep or not good or len(self.bad) > before
                if keep:
                    print("     kept: %s" % self.rig.folder, flush=True)
                self.rig.close(keep)
            self.rig = None

    def round(self, function):
        self.current = function.__name__
        self.number += 1
        rig, row = self.rig, self.rows[function.__name__]
        began = time.monotonic()
        rig.notes = []
        for node in rig.nodes:
            node.apart = False
        rig.expected = function.exits | ({LOST} if self.shared and function.exits else set())
        rig.go()
        time.sleep(self.dice.uniform(0.2, 1))
        function(rig, self.dice)
        rig.rest()
        wrong = rig.judge()
        ledger = rig.ledger
        if ledger.merged:
            ledger.main.counts["split"] += 1
            #  What a broker that was killed had sent, and not synced, is replayed as well (README).
            if not function.may_split and any(node.apart for node in rig.nodes):
                wrong.append("both brokers answered without each other")
        gap = max(ledger.gaps.values(), default=0)
        counts = ledger.counts
        row.rounds += 1
        row.counts.update(counts)
        row.gaps.append(gap)
        print(line(function.__name__, self.number, time.monotonic() - began, counts, gap, wrong), flush=True)
        found = wrong + ["%s: %s" % (fault, "; ".join(map(str, what[:3]))) for fault, what in ledger.findings.items() if what]
        if found:
            self.report(function.__name__, found)
        ledger.new_round()

    def report(self, name, found):
        self.bad.append((name, found))
        for what in found + self.rig.notes if self.rig else found:
            print("     %s: %s" % (name, what), flush=True)

    def table(self):
        print()
        print("| fault | rounds | splits | OK both | OK solo | OK shared | recovered | again | lost | resurrected | out of order | doubled | "
              "other | longest gap, median and worst |")
        print("|---|" + "---:|" * 13)
        total = Row()
        for name in sorted(self.rows, key=list(FAULTS).index):
            self.print_row(name, self.rows[name])
            total.rounds += self.rows[name].rounds
            total.counts.update(self.rows[name].counts)
            total.gaps += self.rows[name].gaps
        self.print_row("all", total)
        print()
        print("%d rounds, %d messages, %d findings" % (
            total.rounds, sum(total.counts["acknowledged " + level] for level in LEVELS), len(self.bad)))
        for name, found in self.bad:
            print("  %s: %s" % (name, "; ".join(found)[:2000]))
        if self.arguments.json:
            with open(self.arguments.json, "w") as file:
                json.dump({"rows": {name: {"rounds": row.rounds, "counts": row.counts, "gaps": row.gaps}
                                    for name, row in self.rows.items()}, "bad": self.bad}, file)

    @staticmethod
    def print_row(name, row):
        counts = row.counts
        gaps = sorted(row.gaps) or [0]
        print("| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %.2f s, %.2f s |" % (
            name, row.rounds, counts["split"], *(counts["acknowledged " + level] for level in LEVELS), counts["recovered"],
            counts["redelivered"], counts["lost"] + counts["unmade"], counts["resurrected"], counts["disordered"],
            counts["duplicated"] + counts["remade"],
            counts["unexpected"] + counts["unlevelled"] + counts["overtaken"] + counts["early"], gaps[len(gaps) // 2], gaps[-1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1000000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--row", action="append", choices=list(FAULTS))
    parser.add_argument("--store", choices=("replicated", "shared"), default="replicated", help="what the pair stores in")
    parser.add_argument("--json")
    parser.add_argument("--keep", action="store_true", help="keep the folder with stores, logs and histories")
    parser.add_argument("--list", action="store_true", help="print the faults")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.list:
        for name, function in FAULTS.items():
            print("%-22s %s" % (name, text(function)))
        return 0
    if not arguments.inside:
        why = network.missing()
        if why:
            print("torture: %s" % why, file=sys.stderr)
            return 77
        command = network.isolated(os.path.abspath(__file__), *sys.argv[1:], "--inside", "--seed", str(arguments.seed))
        os.execvp(command[0], command)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return Torture(arguments).run()


if __name__ == "__main__":
    sys.exit(main())
