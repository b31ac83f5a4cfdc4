"""What a broker runs on, for tests that break it: a disk, clocks and a main thread that fail at command (fault/shim.c)."""
import os
import struct
import sys
import time

import pytest

from brokers import wait_for

SHIM = os.path.abspath(os.path.join(os.environ.get("ZBROKER_BUILD", "."), "tests/fault/.libs/shim.so"))
#  In the order of shim.c, where each is explained.
KNOBS = ("hold", "leak", "unit", "fail_sync", "fail_write", "delay_us", "clock_ns", "stood_ns", "syncs", "dropped",
         "stall", "stalled", "fail_data", "lone_lock", "full_backup", "hang")
BROKEN = ("fail_sync", "fail_write", "delay_us", "stall", "fail_data", "lone_lock", "full_backup", "hang")


class Machine:
    """That of one broker, which has to be started with `environment`."""

    def __init__(self, knobs, store):
        """knobs: the file with the knobs, which is made.  store: the folder whose files are meant."""
        if not os.path.exists(SHIM):
            #  The loader would go on without it, and the test would break nothing.
            sys.exit("%s is not there, and nothing could be broken without it: make tests/fault/shim.la" % SHIM)
        self.knobs = knobs
        with open(knobs, "wb") as file:
            file.write(bytes(8 * len(KNOBS)))
        self.environment = {"LD_PRELOAD": SHIM, "ZB_SHIM": knobs, "ZB_SHIM_FOLDER": store}
        self.stood = self.stopped = 0

    def turn(self, knob, value=1):
        with open(self.knobs, "r+b") as file:
            file.seek(8 * KNOBS.index(knob))
            file.write(struct.pack("=q", value))

    def read(self, knob):
        with open(self.knobs, "rb") as file:
            file.seek(8 * KNOBS.index(knob))
            return struct.unpack("=q", file.read(8))[0]

    def stall(self):
        """Returns when a sync waits."""
        self.turn("stalled", 0)
        self.turn("stall")
        wait_for(lambda: self.read("stalled"), "a sync that waits")

    def heal(self):
        for knob in BROKEN:
            self.turn(knob, 0)

    #  As a virtual machine that is moved, or whose memory is saved: none of its clocks shows how long it stood.

    def stops(self):
        """Its process was stopped."""
        self.stopped = time.monotonic_ns()

    def goes_on(self):
        """Its process is about to go on."""
        self.stood += time.monotonic_ns() - self.stopped
        self.turn("stood_ns", self.stood)

    def starts(self):
        """A process counts from the kernel's clocks, of which its threads know how long they wait at most."""
        self.stood = 0
        self.turn("stood_ns", 0)


def fit(brokers, folder):
    """Gives each of these brokers such a machine from its next start on; returns the machines, whose knobs are in the
    folder."""
    if "-fsanitize" in os.environ.get("CFLAGS", ""):
        pytest.skip("a sanitizer wants to be the first library")
    machines = []
    for number, broker in enumerate(brokers):
        store = broker.options[broker.options.index("--store") + 1]
        machines.append(Machine("%s/knobs-%d" % (folder, number), store))
        broker.environment = machines[-1].environment
    return machines
