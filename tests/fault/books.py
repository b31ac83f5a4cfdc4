"""All ledgers of a pair: one for the queues of the plain load, and one for each queue and subscription beside them.

Each event names a producer or a consumer first, by which it finds its ledgers: what a producer puts into a topic is put
into each of its subscriptions.  A worker that took another name goes on as NAME.N.  To the rest of the suite this is one
ledger: what is set of it is set of all, and counts and findings are those of all.
"""
import time
from collections import Counter

import meaning
from history import FAULTS as LEDGERS, Ledger
from works import FAULTS as WORKS, Works

FAULTS = LEDGERS + WORKS
OF_PRODUCERS = ("put", "stored", "made", "refused")


def shared(name):
    """What all ledgers know that have it."""
    def tell(self, value):
        for _, ledger in self.ledgers:
            if hasattr(ledger, name):
                setattr(ledger, name, value)
    return property(lambda self: getattr(self.main, name), tell)


class Books:
    merged, copied, strangers = shared("merged"), shared("copied"), shared("strangers")
    promoted = shared("promoted")
    broken_off, clocks, behind = shared("broken_off"), shared("clocks"), shared("behind")

    def __init__(self, main, since=None, **settings):
        """main: the ledger of the plain load.  since: the time of day when the clock of the history was 0; now, if that is the
        monotonic one.  settings: of those beside it."""
        self.since = time.time() - time.monotonic() if since is None else since
        self.sent = {}                              #  when a message was sent first, in this round
        self.main, self.settings = main, settings
        self.ledgers = [("", main)]
        self.producers, self.consumers = {}, {}     #  ledgers by names
        self.given = Counter()                      #  messages by ledger, in this round

    def add(self, name, producers, consumers, **settings):
        self._add(name, Ledger(**self.settings, **settings), producers, consumers)

    def _add(self, name, ledger, producers, consumers):
        self.ledgers.append((name, ledger))
        for known, whose in ((self.producers, producers), (self.consumers, consumers)):
            for one in whose:
                known.setdefault(one, []).append(ledger)

    def add_topic(self):
        self.add("news/plain", "T", "S", subscription=True)
        self.add("news/part", "T", "U", subscription=True, fits=meaning.fits)
        self.add("news/slow", "T", "V", subscription=True)

    def add_delayed(self):
        self.add("later", "D", "Z", unordered="D")

    def add_keyed(self, consumers):
        self.add("keyed", "K", consumers, key=meaning.key)

    def add_works(self):
        self.add("jobs", "W", "XY", unordered="W")
        self.add("results", "XY", "E")
        self._add("works", Works("W"), "WXY", "XYE")

    #  As one ledger.

    def feed(self, event):
        kind, when, whose, *rest = event
        if kind == "put":
            self.sent.setdefault((whose, rest[0]), float(when))
        elif kind == "got" and len(rest) > 5:
            self._looks_at_the_time(*rest[-3:])
        known = self.producers if kind in OF_PRODUCERS else self.consumers
        for ledger in known.get(whose.split(".")[0], (self.main,)):
            ledger.feed(event)
            self.given[ledger] += kind == "got"

    def _looks_at_the_time(self, producer, number, ms):
        """It was put when it was sent, or later: the pair's time was behind by as much as it says less, or more."""
        sent = self.sent.get((producer, number))
        if sent is not None:
            self.behind = max(self.behind, self.since + sent - int(ms) / 1000)

    def verdict(self):
        for _, ledger in self.ledgers:
            ledger.verdict()

    @property
    def counts(self):
        """Of all; but what was as it should be is counted for the plain load alone."""
        counts = Counter(self.main.counts)
        for _, ledger in self.ledgers[1:]:
            counts.update({name: count for name, count in ledger.counts.items() if name in FAULTS or told(name)})
        counts["beside"] = sum(self.given[ledger] for _, ledger in self._queues)
        return counts

    @property
    def findings(self):
        found = {fault: [] for fault in FAULTS}
        for name, ledger in self.ledgers:
            for fault, what in ledger.findings.items():
                found[fault] += [(name, *one) if name else one for one in what]
        return found

    @property
    def gaps(self):
        return self.main.gaps

    def idle(self):
        """Queues and subscriptions beside the plain load that have given nothing in this round: of what is not used nothing
        can be said."""
        return [name for name, ledger in self._queues if not self.given[ledger]]

    @property
    def _queues(self):
        return [(name, ledger) for name, ledger in self.ledgers[1:] if isinstance(ledger, Ledger)]

    def new_round(self):
        for _, ledger in self.ledgers:
            ledger.new_round()
        self.given.clear()
        self.sent.clear()


def told(name):
    """Whether it is something that is taken back, and so told with each round."""
    return any(word in name for word in ("split", "copy", "merge", "promotion", "unanswered", "clock"))
