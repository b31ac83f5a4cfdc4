"""Does a broker tell the system's service manager what it is at, are the units sound, and do the shells complete its command line?"""
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from brokers import PROGRAM, Broker, single_config
from patience import PATIENCE

SOURCE = os.environ.get("ZBROKER_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
UNITS = os.path.join(SOURCE, "packaging", "systemd")


def heard(manager, start):
    """Notices until one begins with this; they are all returned."""
    notices = []
    manager.settimeout(PATIENCE)
    while not notices or not notices[-1].startswith(start):
        notices.append(manager.recv(4096).decode())
    return notices


TOLD = "libsystemd" in subprocess.run(["ldd", PROGRAM], stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.skipif(not TOLD, reason="built without libsystemd")
def test_a_manager_is_told(folder):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(folder + "/notify")
    config = folder + "/zbroker.conf"
    single_config(config)
    broker = Broker(["--config", config, "--store", folder + "/store"], folder + "/log")
    broker.environment = {"NOTIFY_SOCKET": folder + "/notify", "WATCHDOG_USEC": "300000"}
    try:
        broker.start()
        heard(manager, "READY=1")
        begin = time.monotonic()
        for _ in range(4):
            heard(manager, "WATCHDOG=1")
        assert time.monotonic() - begin > 0.25, "notices come without a pause"
        broker.stop()
        heard(manager, "STOPPING=1")
    finally:
        broker.finish()
        manager.close()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
@pytest.mark.parametrize("unit", ["zbroker@.service", "zbroker-witness.service"])
def test_units_are_locked_in(folder, unit):
    """systemd's own figure of what a service may do, 0 to 10."""
    name = os.path.join(folder, unit.replace("@", "@primary"))
    shutil.copy(os.path.join(UNITS, unit), name)
    said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", name], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True).stdout
    assert float(re.search(r"exposure level for .*: ([0-9.]+)", said).group(1)) <= 2.0, said


def completed(*words):
    """What bash offers for the last of these words."""
    script = """
        zbroker () { %s "$@"; }
        source "$1"; shift
        COMP_WORDS=(zbroker "$@"); COMP_CWORD=$#
        _zbroker; printf '%%s\\n' "${COMPREPLY[@]}"
    """ % PROGRAM
    done = subprocess.run(["bash", "-c", script, "bash", os.path.join(SOURCE, "packaging", "completion", "zbroker.bash"), *words],
                          stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split()


def test_bash_completes():
    text = subprocess.run([PROGRAM, "help"], stdout=subprocess.PIPE, text=True).stdout
    commands = re.findall(r"^  ([a-z]+) ", text.split("commands:")[1].split("\n\n")[0], re.M)
    assert len(commands) > 10
    assert completed("") == [*commands, "help", "version"]
    assert completed("swi") == ["switchover"]
    assert completed("put", "--n") == ["--name", "--null"]
    assert completed("queue", "") == ["create", "list", "purge", "delete"]
    assert completed("serve", "--as", "") == ["primary", "backup"]
    assert completed("help", "ben") == ["bench"]
