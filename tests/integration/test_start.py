"""Who leads when brokers start, in which order ever, and who waits?"""
import pytest

from brokers import STORES, Broker, Pair, single_config, wait_for
from conftest import in_step, two_stores
from patience import PATIENCE
from zb1 import refused, status, way_out


def waits(pair, index):
    """The broker answers 503 and says that it waits for its peer, and goes on saying so to one who votes again."""
    wait_for(lambda: "waiting for the peer" in (refused(pair.endpoints[index]) or ""), "503, waiting for the peer")
    for _ in range(20):
        assert refused(pair.endpoints[index])
    assert status(pair.endpoints[index])["role"] == "waiting"


@pytest.fixture(params=STORES)
def stopped(request):
    """A pair that was never started, over each kind of store."""
    pair = Pair(store=request.param)
    yield pair
    pair.close()


@pytest.mark.parametrize("first", [0, 1])
def test_new_pair_forms_when_both_meet(stopped, first):
    """One broker of a new pair waits, whichever it is; when the other comes, the primary leads."""
    stopped.brokers[first].start()
    waits(stopped, first)
    stopped.brokers[1 - first].start()
    assert in_step(stopped) == 0


def put(client, number, body, level):
    assert client.request("PUT", number, "q", "", body)[0] == level


@pytest.mark.parametrize("survivor", [0, 1])
def test_after_both_were_killed(pair, client, survivor):
    """One alone waits, whichever it is, but not for a shared store; with both the pair comes back, and nothing is lost."""
    one = client(pair, "producer")
    one.request("QUEUE", "q", "q", "")
    put(one, 1, b"one", pair.level("both").encode())
    for broker in pair.brokers:
        broker.kill()
    pair.brokers[survivor].start()
    if pair.shared:
        put(one, 2, b"two", b"shared")
    else:
        waits(pair, survivor)
    pair.brokers[1 - survivor].start()
    in_step(pair)
    put(one, 2, b"two", pair.level("both").encode())
    assert client(pair, "consumer").drain("q") == [b"one", b"two"]


@two_stores
def test_the_one_that_was_alone_goes_on(pair, client):
    """Who answered solo last knows that nobody knows more: it leads at once, and its stale peer waits for it."""
    one = client(pair, "producer")
    one.request("QUEUE", "q", "q", "")
    put(one, 1, b"one", b"both")
    pair.brokers[0].kill()
    put(one, 2, b"two", b"solo")
    pair.brokers[1].kill()
    pair.brokers[0].start()
    waits(pair, 0)
    pair.brokers[0].kill()
    pair.brokers[1].start()
    put(one, 3, b"three", b"solo")
    pair.brokers[0].start()
    assert in_step(pair) == 1
    put(one, 4, b"four", b"both")
    assert client(pair, "consumer").drain("q") == [b"one", b"two", b"three", b"four"]


@two_stores
def test_stale_one_first(pair, client):
    """The stale broker is there first and waits; when the other comes, the newer store leads."""
    one = client(pair, "producer")
    one.request("QUEUE", "q", "q", "")
    pair.brokers[0].kill()
    put(one, 1, b"one", b"solo")
    pair.brokers[1].kill()
    pair.brokers[0].start()
    waits(pair, 0)
    pair.brokers[1].start()
    assert in_step(pair) == 1
    assert client(pair, "consumer").drain("q") == [b"one"]


def test_peer_loss_wait(client):
    """With peer-loss = wait nothing is answered OK without the peer: 503 until it is back, and then it goes on."""
    pair = Pair("--peer-loss", "wait")
    try:
        pair.start()
        active = in_step(pair)
        one = client(pair, "producer")
        one.request("QUEUE", "q", "q", "")
        put(one, 1, b"one", b"both")
        pair.brokers[1 - active].kill()
        one.send("PUT", 2, "q", "", b"two")
        wait_for(lambda: "peer-loss" in (refused(pair.endpoints[active]) or ""), "503, peer-loss = wait")
        assert any("--peer-loss solo" in text for text in way_out(pair.endpoints[active], "peer-loss"))
        pair.brokers[1 - active].start()
        in_step(pair)
        put(one, 2, b"two", b"both")
        assert client(pair, "consumer").drain("q") == [b"one", b"two"]
    finally:
        pair.close()


def test_a_store_of_a_pair_does_not_run_alone(pair, client):
    """Without --as, on the store of a pair: refused with a text, not served, and none the worse for it."""
    one = client(pair, "producer")
    one.request("QUEUE", "q", "q", "")
    put(one, 1, b"one", pair.level("both").encode())
    pair.brokers[0].kill()
    single_config(pair.folder + "/single.conf")
    alone = Broker(["--config", pair.folder + "/single.conf", "--store",
                    pair.folder + ("/store" if pair.shared else "/primary")],
                   pair.folder + "/alone.log")
    alone.start(ready=False)
    assert alone.process.wait(PATIENCE) == 2
    assert ("a pair shares" if pair.shared else "belongs to a pair") in alone.tail()
    put(one, 2, b"two", pair.level("solo").encode())
    pair.brokers[0].start()
    assert in_step(pair) == 1
    pair.brokers[1].kill()
    put(one, 3, b"three", pair.level("solo").encode())
    assert client(pair, "consumer").drain("q") == [b"one", b"two", b"three"]


def test_one_store_one_process(single):
    """A second process on the same store ends with exit code 3 and says whose it is."""
    single_config(single.folder + "/other.conf")
    other = Broker(["--config", single.folder + "/other.conf", "--store", single.folder + "/store"],
                   single.folder + "/other.log")
    other.start(ready=False)
    assert other.process.wait(PATIENCE) == 3
    assert str(single.broker.process.pid) in other.tail()
