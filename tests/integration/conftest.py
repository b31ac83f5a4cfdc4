import os
import shutil
import subprocess
import tempfile

import pytest

from brokers import PROGRAM, STORES, WRAPPER, Pair, Single, wait_for
from keyed import KeyedPair
from links import CutPair
from patience import PATIENCE
from zb1 import Client, ask, status


#  A test with `pair` runs over both kinds of store; one that has this mark, only over two stores.
two_stores = pytest.mark.parametrize("pair", [one for one in STORES if one == "keyed"] or ["replicated"], indirect=True)


@pytest.fixture
def single():
    """A running broker without a pair."""
    single = Single()
    single.broker.start()
    yield single
    single.close()


@pytest.fixture(params=STORES)
def pair(request):
    """A running pair whose backup is in sync, over each kind of store; `keyed`: over two, with CURVE on all ports."""
    pair = (KeyedPair() if request.param == "keyed" else Pair(store=request.param)).start()
    in_step(pair)
    yield pair
    pair.close()


@pytest.fixture
def cut_pair():
    """In sync, with links between the brokers that can be cut."""
    pair = CutPair()
    pair.start()
    in_step(pair)
    yield pair
    pair.close()


def in_step(pair, patience=PATIENCE):
    """Waits until one broker is active and the other in sync; returns the index of the active one."""
    states = []

    def leader():
        states[:] = [status(e) if b.alive else None for e, b in zip(pair.endpoints, pair.brokers)]
        if all(states):
            for index, state in enumerate(states):
                if state["role"] == "active" and state["in_step"] and states[1 - index]["in_step"]:
                    return index + 1
        return 0
    try:
        return wait_for(leader, "a pair in sync", patience) - 1
    except AssertionError as error:
        raise AssertionError("%s: %s: %s" % (error, [b.options for b in pair.brokers], states)) from None


@pytest.fixture
def client():
    """Makes clients that are closed at the end."""
    made = []

    def make(where, name=""):
        made.append(Client(where.endpoints, name))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def folder():
    """A scratch folder."""
    path = tempfile.mkdtemp(prefix="zbroker-test-")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def zbroker():
    """Runs the program to its end: zbroker (["get", "q"]); a failure fails the test unless check is False."""
    def run(arguments, text=None, environment=None, check=True):
        done = subprocess.run([*WRAPPER, PROGRAM, *arguments], input=text, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env={**os.environ, **(environment or {})}, timeout=3 * PATIENCE)
        assert not check or done.returncode == 0, "zbroker %s: exit code %d\n%s%s" % (
            " ".join(arguments), done.returncode, done.stdout, done.stderr)
        return done
    return run
