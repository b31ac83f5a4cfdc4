#!/usr/bin/env python3
"""The clients of client.py, and more of them: a topic, messages with a delay, messages with a key, and workers.

    roles.py HISTORY BROKERS ROLE...

teller:NAME:TOPIC:RATE puts what has subjects into a topic; slow:NAME:TOPIC/SUB:RATE reads so many a second, until no producer puts any more.
delayer:NAME:QUEUE:RATE puts messages that are due later, keyer:NAME:QUEUE:RATE such that have a key, which careful:NAME:QUEUE gets.
worker:NAME:QUEUE:OUTPUT gets
from a queue, and puts what it makes of that into another one, in the commit that acknowledges it.
"""
import time

import meaning
from client import KINDS, PATIENCE, Consumer, Producer, main
from zb1 import Refused


class Few(Producer):
    """A few small messages."""
    sizes = (0, 10, 100, 1000)
    nap = 0.05


class Teller(Few):
    """A filter that excludes the newest message is done with it a minute later, or with the next one: it ends with one that
    fits, so that all subscriptions can be drained."""

    def properties(self, number):
        return "subject=%s" % meaning.subject(number)

    def rest(self):
        super().rest()
        if self.highest and not meaning.fits(self.highest):
            self.send()
            super().rest()


class Keyer(Few):
    def properties(self, number):
        return "key=k%d" % meaning.key(number)


class Delayer(Few):
    """What it has put is there for a while after it pauses, so it is told to before the others."""
    group = "delayers"
    before = None               #  the highest number before it went on

    def back(self):
        super().back()
        self.before = self.highest

    def rest(self):
        super().rest()
        if self.highest == self.before:
            #  It was cut off all the time, and shall not say nothing.
            self.send()
            super().rest()

    def properties(self, number):
        return "delay=%d" % meaning.delay(number)

    def note_put(self):
        self.note("put", self.name_, self.sent, meaning.delay(self.sent))


class Slow(Consumer):
    def __init__(self, *args):
        *rest, rate = args
        super().__init__(*rest)
        self.rate = float(rate)

    def work(self, most=None):
        super().work(None if self.hurry.is_set() else 5)
        self.hurry.wait(len(self.held) / self.rate)


class Careful(Consumer):
    """Of a queue whose ACK asks who has a message: what is refused is settled, or another's, and no more its own."""

    def work(self, most=None):
        super().work(most)
        self.settle()

    def settle(self):
        ids, self.held = self.held, []
        if ids and not self.ack(ids) and len(ids) > 1:
            for identity in ids:
                self.ack([identity])

    def ack(self, ids):
        """Whether it was taken."""
        try:
            level, = self.client.request("ACK", "a%s" % ids[0], self.queue, " ".join(ids), patience=PATIENCE)
        except Refused as refused:
            if refused.code != 410:
                raise
            return False
        self.held = ids
        self.acked(level)
        return True


class Worker(Consumer):
    """One PUT at a time, under the next number of its name: of one or more messages that it got, which this PUT acknowledges.
    Where the number of a PUT may be stored though it was refused, it takes another name, and gives no number away twice."""

    def __init__(self, *args):
        *rest, self.output = args
        super().__init__(*rest)
        self.lives = 0
        self.jobs = {}              #  what it holds: bodies' first two words, by id
        self.tries = 0
        send, note = self.client.send, self.note

        def noted(verb, *frames):
            if verb == "PUT":
                self.tries += 1
                note("put", self.client.name.decode(), frames[0].decode())
            send(verb, *frames)

        def seen(*event):
            if event[0] == "got":
                self.jobs[event[3]] = event[5:7]
            note(*event)
        self.client.send, self.note = noted, seen

    def forget(self):
        """A process that knows nothing, and has a name that nobody has used."""
        self.lives += 1
        self.become(b"%s.%d" % (self.named, self.lives))

    def rest(self):
        """It holds nothing between two rounds of work."""

    def work(self, most=None):
        super().work(self.random.randint(1, 3))
        ids, self.held = self.held, []
        if ids:
            #  Its work, in which it may lose what it has.
            self.hurry.wait(self.random.choice((0, 0, 0.05, 0.3)))
        if ids and not self.make(ids) and len(ids) > 1:
            #  One of them is another's now.
            for identity in ids:
                self.make([identity])
        self.jobs.clear()

    def make(self, ids):
        """Whether it was taken."""
        if not self.client.greeted:
            self.client.hello(PATIENCE)
        number = self.client.last + 1
        name = self.client.name.decode()
        for identity in ids:
            self.note("made", name, number, *self.jobs[identity])
        self.tries = 0
        end = time.monotonic() + PATIENCE
        body = b"%s %d of %s" % (self.client.name, number, " ".join(ids).encode())
        while True:
            try:
                level, first, _, *duplicate = self.client.request("PUT", number, self.output, "acks=%s %s" % (self.queue, " ".join(ids)),
                                                                  body, patience=end - time.monotonic())
                break
            except Refused as refused:
                if refused.code == 410:
                    if self.tries > 1:
                        self.forget()
                    else:
                        self.note("refused", name, number)
                    return False
                if refused.code not in (429, 507):
                    raise
                time.sleep(0.2)
        self.client.last = number
        self.note("stored", name, number, level.decode(), first.decode(), int(bool(duplicate)))
        self.held = ids
        self.acked(level)
        return True


KINDS.update({"careful": Careful, "teller": Teller, "keyer": Keyer, "delayer": Delayer, "slow": Slow, "worker": Worker})

if __name__ == "__main__":
    main(KINDS)
