#!/usr/bin/env python3
"""Mutated requests, mutated ZMTP and CURVE, on every port of a pair and its witness: does anybody notice?

    python3 tests/fault/mutate.py --minutes 30 --seed 1 [--keys]

With keys the strangers have none, or one that nobody knows, or that of a principal that may use one queue; they mutate what
is in CURVE's boxes, the boxes, and the handshake.  Nobody but the principal may be let in, nor may it do more than it was allowed.

Beside it one client puts, gets and acknowledges, and another one uses every verb; both must be served as if nothing were.
A seed makes the same choices, not the same run.  ZBROKER_PROGRAM is the broker, best one with sanitizers (and ZBROKER_SLOWER
says how much slower that is); it ends with 1 if there was a finding.
"""
import argparse
import multiprocessing
import os
import random
import shutil
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import zmq                                                                       # noqa: E402
import zmq.auth                                                                  # noqa: E402

from brokers import Broker, Pair, free_ports                                     # noqa: E402
from conftest import in_step                                                     # noqa: E402
from crowd import Good, share                                                    # noqa: E402
from curve import Curve                                                          # noqa: E402
from keyed import KeyedPair                                                      # noqa: E402
from patience import REPLY                                                       # noqa: E402
from zb1 import Client, Refused, status                                          # noqa: E402
from zmtp import GREETING, frame, message, ready                                 # noqa: E402


def corpus():
    """The requests of the fuzz corpus, at the queue of the strangers."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz", "corpus")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            text = file.read()
        if text.startswith(b"QZB1|"):
            yield [QUEUE if part == b"orders" else part for part in text.split(b"|")[1:]]


PATIENT = 0.3               # seconds that a mutated client waits for the broker's READY
LEAST = 20                  # connections of each process, however slow the machine
QUEUE = b"fuzz"             # theirs; nobody else's messages are in it
#  Requests that a broker takes; behind them those of the fuzz corpus, good and bad.  What is mutated.
REQUESTS = [
    [b"HELLO", b"1"],
    [b"HELLO", b"2", b"fuzz-name", b"", b""],
    [b"HELLO", b"3", b"fuzz-name", b"1.1.5.p.015c0c3a40d4972f8c58cc5087adea50", b"1"],
    [b"PUT", b"1", QUEUE, b"colour=red\nsize=9", b"one", b"two", b"three"],
    [b"PUT", b"2", QUEUE, b"", b"x" * 300],
    [b"GET", b"4", QUEUE, b"10", b"0", b""],
    [b"GET", b"5", QUEUE, b"1000", b"100", b"1649267441665..1649267441670 1649267441672"],
    [b"GET", b"6", QUEUE, b"0", b"0", b""],
    [b"ACK", b"7", QUEUE, b"1649267441665 1649267441666..1649267441700"],
    [b"NACK", b"8", QUEUE, b"1..18446744073709551615"],
    [b"NACK", b"8", QUEUE, b"1649267441665", b"2147483647"],
    [b"NACK", b"8", QUEUE, b"1649267441665 1649267441667", b"", b"untried"],
    [b"EXTEND", b"9", QUEUE, b"1649267441665"],
    [b"MOVE", b"9", QUEUE, b"fuzz-target", b"1649267441667", b"10"],
    [b"REJECT", b"9", QUEUE, b"1649267441665 1649267441667"],
    [b"QUEUE", b"10", QUEUE, b"lease=1000\nmax-messages=100\nretry-delay=10..1000\nmax-deliveries=5"],
    [b"LIST", b"11", b"fu*"],
    [b"PURGE", b"12", QUEUE],
    [b"DELETE", b"13", QUEUE],
    [b"STATUS", b"14"],
    [b"PING", b"15"],
    [b"SWITCHOVER", b"16", b"0123456789abcdef" * 4],
    [b"UPGRADE", b"18", b"0123456789abcdef" * 4],
    [b"PROMOTE", b"17", b"0123456789abcdef" * 4, b"accept-loss"],
    [b"REPLAY", b"18", bytes(range(60)), b"0123456789abcdef" * 4],
    [b"KEY", b"19", b"0123456789abcdef" * 4, b"allow few put=*"],
    [b"BACKUP", b"20", b"0123456789abcdef" * 4, b"/nowhere", b"1000"],
    *corpus(),
]
KNOWN = (QUEUE, QUEUE + b".dead", b"good", b"verbs")     # with keys there are no other queues
LET_IN = "the principal is let in at client"
KINDS = {"client": b"DEALER", "state": b"SUB", "ship": b"PUSH", "witness": b"DEALER"}     # sockets that connect there
COMMANDS = [b"\x04PING\0\x0acontext", b"\x04PONGcontext", b"\x09SUBSCRIBE", b"\x06CANCEL", b"\x05ERROR\x04what",
            b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER", b"\x05HELLO" + bytes(195), b"\x08INITIATE" + bytes(100)]
NUMBERS = [b"0", b"-1", b"255", b"256", b"65536", b"2147483648", b"4294967295", b"9223372036854775808",
           b"18446744073709551615", b"18446744073709551616", b"00001", b""]


class Mutator:
    """What can be done to bytes and frames."""

    def __init__(self, seed):
        self.chance = random.Random(seed)

    def bytes(self, data):
        """The same with one to four changes."""
        chance, data = self.chance, bytearray(data)
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(data) + 1)
            to = min(len(data), at + chance.randrange(1, 9))
            what = chance.randrange(8)
            if what == 0 and at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            elif what == 1 and at < len(data):
                data[at] = chance.choice((0, 1, 2, 4, 9, 10, 32, 127, 128, 255))
            elif what == 2:
                del data[at:to]
            elif what == 3:
                data[at:at] = data[at:to] * chance.choice((1, 2, 50))
            elif what == 4:
                data[at:at] = chance.randbytes(chance.randrange(1, 40))
            elif what == 5:
                del data[at:]
            elif what == 6:
                data[at:to] = chance.choice(NUMBERS)
            else:
                data[at:to] = struct.pack(">Q", chance.choice((0, 1, 255, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1)))
        return bytes(data)

    def frames(self, frames):
        """The frames of a message with one to three changes, or none."""
        chance, frames = self.chance, list(frames)
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(frames))
            what = chance.randrange(9)
            if what < 4:
                frames[at] = self.bytes(frames[at])
            elif what == 4 and len(frames) > 1:
                del frames[at]
            elif what == 5:
                frames.insert(at, chance.choice((b"", b"ZB1", chance.randbytes(chance.randrange(300)))))
            elif what == 6:
                frames[at] = chance.choice(chance.choice(REQUESTS))
            elif what == 7 and len(frames) < 20:
                frames[at:at] = [frames[at][:1000]] * chance.choice((1, 10, 1100))
            elif what == 8:
                frames[at] = frames[at][:1000] * chance.choice((2, 30, 300, 2000))
        return frames

    def wire(self, frames):
        """The message as it goes over the wire, in one case of five mutated there."""
        data = message(*frames)
        return self.bytes(data) if self.chance.random() < 0.2 else data


class Fuzzer(Mutator):
    """One strange client after the other, at whatever port."""

    def __init__(self, seed, targets, recorded, few=None):
        super().__init__(seed)
        self.targets = targets          # (kind, port, the public key there or None)
        self.recorded = recorded        # heartbeats of the pair
        self.few = few                  # the keys of the principal, if there are keys
        self.curve = None               # of the connection, if it has one
        self.count = {}

    def sealed_or_not(self, frames):
        """The message as it goes over the wire: in boxes, if the connection has come so far."""
        if not self.curve:
            return self.wire(frames)
        data = self.curve.message(*frames)
        return self.bytes(data) if self.chance.random() < 0.1 else data

    def say(self, kind):
        """A message for a port of this kind."""
        chance = self.chance
        if chance.random() < 0.1:
            command = self.bytes(chance.choice(COMMANDS)) if self.curve else None
            return self.curve.seal(command, command=True) if command and chance.random() < 0.5 else \
                self.bytes(frame(chance.choice(COMMANDS), command=True))
        if kind == "client":
            frames = [b"ZB1", *chance.choice(REQUESTS)]
            if chance.random() < 0.2:
                frames = [chance.randbytes(chance.randrange(1, 6)) for _ in range(chance.randrange(3))] + [b""] + frames
        elif kind == "state":
            frames = [chance.choice((b"\1", b"\0", b"\1HART", b"\1" + chance.randbytes(20)))]
        elif kind == "witness":
            frames = [chance.choice((b"pair", b"test", b"x")),
                      chance.choice([self.sealed(32, 9), *chance.choice(self.recorded)])]
        else:
            kinds = ((1, 13), (2, 20), (3, 200), (4, 17), (5, 0), (6, 24))
            frames = chance.choice([[self.sealed(*chance.choice(kinds))], chance.choice(self.recorded)])
        return self.sealed_or_not(self.frames(frames))

    def sealed(self, kind, size):
        """A frame between brokers, whose seal is wrong."""
        return b"ZBP1" + bytes([1, kind, 1 + self.chance.randrange(2), 0]) + self.chance.randbytes(24 + size)

    def greet(self, sock, kind):
        """Without keys: as a client of libzmq does, or nearly."""
        chance = self.chance
        opening = [GREETING, ready(KINDS[kind] if kind != "client" else chance.choice((b"DEALER", b"REQ")),
                                   Identity=chance.randbytes(chance.choice((0, 0, 5, 200))))]
        for index in range(2):
            if chance.random() < 0.1:
                opening[index] = self.bytes(opening[index])
        sock.sendall(b"".join(opening))
        heard = b""
        while b"READY" not in heard and (data := sock.recv(4096)):
            heard += data
        if self.few and b"READY" in heard:
            self.let_in("one without a key", kind)

    def shake(self, sock, kind, server):
        """With keys: a drawn one, or that of the principal; at times something is wrong with a step of the handshake."""
        chance = self.chance
        keys, who = (self.few, "the principal") if chance.random() < 0.7 else (None, "one of a drawn key")
        curve = Curve(server, keys)
        wrong = chance.choice((0, 0, 0.1, 0.4))
        sock.settimeout(PATIENT if wrong else 10 * REPLY)
        more = {"Identity": chance.randbytes(chance.choice((1, 5, 200)))} if chance.random() < 0.3 else {}
        try:
            let_in = curve.shake(sock, KINDS[kind], lambda data: self.bytes(data) if chance.random() < wrong else data, **more)
        finally:
            #  What it says next is in boxes, also where nobody can open them.
            self.curve = curve if hasattr(curve, "theirs") else None
            sock.settimeout(PATIENT)
        if let_in:
            self.let_in(who, kind)

    def let_in(self, who, kind):
        what = who + " is let in at " + kind
        self.count[what] = self.count.get(what, 0) + 1

    def one(self):
        """A connection from its greeting to its end."""
        chance = self.chance
        kind, port, server = chance.choice(self.targets)
        self.count[kind] = self.count.get(kind, 0) + 1
        self.curve = None
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            sock.settimeout(PATIENT)
            try:
                if server and chance.random() < 0.8:
                    self.shake(sock, kind, server)
                else:
                    self.greet(sock, kind)
            except OSError:
                pass
            try:
                if kind == "client" and chance.random() < 0.7:
                    sock.sendall(self.sealed_or_not([b"ZB1", b"HELLO", b"h"]))
                for _ in range(chance.randrange(1, 30)):
                    sock.sendall(self.say(kind))
                if chance.random() < 0.5:
                    while sock.recv(65536):
                        pass
            except OSError:
                pass
            if chance.random() < 0.3:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def run(self, seconds):
        end = time.monotonic() + seconds
        tried = 0
        while time.monotonic() < end or tried < LEAST:
            tried += 1
            try:
                self.one()
            except OSError as error:
                #  A broker that is not there is the judge's business.
                self.count[str(error)] = self.count.get(str(error), 0) + 1
                time.sleep(0.1)


def fuzz(seed, targets, recorded, few, seconds, results):
    """The process of a fuzzer."""
    fuzzer = Fuzzer(seed, targets, recorded, few)
    fuzzer.run(seconds)
    results.put(fuzzer.count)


def record(endpoint, keys, count=20):
    """Some heartbeats of a broker, as the other one reads them."""
    with zmq.Context.instance().socket(zmq.SUB) as sock:
        sock.linger = 0
        if keys:
            sock.curve_serverkey, (sock.curve_publickey, sock.curve_secretkey) = keys
        sock.subscribe(b"")
        sock.connect(endpoint)
        beats = []
        while len(beats) < count:
            assert sock.poll(REPLY * 10000), "no heartbeat from " + endpoint
            beats.append(sock.recv_multipart())
        return beats


class Everything(threading.Thread):
    """A client that uses each verb, over and over; `wrong` is what it should not have been told."""

    def __init__(self, endpoints):
        super().__init__(daemon=True)
        self.endpoints = endpoints
        self.rounds = 0
        self.wrong = None
        self.stopped = threading.Event()

    def run(self):
        client = Client(self.endpoints)
        try:
            while not self.stopped.is_set():
                self.round(client)
                self.rounds += 1
        except (AssertionError, Refused) as error:
            self.wrong = repr(error)
        client.close()

    @staticmethod
    def round(client):
        ask = client.request
        ask("QUEUE", "q", "verbs", "lease=60000")
        ask("PUT", "p", "verbs", "a=b", "one", "two", wait=5)
        _, _, index, *bodies = ask("GET", "g", "verbs", 10, 1000, b"", wait=5)
        ids = b" ".join(line.split(b"\t")[0].split(b" ")[0] for line in index.split(b"\n"))
        assert bodies == [b"one", b"two"], bodies
        ask("EXTEND", "e", "verbs", ids)
        ask("NACK", "n", "verbs", ids)
        assert len(ask("GET", "g", "verbs", 10, 1000, b"", wait=5)) == 5
        ask("ACK", "a", "verbs", ids, wait=5)
        assert b"verbs" in ask("LIST", "l", "verbs", wait=10)
        ask("STATUS", "s")
        ask("PING", "i")
        ask("PURGE", "u", "verbs", wait=5)
        ask("DELETE", "d", "verbs", wait=5)


def open_pair():
    """A pair with a secret and a witness, without keys."""
    port = free_ports(1)
    pair = Pair("--config", "FOLDER/zbroker.conf")
    config = pair.folder + "/zbroker.conf"
    with open(config, "w") as file:
        file.write("pair\n    name = test\n    secret = \"a secret of the test\"\n    witness = \"tcp://127.0.0.1:%d\"\n" % port)
    for broker in pair.brokers:
        broker.options[broker.options.index("FOLDER/zbroker.conf")] = config
    pair.third = Broker(["--store", pair.folder + "/witness", config], pair.folder + "/witness.log")
    pair.third.command = "witness"
    pair.witness = "tcp://127.0.0.1:%d" % port
    pair.public = dict.fromkeys(("primary", "backup", "witness"))
    return pair


class World:
    """A pair with a secret, and its witness; `keys`: with CURVE on all ports."""

    def __init__(self, keys=False):
        self.pair = KeyedPair(witness=True) if keys else open_pair()
        self.witness = self.pair.third
        self.witness.start()
        self.pair.start()
        self.active = in_step(self.pair)
        self.targets = [(kind, base + offset, self.pair.public[role]) for base, role in zip(self.pair.ports, ("primary", "backup"))
                        for offset, kind in enumerate(("client", "state", "ship"))]
        self.targets.append(("witness", int(self.pair.witness.rsplit(":", 1)[1]), self.pair.public["witness"]))
        self.few = keys and zmq.auth.load_certificate(self.pair.new(
            "few", "put=fuzz", "get=fuzz", "manage=fuzz", "look=fuzz", "as=fuzz-name"))

    def heartbeats(self):
        """Some of each broker."""
        beats = []
        for index, (role, other) in enumerate((("primary", "backup"), ("backup", "primary"))):
            keys = self.few and (self.pair.public[role].encode(), zmq.auth.load_certificate("%s/%s.key" % (self.pair.folder, other)))
            beats += record("tcp://127.0.0.1:%d" % (self.pair.ports[index] + 1), keys)
        return beats

    def close(self):
        """Ends all of it; what a sanitizer or an exit code has to say fails here."""
        folder, self.pair.folder = self.pair.folder, self.pair.folder + "/none"
        os.makedirs(self.pair.folder)
        try:
            self.pair.close()
            self.witness.finish()
        finally:
            for broker in (*self.pair.brokers, self.witness):
                if broker.alive:
                    broker.kill()
            shutil.rmtree(folder)


def run(world, seed, alone, beside):
    """Times of the good client without and with the fuzzers, counts, and the findings."""
    pair = world.pair
    good, everything = Good(pair), Everything(pair.endpoints)
    good.run(1)
    everything.start()
    epoch = status(pair.endpoints[world.active], 10 * REPLY)["epoch"]
    times = {"without": good.run(alone)}
    recorded = world.heartbeats()
    results = multiprocessing.get_context("fork").Queue()
    fuzzers = [multiprocessing.get_context("fork").Process(
        target=fuzz, args=("%d.%d" % (seed, number), world.targets, recorded, world.few, beside, results)) for number in range(4)]
    for fuzzer in fuzzers:
        fuzzer.start()
    times["with"] = good.run(beside)
    count = {}
    for _ in fuzzers:
        for what, number in results.get(timeout=120 * REPLY).items():
            count[what] = count.get(what, 0) + number
    for fuzzer in fuzzers:
        fuzzer.join()
    everything.stopped.set()
    everything.join()
    good.got += [int(body) for body in good.client.drain("good")]
    listed = good.client.request("LIST", "l", "", "", "", wait=10)[:-1]
    good.client.close()
    findings = []
    for name, broker in zip(("the primary", "the backup", "the witness"), (*pair.brokers, world.witness)):
        if not broker.alive:
            findings.append("%s has ended: %s" % (name, broker.tail()))
    states = [status(endpoint, 10 * REPLY) for endpoint in pair.endpoints]
    if not all(states) or states[world.active]["role"] != "active" or states[world.active]["epoch"] != epoch:
        findings.append("a takeover that nobody has asked for")
    if missing := set(good.stored) - set(good.got):
        findings.append("%d messages that were answered OK are lost" % len(missing))
    if world.few:
        findings += [what for what in count if "is let in" in what and what != LET_IN]
        findings += ["a queue that they may not make: %r" % name for name in listed[::2] if name not in KNOWN]
    if everything.wrong:
        findings.append("the client of every verb: " + everything.wrong)
    return times, count, everything.rounds, findings, states


def report(times, count, rounds, findings, states):
    for part, kinds in times.items():
        print("%-8s %6d rounds; PUT p50 %.2f ms, p99 %.2f ms; round p99 %.2f ms, longest %.0f ms" % (
            part, len(kinds["PUT"]), share(kinds["PUT"], 0.5) * 1e3, share(kinds["PUT"], 0.99) * 1e3,
            share(kinds["round"], 0.99) * 1e3, max(kinds["round"]) * 1e3))
    print("connections: %s; rounds of every verb: %d" % (count, rounds))
    print("dropped: %s; refused: %s" % ([state and state["dropped"] for state in states],
                                        [state and state["refused"] for state in states]))
    ratio = max(times["with"]["round"]) / max(times["without"]["round"])
    print("%-4s longest gap at most 5 times that without: %.1f times" % ("ok" if ratio <= 5 else "NOT", ratio))
    for finding in findings:
        print("NOT  " + finding)
    return ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--alone", type=float, default=60, help="seconds of the good client before")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--keys", action="store_true", help="with CURVE on all ports")
    options = parser.parse_args()
    print("seed %d" % options.seed, flush=True)
    world = World(options.keys)
    try:
        findings = ["it did not end"]
        times, count, rounds, findings, states = run(world, options.seed, options.alone, options.minutes * 60)
        ratio = report(times, count, rounds, findings, states)
    finally:
        world.close()
    return 1 if findings or ratio > 5 else 0


if __name__ == "__main__":
    sys.exit(main())
