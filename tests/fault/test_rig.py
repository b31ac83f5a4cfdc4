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

    def wait(self, patience):
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
