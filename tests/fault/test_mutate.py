"""Some seconds of mutated requests and mutated ZMTP at every port: no end, no report, no takeover, no OK lost."""
import os
import random
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mutate import LET_IN, Mutator, REQUESTS, World, report, run                 # noqa: E402
from patience import SLOWER                                                      # noqa: E402
from zb1 import verbs                                                            # noqa: E402

SECONDS = int(os.environ.get("ZBROKER_MUTATE_SECONDS", "0"))
SEED = int(os.environ.get("ZBROKER_SEED", random.randrange(1 << 30)))


def test_a_seed_makes_the_same_mutants():
    one, other = Mutator(1), Mutator(1)
    same = [one.wire(one.frames([b"ZB1", *request])) for request in REQUESTS]
    assert same == [other.wire(other.frames([b"ZB1", *request])) for request in REQUESTS]
    assert len(set(same)) > len(REQUESTS) / 2
    assert max(len(message) for message in same) < 4 << 20


def test_each_verb_has_its_mutants():
    assert {name for name, _ in verbs()} <= {request[0].decode(errors="replace") for request in REQUESTS}


def unnoticed(keys, seed):
    """A run of its own pair, with what every run has to show; returns whether mutants came as far as a verb, and were refused."""
    print("ZBROKER_SEED=%d" % seed)
    world = World(keys)
    try:
        result = run(world, seed, 2, SECONDS or (4 if keys else 8) * SLOWER)
        report(*result)
        _, count, rounds, findings, states = result
        assert not findings
        assert rounds and all(count[kind] for kind in ("client", "state", "ship", "witness"))
        if keys:
            assert count[LET_IN] and all(state["dropped"]["unknown_keys"] for state in states)
        return sum(state["dropped"]["not_zb1"] for state in states) and sum(state["refused"] for state in states)
    finally:
        world.close()


@pytest.mark.parametrize("keys", [False, True], ids=["open", "keys"])
def test_nobody_notices_the_mutants(keys):
    #  With keys a handful is let in, and what they send is drawn: a short run may have none of one kind, five have not.
    assert any(unnoticed(keys, SEED + more) for more in range(5 if keys else 1))
