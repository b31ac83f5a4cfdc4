"""Does the rig do what its rows rely on?  Brokers made by hand."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import Process, Rig, Stuck  # noqa: E402


class Ended:
    """A process that has ended by itself."""

    def __init__(self, code):
        self.returncode = code

    def poll(self):
        return self.returncode

    def send_signal(self, number):
        raise AssertionError("it has ended")


class Running(Ended):
    def poll(self):
        return None

    def send_signal(self, number):
        pass

    def kill(self):
        pass

    def wait(self, patience=None):
        return self.returncode


class Node(Process):
    """Each start of it is one of these."""

    def __init__(self, folder, *starts):
        super().__init__(["--store", folder], folder + "/log.log")
        self.role = "primary"
        self.store = folder
        self.starts = list(starts)
        self.process = self.starts.pop(0)

    def start(self, ready=True):
        self.process = self.starts.pop(0)


class Pair(Rig):
    """Of which each broker runs is in sync."""

    def __init__(self, nodes, expected):
        self.nodes, self.expected, self.neighbour, self.shared = nodes, set(expected), None, True

    def in_step(self):
        for node in self.nodes:
            node.restart()


def test_who_ended_by_itself_is_stopped(tmp_path):
    """A disk that failed before ends its broker when the round was judged, before the stores are compared or amid that."""
    for node in (Node(str(tmp_path), Ended(4), Running(0)), Node(str(tmp_path), Running(4), Running(0)), Node(str(tmp_path), Running(0))):
        Pair([node], {4}).same_stores()
        assert not node.starts and node.process is None


@pytest.mark.parametrize("expected", [{4}, set()])
def test_an_end_that_nobody_expects(tmp_path, expected):
    for code in (5, -6):
        for process in (Ended, Running):
            with pytest.raises(Stuck):
                Pair([Node(str(tmp_path), process(code), Running(code))], expected).same_stores()


class Teller:
    """What is told to a ledger or scribe."""
    merged = None

    def note(self, *what):
        pass


class Split(Pair):
    """In sync again: one side took a message that is due by its own clock, and the other one leads.  The pair's time is the clock of
    who leads, when its lead began."""
    clients = ()

    def __init__(self, folder, ahead, merged, due):
        nodes = [Node("%s/%d" % (folder, index), Running(0), Running(0)) for index in range(2)]
        super().__init__(nodes, set())
        self.ledger, self.scribe, self.leader, self.due, self.left = Teller(), Teller(), nodes[0], due, 1
        self.ledger.merged = merged
        for node, clock in zip(nodes, ahead):
            node.ahead, node.knob = clock, lambda name, value, node=node: setattr(node, "ahead", value)
        self.time = nodes[0].ahead

    @property
    def active(self):
        return self.nodes.index(self.leader)

    def in_step(self):
        if self.leader.process is None:
            self.leader = self.nodes[1 - self.active]
            self.time = max(self.time, self.leader.ahead)
        super().in_step()

    def states(self):
        apart = (self.nodes[1].ahead - self.nodes[0].ahead) // 10**6
        return [{"clock": {"apart_ms": apart}}, {"clock": {"apart_ms": -apart}}]

    def ask_active(self, *frames, malformed=None):
        self.left = 0 if self.time >= self.due else self.left
        return [b"later", b"messages=%d\ndelayed=%d" % (self.left, self.left)]

    def look_for_merges(self):
        pass

    def describe(self):
        return ""


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("rig.DUE", 0.01)
    monkeypatch.setattr("rig.PATIENCE", 0.3)


DAY = 86400 * 10**9


@pytest.mark.parametrize("ahead", [(0, 10 * DAY), (-DAY, DAY)])
def test_what_is_due_by_the_other_clock_is_drained(tmp_path, impatient, ahead):
    pair = Split(folders(tmp_path), ahead, 1.0, max(ahead))
    pair.drain()
    assert pair.left == 0 and [node.ahead for node in pair.nodes] == [max(ahead)] * 2


@pytest.mark.parametrize("ahead, merged, due", [((0, DAY), None, DAY), ((0, DAY), 1.0, 2 * DAY), ((DAY, DAY), 1.0, 2 * DAY)])
def test_what_is_due_by_no_clock(tmp_path, impatient, ahead, merged, due):
    """It comes late for another reason: no split, or by more than the clocks differ."""
    with pytest.raises(Stuck):
        Split(folders(tmp_path), ahead, merged, due).drain()


def folders(tmp_path):
    for index in range(2):
        (tmp_path / str(index)).mkdir()
    return str(tmp_path)
