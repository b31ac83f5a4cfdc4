"""Pairs with keys: CURVE on all ports of real brokers and their witness, and clients that have a key."""
import json
import os
import shutil
import subprocess
import tempfile

import zmq
import zmq.auth

import zb1
from brokers import PROGRAM, Broker, finish, free_ports, wait_for
from links import Link
from patience import PATIENCE, REPLY

MARKER = b"marker-of-a-body-that-nobody-may-read"
ROLES = ("primary", "backup")
GREETING = 64       #  bytes


def make(path):
    """A key file, as `zbroker key make` writes it; returns the public key."""
    done = subprocess.run([PROGRAM, "key", "make", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Recording:
    """What one connection has said, either way, as it was on the wire."""

    def __init__(self):
        self.asked = bytearray()        #  by the one that connected,
        self.answered = bytearray()     #  and to it
        self.ended = False


def after(data, count):
    """Where so many frames behind the greeting end; beyond the data if they are not all there."""
    at = GREETING
    for _ in range(count):
        if len(data) < at + 2:
            return len(data) + 1
        if data[at] & 2:
            at += 9 + int.from_bytes(data[at + 1:at + 9], "big")
        else:
            at += 2 + data[at + 1]
    return at


class Tap(Link):
    """A relay that keeps what it has seen, and says it twice when it is told to."""

    def __init__(self, port, target):
        self.recordings = {}            #  by the socket of the one that connected
        self.twice = None               #  the way in which what comes next goes twice: "asked", "answered"
        self.doubled = None             #  the recording of the connection in which that was done
        super().__init__(port, target)

    @property
    def seen(self):
        """All of it."""
        return b"".join(bytes(one.asked) + bytes(one.answered) for one in list(self.recordings.values()))

    def whole_again(self):
        """Whether somebody is connected, and let in."""
        return any(not one.ended and after(one.answered, 2) <= len(one.answered) for one in list(self.recordings.values()))

    def slip(self, data):
        """Says this to those who have connected, as if it was answered."""
        for near, recording in list(self.recordings.items()):
            if not recording.ended:
                try:
                    near.sendall(data)
                except OSError:
                    pass            #  it ends this moment

    def carry(self, source, sink, back=False):
        way = "answered" if back else "asked"
        recording = self.recordings.setdefault(sink if back else source, Recording())
        tap = self

        class Reader:
            @staticmethod
            def recv(size):
                data = source.recv(size)
                before = len(getattr(recording, way))
                getattr(recording, way).extend(data)
                if data and tap.twice == way and before > GREETING:
                    tap.twice, tap.doubled = None, recording
                    return data + data
                return data
            shutdown = source.shutdown
        super().carry(Reader, sink, back)
        recording.ended = True


class Keyed:
    """A pair with keys on all its ports, or, `insecure`, on none; its operator's commands use the brokers' config."""

    def __init__(self, store="replicated", more="", witness=False, links=False, insecure=False):
        self.shared = store == "shared"
        self.folder = tempfile.mkdtemp(prefix="zbroker-test-")
        base = free_ports(16)
        self.base = base
        self.ports = [base, base + 8]
        self.endpoints = ["tcp://127.0.0.1:%d" % port for port in self.ports]
        self.witness = "tcp://127.0.0.1:%d" % (base + 6) if witness else None
        names = ["primary", "backup"] + (["witness"] if witness else [])
        self.public = {name: None if insecure else make("%s/%s.key" % (self.folder, name)) for name in names}
        self.configs = {}
        #  What one broker sends to the other, and both to the witness, goes through a relay, which reads along and can be cut.
        self.links = [Tap(base + 8 * host + 3 + part, base + 8 * host + part) for host in (0, 1) for part in range(3)] if links else []
        if links and witness:
            self.links.append(Tap(base + 7, base + 6))

        def ways(name):
            text = ""
            for host, other in enumerate(ROLES):
                port = base + 8 * host + (3 if links and other != name else 0)
                text += "%s\n    endpoint = tcp://127.0.0.1:%d\n    state = tcp://127.0.0.1:%d\n    ship = tcp://127.0.0.1:%d\n" % (
                    other, port, port + 1, port + 2)
            return text
        #  A link that is tampered with is closed for a moment, which on a busy machine may be long: nobody takes over for that.
        waits = "    silence = 3s\n    ack-limit = 4s\n" if links and witness else ""
        for name in names:
            third = "    witness = tcp://127.0.0.1:%d\n" % (base + (7 if links and name != "witness" else 6)) if witness else ""
            keys = "    insecure = yes\n" if insecure else "    own = %s/%s.key\n%s" % (
                self.folder, name, "".join("    %s = \"%s\"\n" % pair for pair in self.public.items()))
            self.configs[name] = "%s/%s.conf" % (self.folder, name)
            with open(self.configs[name], "w") as config:
                os.chmod(self.configs[name], 0o600)
                config.write("pair\n    name = test\n    secret = sixteen-letters-and-more\n%s%s%skeys\n%s%s" % (
                    waits, third, ways(name), keys, more))
        self.brokers = [
            Broker(["--as", role, "--config", self.configs[role],
                    "--store", "%s/%s" % (self.folder, "store" if self.shared else role),
                    *(["--shared"] if self.shared else [])], "%s/%s.log" % (self.folder, role))
            for role in ROLES]
        if witness:
            self.third = Broker([self.configs["witness"], "--store", self.folder + "/w"], self.folder + "/witness.log")
            self.third.command = "witness"

    def start(self):
        for broker in self.brokers:
            broker.start(ready=False)
        for broker in self.brokers:
            broker.wait_line("READY")
        return self

    def key(self, *arguments, check=True, at="primary"):
        done = subprocess.run([PROGRAM, "key", *arguments, "--config", self.configs[at], "--timeout", "%d" % min(PATIENCE * 1000, 600000)],
                              capture_output=True, text=True, timeout=3 * PATIENCE)
        assert not check or done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done

    def new(self, name, *rules):
        """Makes a principal; returns its file."""
        path = "%s/%s.key" % (self.folder, name)
        self.key("new", name, *rules, "--file", path)
        return path

    def status(self, index):
        with at(self, index, "%s/primary.key" % self.folder) as sock:
            reply = sock.ask("STATUS", 1)
            assert not reply or reply[1] == b"OK", reply
            return json.loads(reply[4]) if reply else None

    def in_step(self):
        def leader():
            states = [self.status(index) if self.brokers[index].alive else None for index in (0, 1)]
            for index, state in enumerate(states):
                if all(states) and state["role"] == "active" and all(one["in_step"] for one in states):
                    return index + 1
            return 0
        return wait_for(leader, "a pair in sync") - 1

    def close(self):
        try:
            finish(self.brokers)
        finally:
            for link in self.links:
                link.close()
            shutil.rmtree(self.folder)


class KeyedPair(Keyed):
    """In the place of brokers.Pair: what the tests know of an endpoint has a key, with which they may do everything."""

    def start(self):
        """The brokers, and what all who use the pair need."""
        self.introduce(self.folder + "/primary.key")
        super().start()
        self.in_step()
        path = self.new("tester", *("%s=*" % right for right in ("put", "get", "manage", "look", "as", "operate")),
                        "get=*/*", "manage=*/*")
        self.introduce(path)
        #  For programs.
        os.environ["ZBROKER_KEY"] = path
        return self

    def introduce(self, path):
        """From now on whoever asks these endpoints does it with this key."""
        for endpoint, role in zip(self.endpoints, ROLES):
            zb1.KEYS[endpoint] = (self.public[role].encode(), zmq.auth.load_certificate(path))

    @staticmethod
    def level(replicated):
        return replicated

    def close(self):
        os.environ.pop("ZBROKER_KEY", None)
        for endpoint in self.endpoints:
            zb1.KEYS.pop(endpoint, None)
        super().close()


class Socket:
    """A plain client: a DEALER with the socket options of PROTOCOL.md."""

    def __init__(self, endpoint, path, server, routing=None, key=None):
        self.sock = zmq.Context.instance().socket(zmq.DEALER)
        self.sock.linger = 0
        self.sock.reconnect_ivl = 20
        if server:
            self.sock.curve_serverkey = server.encode()
            self.sock.curve_publickey, self.sock.curve_secretkey = key or zmq.auth.load_certificate(path)
        if routing:
            self.sock.routing_id = routing
        self.sock.connect(endpoint)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close(0)

    def send(self, *frames):
        self.sock.send_multipart([b"ZB1"] + [f if isinstance(f, bytes) else str(f).encode() for f in frames])

    def recv(self, patience=REPLY):
        return self.sock.recv_multipart() if self.sock.poll(patience * 1000) else None

    def ask(self, *frames, patience=REPLY):
        self.send(*frames)
        return self.recv(patience)

    def code(self, *frames):
        """"OK", "MSG", or the ERR's code."""
        reply = self.ask(*frames)
        return reply and (reply[4] if reply[1] == b"ERR" else reply[1]).decode()


def at(pair, index, path, **more):
    """A client of the pair's broker, with this file's key."""
    return Socket(pair.endpoints[index], path, pair.public[ROLES[index]], **more)


def program(pair, path, *arguments, check=True, text=None):
    done = subprocess.run([PROGRAM, *arguments, "--key", path], capture_output=True, text=True, input=text, timeout=3 * PATIENCE)
    assert not check or done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done
