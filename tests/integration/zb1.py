"""ZB1 as a foreign client sees it: plain pyzmq sockets and include/PROTOCOL.md, nothing of ours.

The client keeps a DEALER to each broker, says HELLO to one of them, and goes to the other at the first sign of
trouble: a closed connection, PASSIVE, 503, or silence.
"""
import json
import os
import re
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

from patience import PATIENCE, REPLY, SILENCE


#  Endpoints of brokers with keys: the broker's public key, and the pair of keys of whoever asks.
KEYS = {}


def secure(sock, endpoint):
    """What a socket with a key needs before it connects."""
    if endpoint in KEYS:
        sock.curve_serverkey, (sock.curve_publickey, sock.curve_secretkey) = KEYS[endpoint]


def verbs():
    """The name and the right in each row of the table of verbs."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/core/wire/protocol.c")) as table:
        return re.findall(r"\[ZB_[A-Z]+\] = \{\s*\"([A-Z]+)\".*?ZB_RIGHT_([A-Z]+)", table.read(), re.S)


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__("%d %s" % (code, text))
        self.code = code


def ask(endpoint, *frames, patience=REPLY):
    """One request on a connection of its own; returns the reply's frames or None."""
    with zmq.Context.instance().socket(zmq.DEALER) as sock:
        sock.linger = 0
        secure(sock, endpoint)
        sock.connect(endpoint)
        sock.send_multipart([b"ZB1"] + [f if isinstance(f, bytes) else str(f).encode() for f in frames])
        return sock.recv_multipart() if sock.poll(patience * 1000) else None


def way_out(endpoint, reason):
    """What a broker says that an operator can do for this reason: texts, none if nothing waits for him."""
    return [one["text"] for one in status(endpoint)["way_out"] if one["reason"] == reason]


def refused(endpoint):
    """The text of the 503 that a HELLO gets; None if it gets another answer."""
    reply = ask(endpoint, "HELLO", "1")
    return reply[5].decode() if reply and reply[1] == b"ERR" and reply[4] == b"503" else None


def status(endpoint, patience=REPLY):
    reply = ask(endpoint, "STATUS", "1", patience=patience)
    return json.loads(reply[4]) if reply else None


class Client:
    def __init__(self, endpoints, name=""):
        self.endpoints = endpoints
        self.name = name.encode()
        self.token = b""
        self.instance = b""
        self.last = 0
        self.current = 0
        self.socks = [None] * len(endpoints)
        self.monitors = [None] * len(endpoints)
        self.greeted = False
        self.hellos = 0
        self.errors = []        #  every ERR that HELLO or a stream was answered
        for index in range(len(endpoints)):
            self._connect(index)

    def _connect(self, index):
        if self.socks[index]:
            self.socks[index].disable_monitor()
            self.socks[index].close(0)
        sock = zmq.Context.instance().socket(zmq.DEALER)
        sock.linger = 0
        sock.reconnect_ivl = 20
        sock.reconnect_ivl_max = 100
        self.monitors[index] = sock.get_monitor_socket(
            zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED | zmq.EVENT_CONNECT_RETRIED)
        secure(sock, self.endpoints[index])
        sock.connect(self.endpoints[index])
        self.socks[index] = sock

    def close(self):
        for sock in self.socks:
            sock.disable_monitor()
            sock.close(0)

    def send(self, *frames):
        self.socks[self.current].send_multipart(
            [b"ZB1"] + [f if isinstance(f, bytes) else str(f).encode() for f in frames], zmq.DONTWAIT)

    def recv(self, wait):
        """The next reply of the current broker, or None after `wait` seconds or a closed connection."""
        poller = zmq.Poller()
        poller.register(self.socks[self.current], zmq.POLLIN)
        poller.register(self.monitors[self.current], zmq.POLLIN)
        #  Less than no time left would be for ever.
        ready = dict(poller.poll(max(wait, 0) * 1000))
        if self.socks[self.current] in ready:
            return self.socks[self.current].recv_multipart()
        if self.monitors[self.current] in ready:
            #  Closed, or refused: this broker is gone.
            recv_monitor_message(self.monitors[self.current])
            self.greeted = False
            self.current = (self.current + 1) % len(self.endpoints)
        return None

    def hello(self, patience=PATIENCE):
        """Says HELLO until a broker serves."""
        end = time.monotonic() + patience
        why = "silence"
        while time.monotonic() < end:
            self.hellos += 1
            #  A fresh socket: nothing that was queued for the old connection arrives late.
            self._connect(self.current)
            number = b"h%d" % self.hellos
            self.send("HELLO", number, self.name, self.token, self.instance)
            self.greeted = True
            until = time.monotonic() + SILENCE
            asked = self.current
            while self.greeted and time.monotonic() < until:
                reply = self.recv(until - time.monotonic())
                if reply is None or reply[2] != number:
                    continue
                if reply[1] == b"OK":
                    self.token, self.instance, self.last = reply[3], reply[4], int(reply[5])
                    return self.last
                if reply[1] == b"ERR":
                    self.errors.append(reply)
                if reply[1] == b"ERR" and int(reply[4]) not in (503,):
                    raise Refused(int(reply[4]), reply[5].decode())
                why = reply
                break
            self.greeted = False
            if self.current == asked:
                self.current = (self.current + 1) % len(self.endpoints)
            time.sleep(0.01)
        raise AssertionError("nobody served within %d s: %r" % (patience, why))

    def request(self, verb, number, *frames, patience=PATIENCE, wait=SILENCE):
        """Resends until OK or MSG; returns the arguments.  An ERR that is for good is raised."""
        end = time.monotonic() + patience
        number = str(number).encode()
        while time.monotonic() < end:
            if not self.greeted:
                self.hello(end - time.monotonic())
            self.send(verb, number, *frames)
            until = time.monotonic() + wait + SILENCE
            while self.greeted and time.monotonic() < until:
                reply = self.recv(until - time.monotonic())
                if reply is None or reply[2] != number:
                    continue
                if reply[1] in (b"OK", b"MSG"):
                    self.token = reply[3]
                    return reply[4:]
                if reply[1] == b"ERR" and int(reply[4]) not in (401, 503):
                    raise Refused(int(reply[4]), reply[5].decode())
                break
            self.greeted = False
        raise AssertionError("no OK within %d s" % patience)

    def stream(self, queue, bodies, window=100, progress=None):
        """PUTs numbered from last + 1 on, pipelined, each body of its own; returns (levels, gaps): how often each
        level was answered, and the seconds between two OKs around each HELLO."""
        first = self.last + 1 if self.greeted else self.hello() + 1
        sent = acked = first - 1
        total = first - 1 + len(bodies)
        levels, gaps = {}, []
        since = time.monotonic()
        troubled = False
        while acked < total:
            if not self.greeted:
                troubled = True
                sent = self.hello()
                assert acked <= sent <= total, (acked, sent)
                #  What the broker has already is resent as well: each OK must be heard.
                sent = acked
            while sent < total and sent - acked < window:
                sent += 1
                self.send("PUT", sent, queue, "", bodies[sent - first])
            reply = self.recv(SILENCE)
            if reply is None:
                #  Silence: ask elsewhere.
                if self.greeted and time.monotonic() - since > SILENCE:
                    self.greeted = False
                continue
            if reply[1] == b"OK" and reply[2] == b"%d" % (acked + 1):
                acked += 1
                self.token = reply[3]
                levels[reply[4].decode()] = levels.get(reply[4].decode(), 0) + 1
                now = time.monotonic()
                if troubled:
                    gaps.append(now - since)
                    troubled = False
                since = now
                if progress:
                    progress(acked - first + 1)
            elif reply[1] != b"OK":
                if reply[1] == b"ERR":
                    self.errors.append(reply)
                assert reply[1] == b"PASSIVE" or int(reply[4]) in (401, 503, 409), reply
                self.greeted = False
        self.last = total
        return levels, gaps

    def drain(self, queue, wait=300, acks=b""):
        """GETs and acknowledges until the queue is empty; returns the bodies in the order of delivery."""
        got, number = [], 0
        while True:
            number += 1
            level, _, index, *bodies = self.request("GET", "g%d" % number, queue, 1000, wait, acks, wait=wait / 1000 + 1)
            if not bodies and not acks:
                return got
            lines = index.decode().split("\n") if bodies else []
            assert len(lines) == len(bodies)
            acks = " ".join(line.split(" ")[0] for line in lines).encode()
            got.extend(bodies)
