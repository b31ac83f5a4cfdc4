"""Topics: does each subscription get all, once it is acknowledged never again, in order, through kills, restarts and splits?"""
import json

import pytest

from brokers import wait_for
from conftest import in_step
from zb1 import Client, Refused

SUBS = ["prices/a", "prices/b", "prices/c"]
MANY = 400


def topic(one, subs=SUBS):
    one.request("TOPIC", "t", "prices", "")
    for sub in subs:
        one.request("SUB", "s", sub, "")


def take(one, sub, count):
    """Gets so many and acknowledges them; returns the bodies."""
    got = []
    while len(got) < count:
        _, _, index, *bodies = one.request("GET", "g", sub, count - len(got), 1000, "", wait=2)
        if bodies:
            one.request("ACK", "a", sub, " ".join(line.split(" ")[0] for line in index.decode().split("\n")))
        got += bodies
    return got


def test_killed(pair, client):
    """The active broker is killed while messages are put and taken: nothing is lost, resurrected, doubled or out of order."""
    active = in_step(pair)
    one = client(pair)
    topic(one)
    producer = client(pair, "producer")
    bodies = [b"%d" % number for number in range(MANY)]
    producer.hello()
    producer.stream("prices", bodies[:MANY // 2])
    early = {"prices/a": take(one, "prices/a", 50), "prices/b": take(one, "prices/b", MANY // 2), "prices/c": []}

    def killed(acked):
        if acked == 50:
            pair.brokers[active].kill()
    producer.stream("prices", bodies[MANY // 2:], progress=killed)
    for sub in SUBS:
        assert early[sub] + client(pair, "reader-" + sub[-1]).drain(sub) == bodies, sub
    pair.brokers[active].start()
    assert in_step(pair) == 1 - active
    pair.brokers[1 - active].kill()
    assert one.request("PUT", "p", "prices", "", b"last")[0] in (b"both", b"solo", b"shared")
    for sub in SUBS:
        assert client(pair, "again-" + sub[-1]).drain(sub) == [b"last"], sub


def test_restarted(single, client, zbroker):
    """What a restart finds, and what the commands say of it; a message is stored once however many subscriptions there are."""
    brokers = {"ZBROKER": single.endpoints[0]}
    assert zbroker(["topic", "create", "prices", "max-bytes=1000000"], environment=brokers).stdout == "OK\n"
    zbroker(["put", "prices", "nobody"], environment=brokers)
    for sub in SUBS:
        zbroker(["sub", "create", sub, "lease=60000"], environment=brokers)
    zbroker(["put", "prices", "one", "two", "three"], environment=brokers)
    one = client(single)
    assert take(one, "prices/a", 2) == [b"one", b"two"]
    single.broker.kill()
    single.broker.start()
    listed = json.loads(zbroker(["sub", "list", "--json"], environment=brokers).stdout)
    assert [(sub["name"], sub["messages"], sub["lease"]) for sub in listed] == [
        ("prices/a", 1, 60000), ("prices/b", 3, 60000), ("prices/c", 3, 60000)], listed
    topics = json.loads(zbroker(["topic", "list", "--json"], environment=brokers).stdout)
    assert [(one["name"], one["messages"], one["max-bytes"]) for one in topics] == [("prices", 3, 1000000)], topics
    assert json.loads(zbroker(["queue", "list", "--json"], environment=brokers).stdout) == []
    assert zbroker(["get", "prices/a"], environment=brokers).stdout == "three\n"
    zbroker(["sub", "purge", "prices/b"], environment=brokers)
    zbroker(["sub", "delete", "prices/c"], environment=brokers)
    assert zbroker(["get", "prices/b", "--wait", "0"], environment=brokers, check=False).stdout == ""
    topics = json.loads(zbroker(["topic", "list", "--json"], environment=brokers).stdout)
    assert topics[0]["messages"] == 0, topics
    for wrong in (["topic", "create", "a/b"], ["sub", "create", "prices"], ["sub", "create", "nothing/a"],
                  ["topic", "create", "prices", "lease=1"], ["sub", "create", "prices/a", "from=first"]):
        done = zbroker(wrong, environment=brokers, check=False)
        assert done.returncode and done.stderr, wrong
    zbroker(["topic", "delete", "prices"], environment=brokers)
    assert zbroker(["topic", "list"], environment=brokers).stdout == ""


def test_read_and_seek(pair, client, zbroker):
    """By time, by id and by subject, through the death of the active broker: what is read stays, what is sought comes again."""
    active = in_step(pair)
    brokers = {"ZBROKER": ",".join(pair.endpoints)}

    def run(*words):
        return zbroker(list(words), environment=brokers).stdout
    run("topic", "create", "prices")
    run("sub", "create", "prices/all")
    run("sub", "create", "prices/eu", "filter=eu.* us.>")
    for body, subject in ("one", "eu.de"), ("two", "as.jp"), ("three", "us.ca.la"):
        run("put", "-H", "subject=" + subject, "prices", body)
    assert run("read", "prices") == run("read", "prices", "--from", "first") == "one\ntwo\nthree\n"
    lines = [json.loads(line) for line in run("read", "prices", "--json", "--filter", "as.* us.>").splitlines()]
    assert [(line["body"], line["properties"]["zb-n"]) for line in lines] == [("two", "2"), ("three", "3")], lines
    assert run("read", "prices", "--from", lines[0]["id"]) == "three\n"
    assert run("read", "prices", "--from", "@" + lines[0]["properties"]["zb-time"]).endswith("two\nthree\n")
    assert run("get", "prices/eu", "--count", "2") == "one\nthree\n"
    assert run("get", "prices/all", "--count", "2") == "one\ntwo\n"
    pair.brokers[active].kill()
    assert run("get", "prices/eu", "--wait", "0", "--count", "0") == ""
    assert run("read", "prices") == "three\n"
    assert run("get", "prices/all", "--count", "1", "--requeue") == "three\n"
    run("put", "-H", "subject=eu.fr", "prices", "four")
    one = client(pair)
    one.request("SEEK", "s", "prices/eu", lines[0]["id"])
    assert run("sub", "seek", "prices/all", lines[1]["id"]).startswith("OK ")
    assert one.drain("prices/eu") == [b"three", b"four"]
    assert run("get", "prices/all", "--count", "0", "--wait", "0") == "four\n"
    for wrong in (["sub", "seek", "prices/eu", "new"], ["topic", "seek", "prices", "first"], ["read", "prices/eu"],
                  ["read", "prices", "--from", "last"], ["read", "prices", "--filter", "a..b"], ["sub", "create", "prices/x", "filter=a*"]):
        done = zbroker(wrong, environment=brokers, check=False)
        assert done.returncode and done.stderr, wrong


def test_keeps_all(pair, client, zbroker):
    """What is acknowledged stays up to a limit, through the death of the active broker; who had not done with what went is told."""
    active = in_step(pair)
    brokers = {"ZBROKER": ",".join(pair.endpoints)}
    zbroker(["topic", "create", "log", "keep=all"], environment=brokers)
    one = client(pair)
    one.request("SUB", "s", "log/slow", "")
    one.request("SUB", "s", "log/fast", "")
    for number in range(1, 9):
        one.request("PUT", "p%d" % number, "log", "", b"%d" % number)
    assert take(one, "log/fast", 8) == [b"%d" % number for number in range(1, 9)]
    zbroker(["topic", "create", "log", "keep-messages=3"], environment=brokers)

    def kept():
        return one.request("READ", "r", "log", "first", 10, 0)[3:]
    wait_for(lambda: kept() == [b"6", b"7", b"8"], "the oldest to go")
    pair.brokers[active].kill()
    assert kept() == [b"6", b"7", b"8"]
    listed = json.loads(zbroker(["sub", "list", "--json"], environment=brokers).stdout)
    assert [(sub["name"], sub["messages"]) for sub in listed] == [("log/fast", 0), ("log/slow", 3)], listed
    _, _, index, *bodies = one.request("GET", "g", "log/slow", 1, 0, "")
    assert bodies == [b"6"] and b"\tzb-skipped=" in index, index
    one.request("SEEK", "k", "log/fast", "first")
    assert client(pair).drain("log/fast") == [b"6", b"7", b"8"]
    for wrong in ("max-age=5", "keep=all\nmax-age=x", "keep=some"):
        with pytest.raises(Refused) as refused:
            one.request("TOPIC", "t", "other", wrong)
        assert refused.value.code == 400, wrong


class Here:
    def __init__(self, pair, index):
        self.endpoints = [pair.endpoints[index]]


def test_split(cut_pair, client):
    """Both serve: what each subscription has done on either side stays away, and what either took comes to each, in order."""
    pair = cut_pair
    active = in_step(pair)
    old = client(Here(pair, active))
    topic(old)
    producer = client(pair, "old")
    producer.hello()
    producer.stream("prices", [b"old %d" % number for number in range(20)])
    assert take(old, "prices/a", 5) == [b"old %d" % number for number in range(5)]
    pair.cut()
    done = {sub: set() for sub in SUBS}
    told = {b"old %d" % number for number in range(20)}
    done["prices/a"].update(b"old %d" % number for number in range(5))
    for index in (active, 1 - active):
        word = (b"primary", b"backup")[index]
        stream = client(Here(pair, index), "producer-" + word.decode())
        stream.hello()
        bodies = [b"%s %d" % (word, number) for number in range(1, 30)]
        stream.stream("prices", bodies, window=4)
        told.update(bodies)
        side = client(Here(pair, index))
        #  One subscription takes all, one some, and one nothing on this side.
        for sub, count in zip(SUBS[index:] + SUBS[:index], (len(bodies) + 15, 7)):
            done[sub].update(take(side, sub, count))
    pair.heal()
    in_step(pair)
    for sub in SUBS:
        got = client(pair, "reader-" + sub[-1]).drain(sub, wait=500)
        assert len(got) == len(set(got)), (sub, "doubled")
        assert set(got) - (told - done[sub]) == set(), (sub, "came back")
        assert (told - done[sub]) - set(got) == set(), (sub, "lost")
        order = {}
        for body in got:
            order.setdefault(body.split(b" ")[0], []).append(int(body.split(b" ")[1]))
        assert all(numbers == sorted(numbers) for numbers in order.values()), sub
    #  It stays so when the other one leads.
    pair.brokers[in_step(pair)].kill()
    for sub in SUBS:
        assert client(pair, "last-" + sub[-1]).drain(sub) == [], sub
    with pytest.raises(Refused) as refused:
        client(pair).request("GET", "g", "prices", 1, 0, "")
    assert refused.value.code == 400
