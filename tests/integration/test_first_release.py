"""A large store of the first release after a split that is not merged yet: is it opened and merged, with nothing lost or
back?  And is a store of this version left alone by the first release?

By hand, with a program of the first release (commit 22dc9e9):

    ZBROKER_FIRST=/where/it/is/zbroker make check TESTS=tests/integration/test_first_release.py

ZBROKER_FIRST_MESSAGES is the size, 100000.
"""
import os

import pytest

from brokers import PROGRAM, Pair, wait_for
from conftest import in_step
from links import CutPair
from patience import PATIENCE
from test_split import Ledger
from test_upgrade import contents, levels, upgrade
from zb1 import Client, status

FIRST = os.environ.get("ZBROKER_FIRST", "")
MESSAGES = int(os.environ.get("ZBROKER_FIRST_MESSAGES", "100000"))
SLICE = 100         #  bodies of a PUT
PRODUCERS = ("a", "b", "c")

pytestmark = pytest.mark.skipif(not FIRST, reason="ZBROKER_FIRST names no program of the first release")


class Producer:
    """A named one, with what it was told OK: slices of SLICE bodies, then some of one."""

    def __init__(self, name, ledger):
        self.name, self.ledger = name, ledger
        self.puts = self.bodies = 0

    def put(self, endpoints, count, size=SLICE):
        """So many PUTs; returns the levels of their OKs."""
        one = Client(endpoints, self.name)
        assert one.hello() == self.puts
        said = set()
        for _ in range(count):
            bodies = [b"%s %d" % (self.name.encode(), self.bodies + number) for number in range(size)]
            said.add(one.request("PUT", self.puts + 1, "q", "", *bodies)[0])
            self.puts += 1
            self.bodies += size
            self.ledger.told.update((body, "q") for body in bodies)
        one.close()
        return said


def take(endpoints, count, ledger, every=2):
    """Gets `count` messages or some more, and acknowledges each second one of them, or all."""
    one = Client(endpoints, "taker")
    taken, rest = 0, []
    while taken < count:
        _, _, index, *bodies = one.request("GET", "g%d" % taken, "q", 1000, 1000, "", wait=2)
        if not bodies:
            break           #  the rest is on lease: of a reply that was late, and asked for again
        ids = [line.split(" ")[0] for line in index.decode().split("\n")]
        one.request("ACK", "a%d" % taken, "q", " ".join(ids[::every]))
        ledger.acked.update(bodies[::every])
        taken += len(bodies)
        rest.append(" ".join(ids[1::every]) if every > 1 else "")
    #  The rest is put back, or it would wait for the end of its lease.
    for number, ids in enumerate(rest):
        if ids:
            one.request("NACK", "n%d" % number, "q", ids)
    one.close()


def make_queue(endpoints):
    one = Client(endpoints)
    one.request("QUEUE", 1, "q", "")
    one.close()


def programs(pair, program):
    for broker in pair.brokers:
        broker.executable = program


@pytest.fixture
def first_pair():
    """A pair of the first release whose links can be cut."""
    pair = CutPair()
    programs(pair, FIRST)
    pair.start()
    in_step(pair)
    yield pair
    pair.close()


def test_a_split_store_is_opened_and_merged(first_pair):
    pair, ledger = first_pair, Ledger()
    make_queue(pair.endpoints)
    producers = [Producer(name, ledger) for name in PRODUCERS]
    for producer in producers:
        producer.put(pair.endpoints, -(-MESSAGES // SLICE // len(PRODUCERS)))
    take(pair.endpoints, len(ledger.told), ledger)
    assert len(ledger.told) * 2 // 5 < len(ledger.acked) < len(ledger.told) * 3 // 5

    #  A machine that is slow may have gone alone meanwhile; all of it is on both now.
    active = in_step(pair)
    pair.cut()
    here, there = [pair.endpoints[active]], [pair.endpoints[1 - active]]
    #  Two go on at the one side, one at the other: each of these answers alone, and takes and acknowledges what both have.
    for producer, side in zip(producers, (here, here, there)):
        assert producer.put(side, 3, size=1) == {b"solo"}
        assert producer.put(side, 20) == {b"solo"}
    for side in (here, there):
        take(side, MESSAGES // 20, ledger, every=1)
    for broker in pair.brokers:
        assert broker.stop() == 0

    programs(pair, PROGRAM)
    pair.heal()
    pair.start()
    in_step(pair, 4 * PATIENCE)
    assert levels(pair) == [1, 1]
    assert all(not status(endpoint)["replay"] for endpoint in pair.endpoints)
    code, text = upgrade(pair, "--finish")
    assert code == 0, text
    wait_for(lambda: len(set(levels(pair))) == 1 and levels(pair)[0] > 1, "the level at both")
    for producer in producers:
        producer.put(pair.endpoints, 1)
    got = ledger.check(pair)
    print("%d messages were stored, %d acknowledged before, %d drained after the merge"
          % (len(ledger.told), len(ledger.acked), len(got)))


def test_a_new_store_is_refused_by_the_first_release():
    """It says what it takes to say no, and touches no file but the lock."""
    pair, ledger = Pair(), Ledger()
    try:
        pair.start()
        in_step(pair)
        make_queue(pair.endpoints)
        producer = Producer("a", ledger)
        producer.put(pair.endpoints, 20)
        take(pair.endpoints, len(ledger.told) // 2, ledger)
        for broker in pair.brokers:
            assert broker.stop() == 0
        logs = [broker.log for broker in pair.brokers]
        before = {path: file for path, file in contents(pair.folder).items() if path not in logs}
        programs(pair, FIRST)
        for broker in pair.brokers:
            broker.start(ready=False)
            code = broker.process.wait(PATIENCE)
            broker.process = None
            assert code not in (0, None), broker.tail()
            print("the first release ends with %d and says: %s" % (code, broker.tail().strip().split("\n")[-1]))
        assert {path: file for path, file in contents(pair.folder).items() if path not in logs} == before
        programs(pair, PROGRAM)
        pair.start()
        in_step(pair)
        ledger.check(pair)
    finally:
        programs(pair, PROGRAM)
        pair.close()
