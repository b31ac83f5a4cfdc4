"""A machine stands still, and none of its clocks shows it: does its broker, when it goes on, deliver what was acknowledged?"""
import os
import signal
import struct
import time

import pytest

from conftest import in_step
from disks import preloads
from links import CutPair

BUILD = os.environ.get("ZBROKER_BUILD", ".")
SHIM = os.path.abspath(os.path.join(BUILD, "tests/fault/.libs/shim.so"))
KNOBS = ("hold", "leak", "unit", "fail_sync", "fail_write", "delay_us", "clock_ns", "stood_ns", "syncs", "dropped")
COUNT = 50


class Machine:
    """A broker whose clocks can stand."""

    def __init__(self, pair, index):
        self.broker = pair.brokers[index]
        self.knobs = "%s/knobs-%d" % (pair.folder, index)
        with open(self.knobs, "wb") as file:
            file.write(bytes(8 * len(KNOBS)))
        self.broker.environment = {"LD_PRELOAD": SHIM, "ZB_SHIM": self.knobs, "ZB_SHIM_FOLDER": pair.folder + "/none"}
        self.stood = 0

    def stop(self):
        self.broker.process.send_signal(signal.SIGSTOP)
        self.stopped = time.monotonic_ns()

    def go_on(self):
        self.stood += time.monotonic_ns() - self.stopped
        with open(self.knobs, "r+b") as file:
            file.seek(8 * KNOBS.index("stood_ns"))
            file.write(struct.pack("=q", self.stood))
        self.broker.process.send_signal(signal.SIGCONT)


@pytest.fixture
def machines():
    preloads()
    pair = CutPair()
    pair.machines = [Machine(pair, index) for index in range(2)]
    pair.start()
    in_step(pair)
    yield pair
    for machine in pair.machines:
        if machine.broker.alive:
            machine.broker.process.send_signal(signal.SIGCONT)
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
    pair.machines[active].stop()
    pair.cut()
    assert len(one.drain("q")) == COUNT
    #  It waits in the socket of the one that stands: the first thing that this one does.
    late.send("GET", "late", "q", 1000, 0, "")
    pair.machines[active].go_on()
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
    pair.machines[1 - active].stop()
    level, _, _, *bodies = one.request("GET", "g", "q", 1000, 0, "", wait=3)
    assert len(bodies) == COUNT and level == b"solo"
    pair.machines[1 - active].go_on()
    in_step(pair)
