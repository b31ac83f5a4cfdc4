"""Some seconds of mutated requests and mutated ZMTP at every port: no end, no report, no takeover, no OK lost."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mutate import Mutator, REQUESTS, World, report, run                         # noqa: E402
from patience import SLOWER                                                      # noqa: E402

SEED = int(os.environ.get("ZBROKER_SEED", random.randrange(1 << 30)))


def test_a_seed_makes_the_same_mutants():
    one, other = Mutator(1), Mutator(1)
    same = [one.wire(one.frames([b"ZB1", *request])) for request in REQUESTS]
    assert same == [other.wire(other.frames([b"ZB1", *request])) for request in REQUESTS]
    assert len(set(same)) > len(REQUESTS) / 2
    assert max(len(message) for message in same) < 4 << 20


def test_nobody_notices_the_mutants():
    print("ZBROKER_SEED=%d" % SEED)
    world = World()
    try:
        result = run(world, SEED, 2, 8 * SLOWER)
        report(*result)
        _, count, rounds, findings, states = result
        assert not findings
        assert rounds and all(count[kind] for kind in ("client", "state", "ship", "witness"))
        assert sum(state["dropped"]["not_zb1"] for state in states) and sum(state["refused"] for state in states)
    finally:
        world.close()
