"""Does a broker that was away come back with the same store, whatever it missed?"""
import glob
import os
import shutil
import subprocess

from brokers import PROGRAM, Pair, wait_for
from conftest import in_step, two_stores
from patience import PATIENCE, REPLY
from zb1 import Client, status

MIB = int(os.environ.get("ZBROKER_RESYNC_MIB", "1024"))
HALF = min(200, MIB)    #  enough to be killed in the middle of
KEEP = max(4, min(64, MIB // 8))
BODY = os.urandom(64 << 10)


def fill(client, queue, mib):
    """Puts 64 KiB messages, sixteen a PUT, pipelined."""
    first = client.last + 1
    sent = acked = client.last
    total = client.last + mib
    while acked < total:
        while sent < total and sent - acked < 8:
            sent += 1
            client.send("PUT", sent, queue, "", *[b"%d " % sent + BODY] * 16)
        reply = client.recv(PATIENCE)
        assert reply and reply[1] == b"OK", reply
        acked += 1
    client.last = total
    return first


def full_resync(pair, mib=0):
    """Waits until the backup copies the whole store, and has got that much of it."""
    def copies():
        resync = (status(pair.endpoints[1]) or {}).get("resync")
        assert not resync or not resync["total"] or resync["done"] <= resync["total"]
        return resync and resync["text"] == "full resync" and resync["done"] >= mib << 20
    wait_for(copies, "%d MiB of a full resync" % mib)


def log_is_gone(pair):
    """Waits until the primary has removed the log that its store began with."""
    wait_for(lambda: not glob.glob(pair.folder + "/primary/env.*/log.0000000001"), "the oldest log to be removed")


def digest(folder):
    """The digest of all tables of a stopped broker's store."""
    program = os.path.join(os.environ.get("ZBROKER_BUILD", "."), "tests/integration/digest")
    return subprocess.run([program, folder], check=True, capture_output=True, text=True).stdout.split()[-1]


def same_stores(pair):
    """Stops both and compares what they hold."""
    for broker in (pair.brokers[1], pair.brokers[0]):
        assert broker.stop() == 0
    return digest(pair.folder + "/primary") == digest(pair.folder + "/backup")


@two_stores
def test_incremental(pair, client):
    """What a broker missed comes by log, and its store's folder stays the same."""
    one = client(pair, "producer")
    one.request("QUEUE", "q", "q", "")
    pair.brokers[1].kill()
    fill(one, "q", 20)
    before = sorted(name for name in os.listdir(pair.folder + "/backup") if name.startswith("env"))
    pair.brokers[1].start()
    in_step(pair)
    assert sorted(name for name in os.listdir(pair.folder + "/backup") if name.startswith("env")) == before
    assert same_stores(pair)


def test_progress_has_a_total(client, folder):
    """What is missed comes at the rate that is set, and its progress is told until it is done."""
    with open(folder + "/slow.conf", "w") as config:
        config.write("pair\n    resync-rate = 4m\n")
    pair = Pair("--config", folder + "/slow.conf")
    try:
        pair.start()
        in_step(pair)
        one = client(pair, "producer")
        one.request("QUEUE", "q", "q", "")
        pair.brokers[1].kill()
        fill(one, "q", 20)
        pair.brokers[1].start()
        seen = []

        def told():
            resync = (status(pair.endpoints[1]) or {}).get("resync")
            if resync and resync["total"] and (not seen or resync["done"] > seen[-1]["done"]):
                seen.append(resync)
            return len(seen) > 3
        wait_for(told, "progress to be told")
        #  The stream goes on meanwhile, and is not answered `both` by who is not there yet.
        assert one.request("PUT", one.last + 1, "q", "", b"while it goes on")[0] == b"solo"
        one.last += 1
        assert all(resync["text"] == "catching up" and resync["done"] <= resync["total"] for resync in seen)
        assert 18 << 20 < seen[-1]["total"] < 40 << 20 and seen[-1]["left_ms"] > 0
        in_step(pair)
        assert not status(pair.endpoints[1])["resync"]
        assert same_stores(pair)
    finally:
        pair.close()


def test_full(client):
    """A store of 1 GiB whose log is gone is copied while the active serves; killed in the middle, it starts over."""
    pair = Pair("--config", "resync.conf")
    config = pair.folder + "/resync.conf"
    with open(config, "w") as text:
        text.write("store\n    log-keep = %dm\n    log-file = %dm\n" % (KEEP, min(16, KEEP)))
    for broker in pair.brokers:
        broker.options[broker.options.index("resync.conf")] = config
    try:
        pair.start()
        in_step(pair)
        one = client(pair, "producer")
        one.request("QUEUE", "q", "q", "")
        pair.brokers[1].kill()
        fill(one, "q", MIB)
        log_is_gone(pair)
        for interrupt in (True, False):
            pair.brokers[1].start()
            full_resync(pair, MIB // 3)
            one.request("PUT", one.last + 1, "q", "", b"while it goes on")
            one.last += 1
            if interrupt:
                pair.brokers[1].kill()
        in_step(pair)
        assert same_stores(pair)
    finally:
        pair.close()


def test_half_a_store_never_leads(client):
    """The receiver of a first copy is killed in the middle, then it is alone: it waits."""
    pair = Pair()
    try:
        pair.start()
        in_step(pair)
        one = client(pair, "producer")
        one.request("QUEUE", "q", "q", "")
        pair.brokers[1].kill()
        fill(one, "q", HALF)
        shutil.rmtree(pair.folder + "/backup")
        pair.brokers[1].start()
        full_resync(pair, HALF // 4)
        pair.brokers[1].kill()
        pair.brokers[0].kill()
        pair.brokers[1].start()
        state = status(pair.endpoints[1])
        assert not state["complete"] and state["role"] == "waiting"
        lone = Client(pair.endpoints[1:])
        try:
            lone.hello(patience=REPLY)
            raise SystemError("half a store leads")
        except AssertionError:
            pass
        finally:
            lone.close()
        pair.brokers[0].start()
        in_step(pair)
        assert same_stores(pair)
    finally:
        pair.close()


@two_stores
def test_a_returning_broker_gets_in_step_under_full_load(pair):
    """A broker alone is faster than the two together: without being slowed down it would be run from for ever."""
    brokers = ",".join(pair.endpoints)
    load = subprocess.Popen([PROGRAM, "bench", "through", "--brokers", brokers, "--seconds", "1000", "--no-limits"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        put = lambda: (status(pair.endpoints[0]) or {"messages_in": 0})["messages_in"]
        wait_for(lambda: put() > 100000, "the stream to begin")
        pair.brokers[1].kill()
        missed = put() + 2000000
        wait_for(lambda: put() > missed, "200 MB to be missed")
        pair.brokers[1].start()
        assert in_step(pair) == 0
        assert load.poll() is None
        more = put() + 100000
        wait_for(lambda: put() > more, "the stream to go on")
    finally:
        load.kill()
        load.wait()
