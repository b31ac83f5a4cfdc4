"""A broker's folder is set back to a copy of an earlier moment, or lost: is anything gone that was answered OK?"""
import os
import random
import shutil
import signal

import pytest

from brokers import Pair, wait_for
from conftest import in_step, two_stores
from links import CutPair
from patience import PATIENCE
from zb1 import Client, refused, status, way_out

ROUNDS = int(os.environ.get("ZBROKER_COPIES", "4"))
SEED = int(os.environ.get("ZBROKER_COPIES_SEED", "1"))


def folder(pair, index):
    return "%s/%s" % (pair.folder, ("primary", "backup")[index])


def copy(pair, index, name):
    """Copies the folder as a power cut would leave it: the process stands still meanwhile, if it runs."""
    process = pair.brokers[index].process
    if process:
        process.send_signal(signal.SIGSTOP)
    shutil.copytree(folder(pair, index), "%s/%s" % (pair.folder, name))
    if process:
        process.send_signal(signal.SIGCONT)


def set_back(pair, index, name):
    shutil.rmtree(folder(pair, index))
    shutil.copytree("%s/%s" % (pair.folder, name), folder(pair, index))


def put(one, bodies):
    """Returns the levels that were told."""
    return {one.request("PUT", body.decode(), "q", "", body)[0] for body in bodies}


def messages(word, count):
    return [b"%s-%d" % (word, number) for number in range(count)]


def rests(pair, patience=PATIENCE):
    """Waits until the pair is in sync, or one says that it waits for an operator.  Returns whether it is in sync."""
    def rest():
        states = [status(endpoint) for endpoint in pair.endpoints]
        if not all(states):
            return None
        for state in states:
            if state["replay"] and "operator" in (state["replay"]["waits"] or ""):
                return "operator"
        both = any(state["role"] == "active" for state in states) and all(state["in_step"] for state in states)
        return "in sync" if both else None
    return wait_for(rest, "a pair at rest", patience) == "in sync"


def once_alone(pair, one):
    """The backup has answered alone, and its folder was copied then; later the pair is whole, 40 more are on both, and both
    are stopped."""
    one.request("QUEUE", "q", "q", "")
    old, new = messages(b"old", 10), messages(b"new", 40)
    assert put(one, old[:5]) == {b"both"}
    pair.brokers[0].kill()
    assert put(one, old[5:]) == {b"solo"}
    pair.brokers[1].stop()
    copy(pair, 1, "copy")
    pair.brokers[1].start()
    pair.brokers[0].start()
    assert in_step(pair) == 1
    assert put(one, new) == {b"both"}
    for broker in pair.brokers:
        broker.stop()
    return old + new


@two_stores
@pytest.mark.parametrize("first", ["copy", "newer", "both"])
def test_an_old_copy_that_was_alone(pair, client, first):
    """It claims that it may lead by itself.  What the other one has more was answered: it is replayed, not rolled back."""
    wanted = once_alone(pair, client(pair))
    set_back(pair, 1, "copy")
    if first == "copy":
        pair.brokers[1].start()
        assert put(client(pair), [b"later"]) == {b"solo"}
        wanted.append(b"later")
    pair.brokers[0].start()
    if first == "newer":
        wait_for(lambda: refused(pair.endpoints[0]), "503")
    if first != "copy":
        pair.brokers[1].start()
    #  One in sixty-four uses an epoch again that it has used before it was set back, and says so.
    whole = rests(pair)
    assert whole or first == "copy"
    if first == "copy":
        wait_for(lambda: "set back to an older copy" in pair.brokers[0].tail(), "a line about it")
    if whole:
        assert sorted(client(pair).drain("q")) == sorted(wanted)


def test_a_copy_where_nobody_goes_on_alone(client):
    """With peer-loss = wait nobody takes what the other one holds more: both say so, and what to do; the active one takes it when
    it is started with peer-loss = solo."""
    pair = Pair("--peer-loss", "wait")
    try:
        pair.start()
        assert in_step(pair) == 0
        one = client(pair)
        one.request("QUEUE", "q", "q", "")
        assert put(one, [b"one"]) == {b"both"}
        for broker in pair.brokers:
            broker.stop()
        copy(pair, 0, "old")
        pair.start()
        assert in_step(pair) == 0
        assert put(one, [b"two"]) == {b"both"}
        pair.brokers[1].kill()
        commit = status(pair.endpoints[0])["commit"]
        one.send("PUT", "three", "q", "", b"three")
        wait_for(lambda: status(pair.endpoints[0])["synced_here"] > commit, "a message on one disk alone")
        pair.brokers[0].kill()
        copy(pair, 0, "new")
        set_back(pair, 0, "old")
        pair.start()
        assert in_step(pair) == 1
        pair.brokers[0].kill()
        set_back(pair, 0, "new")
        pair.brokers[0].start()
        text = wait_for(lambda: way_out(pair.endpoints[1], "peer-loss-replay"), "the active one's way out")
        assert "--peer-loss solo" in text[0]
        wait_for(lambda: way_out(pair.endpoints[0], "replay-waits"), "the passive one's")
        pair.brokers[1].stop()
        pair.brokers[1].options = [{"wait": "solo"}.get(word, word) for word in pair.brokers[1].options]
        pair.brokers[1].start()
        in_step(pair)
        assert sorted(set(client(pair).drain("q"))) == [b"one", b"three", b"two"]
    finally:
        pair.close()


def test_a_copy_that_has_heard_of_later_ones():
    """It hears the active one, of a later epoch, which dies before anything could be fetched from it: the copy was alone, but
    knows that it is stale, and waits."""
    pair = CutPair()
    pair.start()
    clients = []
    try:
        in_step(pair)
        clients.append(Client(pair.endpoints))
        wanted = once_alone(pair, clients[0])
        for index in (0, 1):
            pair.brokers[index].start()
        if in_step(pair) == 1:
            pair.brokers[1].kill()
            assert put(clients[0], [b"between"]) == {b"solo"}
            wanted.append(b"between")
        else:
            pair.brokers[1].kill()
        set_back(pair, 1, "copy")
        for link in pair.links[2::3]:
            link.cut()
        pair.brokers[1].start()
        wait_for(lambda: status(pair.endpoints[1])["role"] == "passive", "the copy to hear the active one")
        pair.brokers[0].kill()
        why = wait_for(lambda: (text := refused(pair.endpoints[1])) and "lacks" in text and text, "503 and why")
        assert "was heard to have led" in why
        for _ in range(20):
            assert refused(pair.endpoints[1])
        pair.heal()
        pair.brokers[0].start()
        in_step(pair)
        clients.append(Client(pair.endpoints))
        assert sorted(clients[1].drain("q")) == sorted(wanted)
    finally:
        for one in clients:
            one.close()
        pair.close()


def test_a_level_is_true_when_it_is_said(tmp_path):
    """The passive one's disk is lost.  While it fetches all anew, what was once on both is on one disk."""
    (tmp_path / "slow.conf").write_text("pair\n    resync-rate = 4m\n")
    pair = Pair("--config", str(tmp_path / "slow.conf")).start()
    one = Client(pair.endpoints, "producer")
    body = os.urandom(512 << 10)
    try:
        in_step(pair)
        one.hello()
        one.request("QUEUE", "queue", "q", "")
        for number in range(1, 41):
            assert one.request("PUT", number, "q", "", body)[0] == b"both"
        pair.brokers[1].kill()
        shutil.rmtree(folder(pair, 1))
        pair.brokers[1].start()
        levels = []
        while not os.path.exists(folder(pair, 1) + "/node") or "complete 1" not in open(folder(pair, 1) + "/node").read():
            levels.append(one.request("PUT", 40, "q", "", body)[0])
        #  The last one may have been asked when the copy was complete.
        assert len(levels) > 1 and set(levels[:-1]) == {b"solo"}, levels
        in_step(pair)
        assert one.request("PUT", 40, "q", "", body)[0] == b"both"
    finally:
        one.close()
        pair.close()


class Snapshots:
    """A pair whose folders are copied at random moments, and set back to them."""

    def __init__(self, chance, seed):
        self.chance = chance
        self.pair = Pair().start()
        in_step(self.pair)
        self.one = Client(self.pair.endpoints)
        self.one.request("QUEUE", "q", "q", "")
        self.copies = []        #  (index of the broker, name)
        self.seed, self.number = seed, 0
        self.done = []          #  what happened, for a failure
        self.wanted, self.solo = set(), {}

    def close(self):
        self.one.close()
        self.pair.close()

    def put(self):
        try:
            self.put_some()
        except AssertionError as error:
            raise AssertionError("%s: %s" % (error, self.done + [
                (state := status(endpoint)) and (state["role"], state["why"], state["replay"])
                for endpoint in self.pair.endpoints])) from None

    def put_some(self):
        for _ in range(self.chance.randrange(1, 12)):
            self.number += 1
            body = b"%d-%d" % (self.seed, self.number)
            level = self.one.request("PUT", body.decode(), "q", "", body)[0]
            self.wanted.add(body)
            if level == b"solo":
                #  On the disk of the only one that runs; on both once they are in sync again.
                self.solo[body] = [index for index in range(2) if self.pair.brokers[index].alive][0]

    def together(self):
        for broker in self.pair.brokers:
            if not broker.alive:
                broker.start()
        whole = rests(self.pair)
        if whole:
            self.solo = {}
        return whole

    def copy(self):
        index = self.chance.randrange(2)
        name = "copy-%d" % len(self.copies)
        #  What is copied has all that its broker has answered alone by now; what it answers later is lost with the disk.
        copy(self.pair, index, name)
        self.copies.append((index, name, frozenset(self.wanted)))
        #  It was stopped: before the peer is taken from it, both must have heard so, and OK both says that.
        if all(broker.alive for broker in self.pair.brokers):
            self.put()
            rests(self.pair)

    def live(self):
        """Some of what happens to a pair, with copies in between."""
        for _ in range(self.chance.randrange(2, 5)):
            what = self.chance.choice(("put", "alone", "restart", "copy", "copy"))
            self.done.append(what)
            if what == "put":
                self.put()
            elif what == "copy":
                self.copy()
            elif what == "alone":
                victim = self.chance.randrange(2)
                self.pair.brokers[victim].kill()
                self.done.append("%d killed" % victim)
                self.put()
                if self.chance.randrange(2):
                    self.copy()
                    self.put()
                if self.chance.randrange(2):
                    self.pair.brokers[1 - victim].kill()
                    self.pair.brokers[1 - victim].start()
                    self.put()
                assert self.together(), "nothing was set back, but an operator is waited for"
            else:
                self.pair.brokers[self.chance.randrange(2)].kill()
                assert self.together(), "nothing was set back, but an operator is waited for"

    def set_back(self):
        """Either folder is set back, and they start in either order; what is between may be answered by the first one."""
        if self.chance.randrange(2):
            self.pair.brokers[self.chance.randrange(2)].kill()
            self.put()
        for broker in self.pair.brokers:
            if broker.alive:
                broker.kill()
        index, name, had = self.chance.choice(self.copies)
        set_back(self.pair, index, name)
        lost = {body for body, holder in self.solo.items() if holder == index and body not in had}
        self.wanted -= lost
        self.done.append("%s set back to %s" % (index, name))
        order = [0, 1]
        self.chance.shuffle(order)
        #  A client that knows more than a copy is not served by it.
        self.one.close()
        self.one = Client(self.pair.endpoints)
        self.pair.brokers[order[0]].start()
        if self.chance.randrange(2):
            wait_for(lambda: refused(self.pair.endpoints[order[0]]) or
                     status(self.pair.endpoints[order[0]])["role"] == "active", "the first one to answer")
            if status(self.pair.endpoints[order[0]])["role"] == "active":
                self.put()
        return self.together()

    def check(self):
        got = self.one.drain("q", wait=100)
        assert self.wanted <= set(got), "lost: %s" % sorted(self.wanted - set(got))
        self.wanted = set()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_random_copies(number):
    """Nothing that was answered OK is lost without a broker that waits for an operator and says so."""
    snapshots = Snapshots(random.Random(SEED * 100000 + number), number)
    try:
        for _ in range(2):
            snapshots.live()
            snapshots.copy()
            snapshots.live()
            if not snapshots.set_back():
                print("an operator is waited for")
                return
            snapshots.check()
    finally:
        snapshots.close()
