"""Disks of brokers that stall or fail at a test's command (shim_disk.c)."""
import glob
import os
import shlex
import subprocess

import pytest

from brokers import wait_for

SOURCE = os.environ.get("ZBROKER_SOURCE", ".")


class Disk:
    """Syncs of one broker's disk, and turns of its core, at our command."""

    def __init__(self, folder):
        self.folder = folder

    def order(self, word):
        open("%s/%s" % (self.folder, word), "w").close()

    def stall(self):
        """Returns when a sync waits."""
        self.order("stall")
        wait_for(lambda: os.path.exists(self.folder + "/stalled"), "a sync that waits")

    def heal(self):
        for name in glob.glob(self.folder + "/*"):
            os.remove(name)


def preloads():
    """For a broker into which a library is preloaded."""
    if "-fsanitize" in os.environ.get("CFLAGS", ""):
        pytest.skip("a sanitizer wants to be the first library")


def fit(brokers, folder):
    """Gives each of these brokers a disk from its next start on; returns the disks, which keep their orders in the
    folder."""
    preloads()
    shim = folder + "/shim.so"
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-shared", "-fPIC", "-o", shim,
                    SOURCE + "/tests/integration/shim_disk.c"], check=True)
    disks = []
    for number, broker in enumerate(brokers):
        os.mkdir("%s/%d" % (folder, number))
        disks.append(Disk("%s/%d" % (folder, number)))
        broker.environment = {"LD_PRELOAD": shim, "ZBROKER_SHIM": disks[-1].folder}
    return disks
