"""A split that is mended in more than one go: what is done in between, on either side, stays done."""
import glob

from brokers import wait_for
from conftest import in_step
from test_split import old_messages, sides, split     #  noqa: F401: one of them is a fixture

LARGE = 200000


def interrupt(pair, winner, messages):
    """The brokers meet, and lose each other when the winner has taken so many messages: what comes then is large, and the
    link breaks within it."""
    pair.links[0].limit = LARGE // 2
    pair.heal()

    def taken():
        state = winner.status()
        return state and state["merge"]["messages"] >= messages
    wait_for(taken, "the first rows")
    assert winner.status()["merge"]["messages"] == messages
    pair.cut()
    pair.links[0].limit = None


def restart(pair, index):
    pair.brokers[index].kill()
    pair.brokers[index].start()


def test_done_in_between(cut_pair, sides):
    """The winner has a row of ten. The loser leads again: it acknowledges five of them, purges one queue, deletes another,
    and changes a third. A producer that never heard the loser's OK asks the winner, and so does a consumer with an id of
    the loser's new epoch."""
    pair, ledger = cut_pair, sides[0].ledger
    winner, loser = sides
    active = old_messages(pair, sides)
    sides[active].client().request("QUEUE", "o", "gone", "")
    split(pair, sides, active)
    one = loser.client()
    for queue in ("purged", "gone"):
        loser.put(one, queue, queue, b"backup %s 1" % queue.encode())
    row = [b"backup row %d" % number for number in range(10)]
    _, first, last = one.request("PUT", "r", "q", "", *row)
    ledger.told.update((body, "q") for body in row)
    named = loser.client("resends")
    named.hello()
    loser.put(named, 1, "q", b"backup resends 1")
    #  The youngest queue comes last.
    one.request("QUEUE", "b", "big", "")
    for number in range(3):
        loser.put(one, "l%d" % number, "big", b"." * LARGE + b" %d" % number)
    interrupt(pair, winner, 14)

    restart(pair, 1)
    again = winner.client("resends")
    assert again.hello() == 1
    assert again.request("PUT", 1, "q", "", b"backup resends 1")[3:] == [b"duplicate"]
    one = loser.client()
    one.request("ACK", "a", "q", b"%d..%d" % (int(first), int(first) + 4))
    ledger.acked.update(row[:5])
    one.request("PURGE", "p", "purged")
    ledger.acked.update(body for body, queue in ledger.told.items() if queue == "purged")
    one.request("DELETE", "d", "gone")
    del ledger.told[b"backup gone 1"]
    one.request("QUEUE", "o", "q", "lease=12345")
    newer = one.request("PUT", "n", "q", "", b"backup newer 1")[1]
    ledger.told[b"backup newer 1"] = "q"
    asks = winner.client()
    asks.hello()
    asks.send("ACK", "a", "q", newer)
    reply = asks.recv(10)
    assert reply[1] == b"ERR" and reply[4] == b"503", reply

    #  It wins again, as soon as its epoch is the newer one: a broker that starts alone goes up by a number that is drawn.
    restart(pair, 0)
    winner.client().hello()
    while winner.status()["epoch"] < loser.status()["epoch"]:
        restart(pair, 0)
        winner.client().hello()
    pair.heal()
    assert in_step(pair) == 0
    listed = winner.client().request("LIST", "l")
    lines = dict(zip(listed[::2], listed[1::2]))
    assert b"gone" not in lines, "a queue that was deleted is back"
    assert b"lease=12345" in lines[b"q"], lines[b"q"]
    ledger.check(pair)
    assert glob.glob(pair.folder + "/backup/salvage/*.zb1") == []


def test_a_large_put_sent_to_both(cut_pair, sides):
    """It takes several rows of the log; it is one PUT all the same."""
    pair = cut_pair
    active = old_messages(pair, sides)
    split(pair, sides, active)
    bodies = [b"." * (LARGE // 2) + b" %d" % number for number in range(8)]
    for side in sides:
        one = side.client("large")
        one.hello()
        assert side.put(one, 1, "q", *bodies) == "solo"
    pair.heal()
    assert in_step(pair) == 0
    assert sides[0].status()["merge"]["duplicates"] == 8
    assert glob.glob(pair.folder + "/backup/salvage/*.zb1") == []
    sides[0].ledger.check(pair)
