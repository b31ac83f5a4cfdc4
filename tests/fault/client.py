#!/usr/bin/env python3
"""Clients of one host: producers and consumers, plain pyzmq, that write down what they sent and heard.

    client.py HISTORY BROKERS ROLE...

A role is producer:NAME:QUEUE:RATE (named, pipelined), nameless:NAME:QUEUE:RATE (one PUT at a time) or
consumer:NAME:QUEUE; roles.py has more.  HISTORY gets the events of history.py, one a line; HISTORY.frames all that was sent and heard, for
the judge of histories (scribe.py).  Each line on standard input is a word for all
roles of a kind: "pause producers" lets what is under way be answered, and is answered "paused producers" when it is;
"go producers" goes on; likewise consumers, which acknowledge what they hold before they pause, and other groups.  The end of
the input is the end of the process.  "forget consumers" makes new ones of them, that remember no
reply, and have no name until they pause.
"""
import os
import random
import sys
import threading
import time

import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import zb1  # noqa: E402
from scribe import Scribe  # noqa: E402

PATIENCE = 150              #  seconds without an OK until a client gives up: the pair is stuck
LARGEST = int(os.environ.get("ZBROKER_FAULT_BODY", "5000"))
LOCK = threading.Lock()
TIME = "zb-time="           #  of a topic's messages: when it was put


class Client(zb1.Client):
    """Writes down each request and each answer."""

    def __init__(self, endpoints, name, scribe):
        self.scribe = scribe
        self.connections = [None] * len(endpoints)
        super().__init__(endpoints, name)

    def _connect(self, index):
        if self.connections[index]:
            self.scribe.closed(self.connections[index])
        super()._connect(index)
        self.connections[index] = self.scribe.connected("AB"[index])

    def send(self, *frames):
        self.scribe.sent(self.connections[self.current], *frames)
        super().send(*frames)

    def recv(self, wait):
        asked = self.current
        reply = super().recv(wait)
        if reply is not None:
            self.scribe.heard(self.connections[asked], reply)
        return reply


class Role(threading.Thread):
    kind = ""
    group = "producers"         #  that is told to go and to pause together

    def __init__(self, history, frames, brokers, name, queue):
        super().__init__(daemon=True)
        self.history = history
        self.name_, self.queue = name, queue
        self.client = Client(brokers, "" if self.kind == "nameless" else name, Scribe(frames, name))
        self.random = random.Random(name)
        self.go = threading.Event()
        self.idle = threading.Event()

    def note(self, *event):
        self.history.write("\t".join([event[0], "%.6f" % time.monotonic(), *map(str, event[1:])]) + "\n")

    def run(self):
        try:
            while True:
                if not self.go.is_set():
                    self.rest()
                    self.idle.set()
                    self.go.wait()
                    self.idle.clear()
                    self.back()
                self.work()
        except BaseException as error:  # noqa: BLE001  a thread's end must be seen
            with LOCK:
                print("failed\t%s\t%s: %s" % (self.name_, type(error).__name__, str(error).replace("\n", " ")), flush=True)
            raise

    def rest(self):
        """Before it pauses."""

    def back(self):
        """After it paused."""


class Producer(Role):
    """Keeps PUTs in flight, and resends all that is not answered after each HELLO."""
    kind = "producers"
    sizes = (0, 0, 10, 100, 1000, LARGEST)      #  bytes of its bodies
    nap = 0.02                  #  seconds that it waits for an answer before it looks what it may send

    def __init__(self, *args):
        *rest, rate = args
        super().__init__(*rest)
        self.rate = float(rate)
        self.sent = self.acked = None
        self.highest = 0            #  number that was ever sent
        self.bodies = {}
        self.heard = self.began = time.monotonic()
        self.allowance = 0.0

    def body(self, number):
        if number not in self.bodies:
            size = self.random.choice(self.sizes)
            self.bodies[number] = b"%s %d %s" % (self.name_.encode(), number, os.urandom(size))
        return self.bodies[number]

    def properties(self, number):
        """Of a PUT, the same each time that it is sent."""
        return ""

    def note_put(self):
        self.note("put", self.name_, self.sent)

    def back(self):
        self.began, self.allowance = time.monotonic(), 0.0
        self.heard = self.began

    def greet(self):
        last = self.client.hello(PATIENCE)
        if self.acked is None:
            self.acked = self.highest = last
        if not self.acked <= last <= self.highest:
            raise AssertionError("HELLO says %d, but %d were answered and %d sent" % (last, self.acked, self.highest))
        self.sent = self.acked
        self.spoken = time.monotonic()

    def send(self):
        self.sent += 1
        self.highest = max(self.highest, self.sent)
        self.note_put()
        self.client.send("PUT", self.sent, self.queue, self.properties(self.sent), self.body(self.sent))

    def window(self):
        now = time.monotonic()
        self.allowance = min(self.allowance + (now - self.began) * self.rate, 100.0)
        self.began = now
        #  Again what was sent before; new ones at the rate, and none before a pause.
        while self.sent < self.highest:
            self.send()
        while self.go.is_set() and self.allowance >= 1 and self.sent - self.acked < 100:
            self.allowance -= 1
            self.send()

    def work(self):
        if not self.client.greeted:
            self.greet()
        self.window()
        reply = self.client.recv(self.nap)
        now = time.monotonic()
        if reply is None:
            if self.sent == self.acked:
                self.heard = self.spoken = now
            if now - self.heard > PATIENCE:
                raise AssertionError("no OK for %d s" % PATIENCE)
            if now - self.spoken > zb1.SILENCE:
                self.client.greeted = False
            return
        self.spoken = now
        self.take(reply, now)

    def take(self, reply, now):
        if reply[1] == b"OK":
            if reply[2] == b"%d" % (self.acked + 1):
                self.acked += 1
                self.client.token = reply[3]
                self.heard = now
                self.bodies.pop(self.acked, None)
                level, first, _, *more = (frame.decode() for frame in reply[4:])
                if more not in ([], ["duplicate"]):
                    raise AssertionError("answered %r" % reply)
                self.note("stored", self.name_, self.acked, level, first, int(bool(more)))
        elif reply[1] == b"PASSIVE" or reply[4] in (b"401", b"503"):
            self.client.greeted = False
            time.sleep(0.01)
        elif reply[4] in (b"429", b"507"):
            #  What is behind it is refused, too; later, from there on.
            time.sleep(0.2)
            self.client.greeted = False
        elif reply[4] == b"413":
            #  The other broker has a lower limit.  The number is free, unless its PUT is stored: then this is a lie.
            self.bodies[int(reply[2])] = b"%s %d -" % (self.name_.encode(), int(reply[2]))
            self.client.greeted = False
        elif reply[4] == b"409" and reply[5].isdigit() and int(reply[5]) <= int(reply[2]):
            self.client.greeted = False
        else:
            raise AssertionError("refused: %r" % reply)

    def rest(self):
        while self.acked is None or self.acked < self.highest:
            self.work()


class Nameless(Producer):
    """One PUT at a time, under any id; resent until OK."""
    kind = "nameless"

    def __init__(self, *args):
        super().__init__(*args)
        self.highest = 0
        send = self.client.send

        def noted(verb, *rest):
            if verb == "PUT":
                self.note("put", self.name_, self.highest)
            send(verb, *rest)
        self.client.send = noted

    def work(self):
        self.highest += 1
        number = self.highest
        end = time.monotonic() + PATIENCE
        while True:
            try:
                level, first, _ = self.client.request("PUT", "n%d" % number, self.queue, "", self.body(number), patience=1)[:3]
                break
            except zb1.Refused as refused:
                if refused.code == 413:
                    self.bodies[number] = b"%s %d -" % (self.name_.encode(), number)
                elif refused.code not in (429, 507):
                    raise
                time.sleep(0.2)
            except AssertionError:
                pass
            if time.monotonic() > end:
                raise AssertionError("no OK for %d s" % PATIENCE)
        self.bodies.clear()
        self.note("stored", self.name_, number, level.decode(), first.decode(), 0)
        time.sleep(1 / self.rate)

    def rest(self):
        pass


class Consumer(Role):
    """GETs, and acknowledges with the next GET."""
    kind = group = "consumers"

    def __init__(self, *args):
        super().__init__(*args)
        self.round = 0
        self.held = []
        self.new = threading.Event()
        self.hurry = threading.Event()  #  no producer puts any more
        self.named = self.client.name

    def acked(self, level):
        for identity in self.held:
            self.note("acked", self.name_, identity, level.decode())
        self.held = []

    def become(self, name):
        """Another process than before."""
        self.client.name, self.client.instance, self.client.token = name, b"", b""
        self.client.greeted = False

    def forget(self):
        self.held = []
        self.become(b"")
        self.client.current = self.random.randrange(len(self.client.endpoints))

    def work(self, most=None):
        if self.new.is_set():
            self.new.clear()
            self.forget()
        self.get(self.random.choice((1, 10, 100)) if most is None else most)

    def get(self, most, wait=100):
        """Acknowledges what it holds, and holds what comes."""
        self.round += 1
        number = "g%d" % self.round
        self.note("get", self.name_, number)
        level, _, index, *bodies = self.client.request("GET", number, self.queue, most, wait, " ".join(self.held),
                                                       patience=PATIENCE, wait=wait / 1000)
        self.acked(level)
        lines = index.decode().split("\n") if bodies else []
        if len(lines) != len(bodies):
            raise AssertionError("%d lines and %d bodies" % (len(lines), len(bodies)))
        for line, body in zip(lines, bodies):
            head, *properties = line.split("\t")
            identity, count = head.split(" ")
            producer, name = body.split(b" ")[:2]
            times = [text[len(TIME):] for text in properties if text.startswith(TIME)]
            self.note("got", self.name_, number, identity, count, producer.decode(), name.decode(), *times)
            self.held.append(identity)

    def rest(self):
        if self.held:
            level, = self.client.request("ACK", "a%d" % self.round, self.queue, " ".join(self.held), patience=PATIENCE)
            self.acked(level)
        if self.client.name != self.named:
            self.become(self.named)


KINDS = {"producer": Producer, "nameless": Nameless, "consumer": Consumer}


def main(kinds):
    history, brokers, *roles = sys.argv[1:]
    #  Impatient clients are the harder ones: they ask the other broker at once.
    zb1.SILENCE = float(os.environ.get("ZBROKER_FAULT_SILENCE", "0.4"))
    zmq.Context.instance().io_threads = 1
    parts = []
    with open(history, "a", buffering=1) as file, open(history + ".frames", "a", buffering=1) as frames:
        for role in roles:
            kind, *arguments = role.split(":")
            parts.append(kinds[kind](file, frames, brokers.split(","), *arguments))
            parts[-1].start()
        for line in sys.stdin:
            word, whom = line.split()
            chosen = [part for part in parts if part.group == whom]
            for part in chosen:
                {"go": part.go.set, "pause": part.go.clear, "forget": part.new.set if part.kind == "consumers" else None}[word]()
            if whom == "producers":
                for part in parts:
                    if part.kind == "consumers":
                        {"go": part.hurry.clear, "pause": part.hurry.set}[word]()
            if word == "pause":
                threading.Thread(target=paused, args=(chosen, whom), daemon=True).start()
    os._exit(0)


def paused(parts, whom):
    for part in parts:
        part.idle.wait()
    with LOCK:
        print("paused\t%s" % whom, flush=True)


if __name__ == "__main__":
    main(KINDS)
