"""What clients saw, and what may not be in it: the total queue, in the manner of Jepsen.

Every request and every answer is an event with a time of the monotonic clock, which all processes of a machine share:

    put     time producer number [delay]             a PUT is sent, again or for the first time; ms until it is due
    stored  time producer number level first dup     it was answered OK; first is the id of its message, 0 if gone
    get     time consumer round                      a GET is sent
    got     time consumer round id count producer number [ms]   one message of its answer; when the pair says that it was put
    acked   time consumer id level                   its acknowledgement was answered OK

A message is known by its producer and number, which are in its body; ids are opaque.  A ledger is that of one queue (or of a
few that nobody has to tell apart), or of one subscription, to which what is put into its topic is put; books.py has all of
them.  The ledger is fed while the
test runs, and judged when nothing breaks any more and the queue was drained.  What it counts:

    acknowledged  PUTs answered OK, by level
    lost          answered OK, and never delivered
    unexpected    delivered, and never sent
    duplicated    stored twice: delivered under two ids, or answered OK with two ids.  Allowed for nameless producers
                  that sent a PUT more than once
    recovered     delivered, though no OK was heard
    redelivered   delivered again before the acknowledgement was OK: at least once is what is promised
    resurrected   delivered by a GET that was sent after its acknowledgement had been answered OK
    disordered    delivered for the first time, by the only consumer of the queue, after a later one of its producer, or of
                  its producer's key.  Not
                  judged where a consumer gave way to one without its name, for which its leases do not end
    early         delivered before it was due: its delay, and no time to be put in, after it was sent first.  The pair's time
                  decides: if that was behind when the message was put, as the topic's messages tell, and is so no
                  more, or a broker's clock was not that of the other one, it is told as "early by a clock"
    unlevelled    answered OK with a level that this pair cannot have
    overtaken     stored in an earlier leadership, though it was sent for the first time when a later one had answered: two
                  served at once

After a split a round is judged by what both sides have told, with the exceptions that the README names: until the sides are
one again an acknowledged message may be delivered by the other side; order is kept by each side, for itself; and a PUT
that was sent to both may have been stored by both.  It is there once after that, unless it was acknowledged on one
side only.  They are counted:

    delivered again in a split      before the sides were one again, though it was acknowledged on one of them
    stored twice in a split         sent more than once, and known under an id of each side
    redelivered after a split       of those: acknowledged under one id, and delivered under the other one after that

If a store was set back to a copy, and its broker has answered before the two met, that is a split, too, and the copy has
what was acknowledged since it was made:

    redelivered by a copy           delivered again after the split, though it was acknowledged since the copy was made

If a broker was promoted that had only begun to follow the other one, what that one gave in its newest epoch, and had acknowledged:

    redelivered after a promotion   delivered again after the split

And where a merge was broken off, of a subscription, which has done messages behind others that a merge has brought:

    redelivered by a broken merge   delivered again after it, though it was acknowledged
"""
from collections import Counter

FAULTS = ("lost", "unexpected", "duplicated", "resurrected", "disordered", "unlevelled", "overtaken", "early")
LEVELS = ("both", "solo")
COUNT_BITS = 39             #  of a message id; those above say in which leadership, and so on which side, it was given
EPOCH_BITS = 40
EARLY = 0.05                #  seconds by which what is known of the pair's time may be wrong


class Message:
    """One PUT of one body, as far as it is known."""
    __slots__ = ("sent", "first", "level", "ids", "deliveries", "judged", "late", "due")

    def __init__(self):
        self.sent = 0               #  how often
        self.first = None           #  when it was sent first
        self.level = None           #  of the first OK
        self.ids = ()               #  under which it was stored or delivered
        self.deliveries = 0
        self.judged = False         #  lost or recovered, and counted
        self.late = None            #  the id under which it was delivered after a split
        self.due = 0.0              #  nobody may get it before


class Ledger:
    """Feed it events of all clients in the order of their times; then ask for the verdict."""

    def __init__(self, nameless=(), unordered=(), levels=LEVELS, fits=None, key=None, subscription=False):
        self.nameless = set(nameless)
        self.unordered = set(unordered)     #  producers whose queue has several consumers
        self.fits = fits                    #  whether the filter lets a number through; the others are not put here
        self.key = key                      #  of a number: order is that of each key
        self.subscription = subscription
        self.levels = levels
        self.messages = {}                  #  by producer and number
        self.done = {}                      #  numbers that earlier rounds are done with, by producer
        self.done_ids = set()               #  ids that they are done with, of nameless producers
        self.keys = {}                      #  producer and number of an id
        self.acked = {}                     #  when an id's acknowledgement was answered OK, and its level
        self.asked = {}                     #  each consumer's GET that is under way
        self.newest = {}                    #  each producer's newest first delivery
        self.newest_of = {}                 #  the same of each side of a split
        self.leaderships = {}               #  when each of them was heard of first
        self.told = {}                      #  when each producer heard its last OK
        self.gaps = Counter()               #  each producer's longest time between two of them
        self.merged = None                  #  both brokers had answered without each other: when they were one again
        self.strangers = False              #  consumers gave way to others without a name
        self.copied = None                  #  a store was set back to a copy: when that was made
        self.promoted = None                #  a broker was that had begun to follow the other one in this epoch, its newest
        self.broken_off = False             #  a merge was
        self.clocks = False                 #  those of the two brokers differ, or have stood
        self.behind = 0.0                   #  seconds by which the pair's time was behind at most, in this round
        self.soon = []                      #  seconds before which a message has come that was not due: with its key and id
        self.counts = Counter()
        self.findings = {fault: [] for fault in FAULTS}

    def feed(self, event):
        kind, time, *rest = event
        if kind in ("made", "refused"):     #  for works.py
            return
        getattr(self, "_" + kind)(float(time), *rest)

    def verdict(self):
        """The counts, once the queue was drained; `findings` has what may not be."""
        for seconds, key, identity in self.soon:
            if self.clocks or seconds <= self.behind + EARLY:
                self.counts["early by a clock"] += 1
            else:
                self._find("early", key, identity, "%.3f s before it was due, and the time was %.3f s behind" % (seconds, self.behind))
        self.soon = []
        for key, message in self.messages.items():
            if message.judged or not message.sent:
                continue
            if message.level and not message.deliveries:
                message.judged = True
                self._find("lost", key, message.level, message.ids)
            elif message.deliveries and not message.level:
                message.judged = True
                self.counts["recovered"] += 1
        return self.counts

    @property
    def good(self):
        return not any(self.findings.values())

    def new_round(self):
        """Begins a new round: what was acknowledged is kept in a short form, since it may still come back."""
        for identity in self.acked:
            producer, number = self.keys.pop(identity)
            self.done.setdefault(producer, set()).add(number)
            if producer in self.nameless:
                self.done_ids.add(identity)
            self.messages.pop((producer, number), None)
        self.acked.clear()
        self.told.clear()
        self.gaps.clear()
        self.newest_of.clear()
        self.behind = 0.0
        self.merged = self.copied = self.promoted = None
        self.strangers = self.broken_off = False
        self.counts = Counter()
        self.findings = {fault: [] for fault in FAULTS}

    #  What was seen, one by one.

    def _put(self, time, producer, number, delay="0"):
        if self.fits and not self.fits(int(number)):
            return
        message = self._message((producer, int(number)))
        message.sent += 1
        if message.first is None:
            message.first = time
            message.due = time + int(delay) / 1000

    def _stored(self, time, producer, number, level, first, duplicate):
        if self.fits and not self.fits(int(number)):
            return
        key = (producer, int(number))
        message = self._message(key)
        if level not in self.levels:
            self._find("unlevelled", key, level)
        if duplicate == "1":
            self.counts["answered duplicate"] += 1
        elif not self.merged and message.first is not None:
            self._in_order_of_leaderships(time, key, message.first, int(first) >> COUNT_BITS)
        if message.level is None:
            message.level = level
            self.counts["acknowledged " + level] += 1
        self.gaps[producer] = max(self.gaps[producer], time - self.told.get(producer, time))
        self.told[producer] = time
        self._known_as(message, key, first)

    def _get(self, time, consumer, round_):
        self.asked[consumer] = (round_, time)

    def _got(self, time, consumer, round_, identity, count, producer, number, *_):
        key = (producer, int(number))
        asked_round, asked = self.asked[consumer]
        assert asked_round == round_, "an answer to a GET that is not under way"
        if producer in self.nameless and key[1] in self.done.get(producer, ()) and identity not in self.done_ids:
            #  A resent PUT was stored again, late: from a connection that was cut or a broker that was stopped.
            self.counts["stored twice, nameless"] += 1
            self.keys[identity] = key
            return
        if key[1] in self.done.get(producer, ()):
            self.keys[identity] = key
            self._find("resurrected", key, identity, "acknowledged in an earlier round")
            return
        message = self._message(key)
        if not message.sent:
            self._find("unexpected", key, identity)
        acked = self.acked.get(identity)
        if acked and acked[0] < asked:
            if self.merged and asked < self.merged:
                self.counts["delivered again in a split"] += 1
            elif self.merged and self.copied and acked[0] >= self.copied:
                self.counts["redelivered by a copy"] += 1
            elif self.merged and self.promoted == int(identity) >> EPOCH_BITS:
                self.counts["redelivered after a promotion"] += 1
            elif self.merged and self.broken_off and self.subscription:
                self.counts["redelivered by a broken merge"] += 1
            else:
                self._find("resurrected", key, identity, "acknowledged %s %.3f s before it was asked for"
                           % (acked[1], asked - acked[0]))
        self.keys[identity] = key
        if self.merged and asked >= self.merged:
            self._after_split(message, key, identity)
        self._known_as(message, key, identity)
        if time < message.due - EARLY:
            self.soon.append((message.due - time, key, identity))
        message.deliveries += 1
        if message.deliveries > 1:
            self.counts["redelivered"] += 1
        elif producer not in self.unordered and not self.strangers:
            self._ordered(producer, key, identity)

    def _acked(self, time, consumer, identity, level):
        if level not in self.levels:
            self._find("unlevelled", identity, level)
        if identity not in self.acked:
            self.acked[identity] = (time, level)
            self.counts["done " + level] += 1

    #  Helpers.

    def _in_order_of_leaderships(self, time, key, sent, leadership):
        later = [one for one, heard in self.leaderships.items() if one > leadership and heard < sent]
        if later:
            self._find("overtaken", key, "stored in %d, sent after %s had answered" % (leadership, later))
        self.leaderships.setdefault(leadership, time)

    def _ordered(self, producer, key, identity):
        """A first delivery is behind those before it; after a split, behind those of its side."""
        line = (producer, self.key(key[1])) if self.key else producer
        newest, whose = (self.newest_of, (line, int(identity) >> COUNT_BITS)) if self.merged else (self.newest, line)
        if key[1] < newest.get(whose, 0):
            self._find("disordered", key, "after %d" % newest[whose])
        newest[whose] = max(newest.get(whose, 0), key[1])
        self.newest[line] = max(self.newest.get(line, 0), key[1])

    def _after_split(self, message, key, identity):
        """A delivery by the two together: of what was stored by both sides one is left."""
        if key[0] in self.nameless:
            return
        if message.late not in (None, identity):
            self._find("duplicated", key, "after a split", message.late, identity)
        message.late = identity
        if identity not in self.acked and any(other in self.acked for other in message.ids if other != identity):
            self.counts["redelivered after a split"] += 1

    def _find(self, fault, *what):
        self.counts[fault] += 1
        self.findings[fault].append(what)

    def _message(self, key):
        return self.messages.setdefault(key, Message())

    def _known_as(self, message, key, identity):
        if identity == "0" or identity in message.ids:
            return
        message.ids += (identity,)
        if len(message.ids) == 1:
            return
        if key[0] in self.nameless and message.sent > 1:
            self.counts["stored twice, nameless"] += 1
        elif self.merged and message.sent > 1 and len({int(other) >> COUNT_BITS for other in message.ids}) == len(message.ids):
            self.counts["stored twice in a split"] += 1
        else:
            self._find("duplicated", key, message.ids)
