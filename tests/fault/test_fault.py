"""Does the pair keep its promise whatever breaks?  A row of faults.py a test, ZBROKER_FAULT_SEEDS seeds each.

Without ZBROKER_FAULT_SEEDS, as in `make check`, a chosen few run with one seed, one of each kind: what ends, what stands,
what is cut, what fails, and clocks; `make check-fault` runs them all with five.
"""
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import network  # noqa: E402
from operators import FAULTS  # noqa: E402

SEEDS = int(os.environ.get("ZBROKER_FAULT_SEEDS", "0"))
FEW = {"replicated": ("kill_active", "stop_active_long", "stop_then_kill", "cut_client", "power_both_torn", "fsync_fails_once",
                      "unseen_pause_active"),
       "shared": ("kill_active", "stop_then_kill", "cut_brokers", "fsync_fails")}
ROWS = [(store, row) for store in FEW for row in (FAULTS if SEEDS else FEW[store])
        if store == "replicated" or FAULTS[row].on_shared]
ROUNDS = os.environ.get("ZBROKER_FAULT_ROUNDS", "2")
LONG = ("unseen_pause_active",)     #  a round takes as long as two of the others: one is enough for `make check`
MISSING = network.missing()


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "can run")
@pytest.mark.parametrize("seed", range(1, SEEDS + 1 if SEEDS else 2))
@pytest.mark.parametrize("store, row", ROWS)
def test_fault(store, row, seed):
    rounds = "1" if row in LONG and not SEEDS else ROUNDS
    done = subprocess.run([sys.executable, HERE + "/torture.py", "--store", store, "--row", row, "--seed", str(seed), "--rounds", rounds],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
