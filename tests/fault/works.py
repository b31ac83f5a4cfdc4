"""What workers made of messages: of each exactly one result, in the manner of history.py, whose events it is fed with.

    made    time worker number producer number       a worker is about to put a result, under this name and number, of this message
    refused time worker number                       this result was refused, and the number is another one's from now on

A worker's PUT acknowledges what it was made of, in one commit.  So when the queues are drained, each message that was
stored has one result, that was stored or delivered.  What it counts:

    unmade      a message that was stored, or delivered, and is gone, has no result
    remade      a message has several results, which have been answered OK, or of which two are of one leadership

What the README takes back is counted by its name:

    made again, unanswered          without a split: of several results one at most was answered OK.  A PUT that nobody had
                                    answered when its broker died may come back
    made on both sides of a split   each result is of a leadership of its own
    made again by a copy            the same, and a store was set back
"""
from collections import Counter

from history import COUNT_BITS

FAULTS = ("unmade", "remade")


class Result:
    __slots__ = ("messages", "stored", "ids")

    def __init__(self):
        self.messages = []          #  that it was made of
        self.stored = False         #  answered OK
        self.ids = set()            #  under which it was stored, or delivered

    @property
    def there(self):
        return self.stored or bool(self.ids)


class Works:
    """The results of the messages of some producers."""

    def __init__(self, producers):
        self.producers = set(producers)
        self.there = set()          #  messages that were stored, or delivered
        self.results = {}           #  by worker and number
        self.made = {}              #  results of a message
        self.new = set()            #  messages of which something was heard in this round
        self.merged = self.copied = None
        self.counts = Counter()
        self.findings = {fault: [] for fault in FAULTS}

    def feed(self, event):
        kind, _, *rest = event
        getattr(self, "_" + kind, lambda *_: None)(*rest)

    def _made(self, worker, number, producer, job):
        message = (producer, int(job))
        result = self.results.setdefault((worker, int(number)), Result())
        if message not in result.messages:
            result.messages.append(message)
            self.made.setdefault(message, []).append(result)
        self.new.add(message)

    def _refused(self, worker, number):
        result = self.results.pop((worker, int(number)))
        for message in result.messages:
            self.made[message].remove(result)

    def _stored(self, producer, number, _, first, __):
        if producer in self.producers:
            self._heard((producer, int(number)))
            return
        result = self.results[producer, int(number)]
        result.stored = True
        self._known_as(result, first)

    def _got(self, _, __, identity, ___, producer, number, *____):
        if producer in self.producers:
            self._heard((producer, int(number)))
        elif (producer, int(number)) in self.results:
            self._known_as(self.results[producer, int(number)], identity)

    def _heard(self, message):
        self.there.add(message)
        self.new.add(message)

    def _known_as(self, result, identity):
        if identity != "0":
            result.ids.add(identity)
        self.new.update(result.messages)

    def verdict(self):
        """When all queues were drained."""
        for message in sorted(self.new):
            results = [result for result in self.made.get(message, ()) if result.there]
            if not results and message in self.there:
                self._find("unmade", message)
            elif len(results) > 1:
                self._several(message, results)
        return self.counts

    def _several(self, message, results):
        sides = [int(identity) >> COUNT_BITS for result in results for identity in result.ids]
        alone = len(sides) == len(set(sides))
        answered = sum(result.stored for result in results)
        ids = [sorted(result.ids) for result in results]
        if self.merged and self.copied and alone:
            self.counts["made again by a copy"] += 1
        elif self.merged and alone:
            self.counts["made on both sides of a split"] += 1
        elif alone and answered <= 1:
            self.counts["made again, unanswered"] += 1
        else:
            self._find("remade", message, "%d answered" % answered, ids)

    def _find(self, fault, *what):
        self.counts[fault] += 1
        self.findings[fault].append(what)

    def new_round(self):
        self.new.clear()
        self.merged = self.copied = None
        self.counts = Counter()
        self.findings = {fault: [] for fault in FAULTS}
