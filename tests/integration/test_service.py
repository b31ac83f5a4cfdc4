"""Does a broker tell the system's service manager what it is at, are the units sound, and do the shells complete its command line?"""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from brokers import PROGRAM, Broker, Pair, Single, free_ports, single_config, wait_for
from conftest import in_step
from patience import PATIENCE
from zb1 import Client, Refused, ask, status

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


def reload(single, text, said):
    """Has the broker read this config; returns the lines of its log from the one on that says so."""
    before = len(open(single.broker.log).read())
    with open(single.folder + "/zbroker.conf", "w") as config:
        config.write(text)
    single.broker.process.send_signal(signal.SIGHUP)

    def lines():
        new = open(single.broker.log).read()[before:]
        return said in new and new.endswith("\n") and new
    return wait_for(lines, said)


def test_the_configuration_is_read_again():
    """What can change at work does, what can't is named, and a file that is wrong changes nothing."""
    single = Single()
    with open(single.folder + "/zbroker.conf") as config:
        first = config.read()
    single.broker.start()
    client = Client(single.endpoints)
    try:
        client.request("QUEUE", "a", "first", "")
        said = reload(single, first, "read again: nothing has changed")
        assert "restart" not in said
        said = reload(single, first + "limits\n    queues = 1\nstore\n    cache = 32m\n", "waits for a restart: store/cache\n")
        assert "read again: limits/queues = 1 (it was 100000)" in said
        with pytest.raises(Refused, match="429"):
            client.request("QUEUE", "b", "second", "")
        for wrong, why in (("limits\n    queues = many\n", "limits/queues = 'many'"), ("limits\n  queues = 2\n", "not valid ZPL"),
                           ("limits\n    body = 1g\n", "limits/request = ")):
            said = reload(single, first + wrong, "nothing has changed: ")
            assert why in said and " error zbroker: " in said, said
        os.unlink(single.folder + "/zbroker.conf")
        single.broker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "nothing has changed: %s/zbroker.conf: No such file" % single.folder in single.broker.tail(), "a line")
        with pytest.raises(Refused, match="429"):
            client.request("QUEUE", "b", "second", "")
        said = reload(single, first + "limits\n    queues = 2\nlog\n    format = json\n", "read again: ")
        assert all(line.startswith('{"time":') for line in said.splitlines()), said
        client.request("QUEUE", "b", "second", "")
        #  What programs read of it has nothing of this.
        single.broker.stop()
        while (line := single.broker.pipe.get(timeout=PATIENCE)) is not None:
            assert line.split()[0] in ("READY", "ROLE")
    finally:
        client.close()
        single.close()


def test_a_command_at_each_change_of_role(folder):
    """It is told what has happened, one at a time, and holds nothing of the broker's."""
    with open(folder + "/hook", "w") as file:
        file.write("""
            mkdir %(folder)s/busy-$ZBROKER_NODE || echo overlap >>%(folder)s/said
            files=`ls /proc/self/fd`
            echo $ZBROKER_EVENT $ZBROKER_NODE ${ZBROKER_ROLE_BEFORE:-nothing} $ZBROKER_ROLE $ZBROKER_ENDPOINT $files >>%(folder)s/said
            echo "hook: $ZBROKER_TEXT" >&2
            rmdir %(folder)s/busy-$ZBROKER_NODE
        """ % {"folder": folder})
    with open(folder + "/conf", "w") as file:
        file.write("hooks\n    role = 'sh %s/hook'\n" % folder)
    pair = Pair("--config", folder + "/conf")

    def said():
        with open(folder + "/said", "a+") as file:
            file.seek(0)
            return [line.split() for line in file]
    try:
        pair.start()
        in_step(pair)
        active = [status(endpoint)["role"] for endpoint in pair.endpoints].index("active")
        names = ["primary", "backup"]
        wait_for(lambda: any(line[1] == names[1 - active] and line[3] == "passive" for line in said()), "the passive one's")
        pair.brokers[active].kill()
        wait_for(lambda: (ask(pair.endpoints[1 - active], "HELLO", "1") or [b""] * 2)[1] == b"OK", "the takeover")
        wait_for(lambda: ["role", names[1 - active], "passive", "active"] in [line[:4] for line in said()], "the takeover's")
        for line in said():
            assert line[0] == "role" and line[4] == pair.endpoints[names.index(line[1])], line
            #  Its own three, and ls's of the folder.
            assert line[5:] == ["0", "1", "2", "3"], line
        assert {line[1]: line[2] for line in reversed(said())} == {"primary": "nothing", "backup": "nothing"}
        wait_for(lambda: "hook: ACTIVE" in pair.brokers[1 - active].tail(), "what it prints")
    finally:
        pair.close()


def test_a_command_that_fails_or_hangs_stops_nobody():
    for command, why in (("exit 3", "it ended with 3"), ("sleep 1000; exit 0", "it was ended after 200 ms, see hooks/limit")):
        single = Single()
        with open(single.folder + "/zbroker.conf", "a") as config:
            config.write("hooks\n    role = '%s'\n    limit = 200ms\n" % command)
        single.broker.start()
        client = Client(single.endpoints)
        try:
            client.request("QUEUE", "a", "q", "")
            wait_for(lambda why=why: "the hook for the role, '%s', has failed: %s" % (command, why) in single.broker.tail(), why)
            client.request("PUT", 1, "q", "", "body")
        finally:
            client.close()
            single.close()


def test_without_a_file_a_hangup_ends_it(folder):
    """As it does every program that runs in a terminal."""
    process = subprocess.Popen([PROGRAM, "serve", "--as", "primary", "--store", folder + "/store", "--http", "none", "--primary",
                                "tcp://127.0.0.1:%d" % free_ports(4), "--backup", "tcp://127.0.0.1:%d" % free_ports(4)],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline().startswith(b"READY")
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE) == -signal.SIGHUP
    process.stdout.close()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
@pytest.mark.parametrize("unit", ["zbroker@.service", "zbroker-witness.service"])
def test_units_are_understood(folder, unit):
    """systemd has nothing to say of any line of them, nor of what they start."""
    name = os.path.join(folder, unit.replace("@", "@primary"))
    with open(os.path.join(UNITS, unit)) as source, open(name, "w") as file:
        text = source.read()
        assert "/usr/bin/zbroker " in text
        file.write(text.replace("/usr/bin/zbroker", os.path.abspath(PROGRAM)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and unit.split("@")[0].split(".")[0] not in done.stdout, done.stdout


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


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh")
def test_zsh_reads_its_completion():
    done = subprocess.run(["zsh", "-n", os.path.join(SOURCE, "packaging", "completion", "_zbroker")], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
