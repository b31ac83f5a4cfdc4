"""A machine stands still, and none of its clocks shows it: does its broker, when it goes on, deliver what was acknowledged?"""
import signal

import pytest

from conftest import in_step
from links import CutPair
from machine import fit

COUNT = 50


def stop(pair, index):
    pair.brokers[index].process.send_signal(signal.SIGSTOP)
    pair.machines[index].stops()


def go_on(pair, index):
    pair.machines[index].goes_on()
    pair.brokers[index].process.send_signal(signal.SIGCONT)


@pytest.fixture
def machines():
    pair = CutPair()
    pair.machines = fit(pair.brokers, pair.folder)
    pair.start()
    in_step(pair)
    yield pair
    for broker in pair.brokers:
        if broker.alive:
            broker.process.send_signal(signal.SIGCONT)
    pair.close()


def store_some(pair, one):
    one.request("QUEUE", "q", "q", "")
    for number in range(COUNT):
        assert one.request("PUT", "p%d" % number, "q", "", b"%d" % number)[0] == b"both"


def test_what_was_acknowledged_does_not_come_again(machines, client):
    """The active broker stands, with everything it knows; the other one takes over, and all is acknowledged there. Asked when it
    goes on, the first one finds out that it no longer leads before it gives anything away."""
    pair, one = machines, client(machines)
    active = in_step(pair)
    store_some(pair, one)
    late = client(pair)
    late.current = active
    late.hello()
    stop(pair, active)
    pair.cut()
    assert len(one.drain("q")) == COUNT
    #  It waits in the socket of the one that stands: the first thing that this one does.
    late.send("GET", "late", "q", 1000, 0, "")
    go_on(pair, active)
    reply = late.recv(0.3)
    assert reply is None or reply[1] != b"MSG", reply
    pair.heal()
    in_step(pair)
    assert client(pair).drain("q") == []


def test_who_asks_in_vain_goes_on_alone(machines, client):
    """A GET that acknowledges nothing waits for the peer's word, as a PUT does for its disk, and no longer."""
    pair, one = machines, client(machines)
    active = in_step(pair)
    store_some(pair, one)
    stop(pair, 1 - active)
    level, _, _, *bodies = one.request("GET", "g", "q", 1000, 0, "", wait=3)
    assert len(bodies) == COUNT and level == b"solo"
    go_on(pair, 1 - active)
    in_step(pair)
