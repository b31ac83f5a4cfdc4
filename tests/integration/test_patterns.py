"""Do two echo servers behave as one, for a client that knows nothing of Binary Star?

The client does what the guide's bstarcli does: REQ, one frame, and if there is no reply, a new socket to the other
server.  The servers are real processes that are killed for real.
"""
import os
import signal
import socket
import subprocess
import threading

import pytest
import zmq

from brokers import WRAPPER, free_ports, wait_for
from links import Link
from patience import PATIENCE, SLOWER

PROGRAM = os.path.join(os.environ.get("ZBROKER_BUILD", "."), "echo_server")


class Server:
    def __init__(self, flag, clients, local, remote):
        self.endpoint = "tcp://127.0.0.1:%d" % clients
        self.arguments = [*WRAPPER, PROGRAM, flag, "-c", self.endpoint, "-l", "tcp://127.0.0.1:%d" % local,
                          "-r", "tcp://127.0.0.1:%d" % remote]
        self.process = None
        self.lines, self.log = [], []

    def start(self):
        self.lines, self.log = [], []
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.readers = [threading.Thread(target=self.read, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.log))]
        for reader in self.readers:
            reader.start()
        return self.says("READY")

    @staticmethod
    def read(pipe, lines):
        for line in pipe:
            lines.append(line.strip())
        pipe.close()

    def says(self, line):
        wait_for(lambda: line in self.lines, "%s from %s, which said %s" % (line, self.arguments, self.lines))
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            for reader in self.readers:
                reader.join()
            self.process = None


class Client:
    """A Lazy Pirate over two endpoints."""

    def __init__(self, *endpoints):
        self.endpoints = list(endpoints)
        self.context = zmq.Context()
        self.socket = None
        self.moves = 0
        self.connect()

    def connect(self):
        self.socket = self.context.socket(zmq.REQ)
        self.socket.linger = 0
        self.socket.connect(self.endpoints[self.moves % len(self.endpoints)])

    def attempt(self, text, patience=0.3 * SLOWER):
        """One request to the current server: its reply, or None."""
        self.socket.send_string(text)
        if self.socket.poll(patience * 1000):
            reply = self.socket.recv_multipart()
            assert reply == [text.encode()]
            return text
        self.socket.close()
        self.moves += 1
        self.connect()
        return None

    def ask(self, text):
        wait_for(lambda: self.attempt(text), "an echo of " + text)

    def close(self):
        self.socket.close()
        self.context.term()


@pytest.fixture
def ports():
    base = free_ports(6)
    return range(base, base + 6)


@pytest.fixture
def made():
    """What is appended is ended."""
    made = []
    yield made
    for one in reversed(made):
        one.kill() if isinstance(one, Server) else one.close()


def make_pair(ports, made, relays=False):
    """A started pair: primary active, backup passive; with relays, the states go through ports[4] and ports[5]."""
    primary = Server("-p", ports[0], ports[2], ports[5] if relays else ports[3])
    backup = Server("-b", ports[1], ports[3], ports[4] if relays else ports[2])
    made += [primary, backup]
    primary.start()
    backup.start().says("PASSIVE")
    primary.says("ACTIVE")
    return primary, backup


def make_client(made, *servers):
    client = Client(*[server.endpoint for server in servers])
    made.append(client)
    return client


def test_the_backup_takes_over_and_the_primary_comes_back(ports, made):
    primary, backup = make_pair(ports, made)
    client = make_client(made, primary, backup)
    for number in range(3):
        client.ask("before %d" % number)
    assert client.moves == 0

    primary.kill()
    for number in range(3):
        client.ask("after %d" % number)
    backup.says("ACTIVE")

    primary.start().says("PASSIVE")
    client.ask("still at the backup")
    assert client.endpoints[client.moves % 2] == backup.endpoint
    assert "ACTIVE" not in primary.lines

    backup.kill()
    client.ask("back at the primary")
    primary.says("ACTIVE")


def test_a_restarted_server_is_not_split(ports, made):
    """The active one comes back before any client has asked the other: one leads, whichever."""
    primary, backup = make_pair(ports, made)
    client = make_client(made, primary, backup)
    primary.kill()
    primary.start().says("PASSIVE")
    backup.says("ACTIVE")
    client.ask("served")
    assert "CONFLICT" not in backup.lines + primary.lines


def test_a_stray_client_moves_nothing_while_both_hear_each_other(ports, made):
    primary, backup = make_pair(ports, made)
    stray = make_client(made, backup)
    for number in range(3):
        assert stray.attempt("stray %d" % number) is None
    make_client(made, primary).ask("served")
    assert "ACTIVE" not in backup.lines


def test_a_lone_backup_waits(ports, made):
    backup = Server("-b", ports[1], ports[3], ports[2])
    made.append(backup)
    backup.start()
    client = make_client(made, backup)
    for number in range(4):
        assert client.attempt("early %d" % number) is None
    assert backup.lines == ["READY"]


def test_a_stopped_primary_is_replaced_and_steps_out_of_a_split(ports, made):
    primary, backup = make_pair(ports, made)
    client = make_client(made, backup)
    primary.signal(signal.SIGSTOP)
    client.ask("at the backup")
    backup.says("ACTIVE")
    #  It still believes that it is active; the backup is not preferred, and gives way.
    primary.signal(signal.SIGCONT)
    backup.says("CONFLICT")
    wait_for(lambda: backup.lines[-1] == "PASSIVE", "the backup passive")
    make_client(made, primary).ask("at the primary")


def test_a_stopped_backup_does_not_trust_what_it_knew(ports, made):
    """It knows that the primary is dead, is stopped, and wakes up with a client's request when the primary is back."""
    primary, backup = make_pair(ports, made)
    client = make_client(made, backup)
    primary.kill()
    wait_for(lambda: any("the peer is dead" in line for line in backup.log), "the death known")
    backup.signal(signal.SIGSTOP)
    primary.start()
    make_client(made, primary).ask("at the primary")
    client.socket.send_string("late")
    backup.signal(signal.SIGCONT)
    assert client.socket.poll(1000) == 0
    assert "ACTIVE" not in backup.lines
    assert "CONFLICT" not in primary.lines + backup.lines


def test_a_cut_link_makes_two_and_a_healed_one_makes_one(ports, made):
    links = [Link(ports[4], ports[2]), Link(ports[5], ports[3])]
    made += links
    primary, backup = make_pair(ports, made, relays=True)
    for link in links:
        link.cut()
    make_client(made, backup).ask("stray")
    make_client(made, primary).ask("straight")
    backup.says("ACTIVE")
    for link in links:
        link.heal()
    backup.says("CONFLICT")
    wait_for(lambda: backup.lines[-1] == "PASSIVE", "the backup passive")
    client = make_client(made, backup)
    assert client.attempt("refused") is None
    make_client(made, primary).ask("served")
    assert primary.lines == ["READY", "ACTIVE"]


def test_an_address_in_use_ends_the_server(ports, made):
    taken = socket.create_server(("127.0.0.1", ports[0]))
    with taken:
        server = Server("-p", ports[0], ports[2], ports[3])
        done = subprocess.run(server.arguments, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert subprocess.run([*WRAPPER, PROGRAM], capture_output=True, timeout=PATIENCE).returncode == 2
