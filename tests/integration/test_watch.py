"""Does a broker tell who watches it what happened, and who is there, without a vote, a change, or more than was asked?"""
import json

import pytest

from conftest import in_step
from zb1 import ask, status


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
    assert client.request("QUEUE", "q", "orders", "")
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
