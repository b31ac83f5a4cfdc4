"""Does a broker tell who watches it what happened, and who is there, without a vote, a change, or more than was asked?"""
import json
import time

import pytest

from brokers import wait_for
from conftest import in_step
from zb1 import Client, ask, status


def events(endpoint, *arguments):
    reply = ask(endpoint, "EVENTS", "e", *arguments)
    assert reply[1] == b"OK" and reply[3] == b"", reply
    return json.loads(reply[4])


def kinds(endpoint, *arguments):
    return [one["kind"] for one in events(endpoint, *arguments)["events"]]


def test_events_of_a_takeover(pair, client):
    active = in_step(pair)
    client = client(pair)
    client.hello()
    client.request("QUEUE", "q", "orders", "")
    led, follows = pair.endpoints[active], pair.endpoints[1 - active]
    assert "takeover" in kinds(led) and "takeover" not in kinds(follows)
    before = events(follows)
    assert before["node"] == ["primary", "backup"][1 - active] and before["events"][-1]["kind"] == "role"
    after = before["events"][-1]["id"]
    pair.brokers[active].kill()
    client.request("PUT", 1, "orders", "", "one")
    #  The one that leads now tells it, in order, behind what was told before.
    page = events(follows, after)
    assert not page["missed"] and not page["more"]
    told = [one for one in page["events"] if one["kind"] == "takeover"]
    assert len(told) == 1 and "the other broker is gone" in told[0]["text"], told
    assert ("alone" in kinds(follows, after)) == (not pair.shared)
    numbers = [int(one["id"].split(".")[1]) for one in page["events"]]
    assert numbers == sorted(set(numbers)) and numbers[0] > int(after.split(".")[1])
    assert events(follows, after, 1)["more"] and len(events(follows, after, 1)["events"]) == 1
    #  Started again, it remembers nothing, and says that something may be missing.
    pair.brokers[1 - active].kill()
    pair.brokers[1 - active].start()
    assert events(follows, after)["missed"]


@pytest.mark.parametrize("arguments, text", [
    (("x",), "after"), (("1",), "after"), ((".1",), "after"), (("1.0",), "after"), (("1.01",), "after"), (("1.1", "0"), "max"),
    (("", "many"), "max"), (("1.1", "1", ""), "expected: EVENTS")])
def test_bad_events(single, arguments, text):
    reply = ask(single.endpoints[0], "EVENTS", "e", *arguments)
    assert reply[1:3] == [b"ERR", b"e"] and reply[4] == b"400" and reply[5].startswith(text.encode()), reply


def test_who_watches_is_no_client(single):
    events(single.endpoints[0])
    assert status(single.endpoints[0])["sessions"] == 0


def clients(endpoint, *arguments):
    return json.loads(ask(endpoint, "CLIENTS", "c", *arguments)[4])


def test_clients(pair, client):
    active = in_step(pair)
    till, other = Client(pair.endpoints, "till"), client(pair)
    for one in (till, other):
        one.hello()
    serves, follows = (pair.endpoints if till.current == 0 else pair.endpoints[::-1])
    till.request("QUEUE", "q", "orders", "")
    till.request("PUT", 1, "orders", "", "one", "two", "three")
    assert till.request("GET", "g", "orders", 2, 0, "")
    other.send("GET", "w", "nothing", 1, 60000, "")
    assert other.recv(5)[4] == b"404"
    till.request("QUEUE", "q", "nothing", "")
    other.send("GET", "w", "nothing", 1, 60000, "")
    wait_for(lambda: any(one["gets"] for one in clients(serves)["clients"]), "a GET that waits")
    page = clients(serves)
    assert page["next"] is None
    named, nameless = page["clients"]
    assert named["client"] < nameless["client"]
    assert (named["name"], named["leased"], named["gets"], named["puts"], named["gone"]) == ("till", 2, 0, 0, False)
    assert (nameless["name"], nameless["leased"], nameless["gets"], nameless["address"]) == (None, 0, 1, "127.0.0.1")
    assert 0 <= named["silent_ms"] <= named["since_ms"]
    assert [one["name"] for one in clients(serves, "t*")["clients"]] == ["till"]
    assert clients(serves, "x*") == {"clients": [], "next": None}
    first = clients(serves, "", "", 1)
    assert first["next"] == named["client"] and len(first["clients"]) == 1
    assert clients(serves, "", first["next"], 1)["clients"][0]["client"] == nameless["client"]
    assert clients(follows) == {"clients": [], "next": None}
    #  Acknowledged, and gone.
    till.request("ACK", "a", "orders", till.request("PEEK", "p", "orders", "first", 1)[2].split()[0])
    assert clients(serves, "till")["clients"][0]["leased"] == 1
    till.close()
    wait_for(lambda: clients(serves, "till")["clients"][0]["gone"], "the end of its connection")
    assert active in (0, 1)


@pytest.mark.parametrize("arguments, text", [
    (("a/b",), "pattern"), (("", "x"), "after"), (("", "-1"), "after"), (("", "", "0"), "max"), (("", "", "1", ""), "expected: CLIENTS")])
def test_bad_clients(single, arguments, text):
    reply = ask(single.endpoints[0], "CLIENTS", "c", *arguments)
    assert reply[1] == b"ERR" and reply[4] == b"400" and reply[5].startswith(text.encode()), reply


def index(reply):
    """Of each message of a MSG: id, deliveries, and its properties."""
    for line in reply[2].decode().split("\n") if reply[2] else ():
        head, *pairs = line.split("\t")
        yield (*head.split(" "), dict(pair.split("=", 1) for pair in pairs))


def test_peek(pair, client):
    in_step(pair)
    worker, other = client(pair, "worker"), client(pair)
    worker.hello()
    other.hello()
    worker.request("QUEUE", "q", "orders", "")
    evil = b"<script>alert(1)</script>\x00\xff"
    worker.request("PUT", 1, "orders", "colour=red", "one", "two", evil)
    taken = worker.request("GET", "g", "orders", 2, 0, "")
    ids = [line[0] for line in index(taken)]
    worker.request("NACK", "n", "orders", ids[1], 60000)
    now = time.time() * 1000
    reply = other.request("PEEK", "p", "orders", "first", 10)
    assert reply[:2] == [pair.level("both").encode(), b"orders"] and reply[3:] == [b"one", b"two", evil]
    one, two, three = index(reply)
    assert one[:2] == (ids[0], "1") and one[2]["zb-state"] == "leased" and one[2]["zb-by"] == "worker" and one[2]["colour"] == "red"
    assert two[:2] == (ids[1], "1") and two[2]["zb-state"] == "delayed" and "zb-by" not in two[2]
    assert three[1] == "0" and three[2] == {"zb-state": "ready", "colour": "red"}
    assert abs(int(one[2]["zb-until"]) - now - 30000) < 5000 and abs(int(two[2]["zb-until"]) - now - 60000) < 5000
    assert other.request("PEEK", "p", "orders", ids[1], 10)[3:] == [evil]
    assert other.request("PEEK", "p", "orders", three[0], 10)[2:] == [b""]
    assert int(list(index(other.request("PEEK", "p", "orders", "first", 1)))[0][1]) == 1
    #  Nobody has noticed; after a takeover it is there as before.
    pair.brokers[worker.current].kill()
    assert other.request("PEEK", "p", "orders", "first", 10)[3:] == [b"one", b"two", evil]
    assert other.request("GET", "g", "orders", 10, 0, "")[3:] == [b"one", b"two", evil]
