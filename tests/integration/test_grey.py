"""A broker that neither works nor is dead: does the pair go on without it, and take it back?"""
import contextlib
import glob
import os
import signal
import socket
import struct
import subprocess
import time

import pytest

from brokers import WRAPPER, Pair, Single, wait_for
from conftest import in_step, two_stores
from machine import fit
from patience import PATIENCE
from test_bad_input import greeting
from test_bounds import Flood
from test_resync import same_stores
from zb1 import Refused, status, way_out

MESSAGES = int(os.environ.get("ZBROKER_MESSAGES", "100000")) // 10

#  The limits are a second: what makes the broker slower than that is no disk that stalls.
pytestmark = pytest.mark.skipif(bool(WRAPPER), reason="runs without a wrapper: it would miss the limits by itself")


def bodies(count):
    return [b"%d" % number for number in range(1, count + 1)]


@pytest.fixture
def grey(folder):
    """A pair in sync whose brokers' machines (grey.machines) do what they are told.  The disk's limit is 1 s."""
    with open(folder + "/grey.conf", "w") as config:
        config.write("pair\n    disk-limit = 1s\n")
    pair = Pair("--config", folder + "/grey.conf")
    pair.machines = fit(pair.brokers, folder)
    try:
        pair.start()
        in_step(pair)
        yield pair
    finally:
        for machine in pair.machines:
            machine.heal()
        pair.close()


@pytest.fixture
def single_grey(folder):
    """A broker without a pair whose machine (single_grey.machine) does what it is told."""
    single = Single()
    single.machine, = fit([single.broker], folder)
    try:
        single.broker.start()
        yield single
    finally:
        single.machine.heal()
        single.close()


def stream_through(pair, client, trouble):
    """A stream in whose middle `trouble (active)` happens; returns levels and the client's longest gap in ms."""
    put = client(pair, "producer")
    put.hello()
    put.request("QUEUE", "q", "q", "")
    active = in_step(pair)

    def half(done):
        if done == MESSAGES // 2:
            trouble(active)
    levels, gaps = put.stream("q", bodies(MESSAGES), progress=half)
    return active, levels, int(max(gaps, default=0) * 1000)


def test_a_stalled_disk_gives_up_the_role(grey, client):
    active, levels, gap = stream_through(grey, client, lambda active: grey.machines[active].turn("stall"))
    assert levels["both"] and levels["solo"]
    print("client's gap with a disk that stalls for good, limit 1 s: %d ms" % gap)
    state = status(grey.endpoints[1 - active])
    assert state["role"] == "active" and not state["peer"]["heard"]
    grey.machines[active].heal()
    assert in_step(grey) == 1 - active
    assert client(grey, "consumer").drain("q") == bodies(MESSAGES)


def test_a_hung_core_gives_up_the_role(grey, client):
    """The thread that serves clients stands still, all others go on: heartbeats stop all the same."""
    active, levels, gap = stream_through(grey, client, lambda active: grey.machines[active].turn("hang"))
    assert levels["both"] and levels["solo"]
    print("client's gap with a core that hangs, limit 1 s: %d ms" % gap)
    assert status(grey.endpoints[1 - active])["role"] == "active"
    grey.machines[active].heal()
    assert in_step(grey) == 1 - active
    assert client(grey, "consumer").drain("q") == bodies(MESSAGES)


def unread(port):
    """Bytes that wait in the kernel for who listens at this port, of each connection that stands."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return {other: int(queues.split(":")[1], 16) for _, own, other, state, queues, *_ in rows
            if state == "01" and own.endswith(":%04X" % port)}


def test_clients_may_leave_a_hung_core(single_grey, client):
    """With requests that nobody has read.  libzmq 4.3.4 aborted there when it wanted to send a heartbeat."""
    port = int(single_grey.endpoints[0].rsplit(":", 1)[1])
    flood = Flood(single_grey.endpoints[0], 20)
    single_grey.machine.turn("hang")
    flood.put(bytes(1000), 320)
    seen = {}

    def full():
        nonlocal seen
        before, seen = seen, unread(port)
        return len(seen) >= 20 and all(seen.values()) and seen == before
    wait_for(full, "the broker to read no more")
    flood.close()
    wait_for(lambda: not unread(port), "the connections' end at the broker")
    #  Longer than any heartbeat waits.
    with pytest.raises(subprocess.TimeoutExpired):
        single_grey.broker.process.wait(3)
    single_grey.machine.heal()
    assert client(single_grey).request("PING", 1) == []
    assert single_grey.broker.alive


PING = b"\x04\x07\x04PING\0\0"       #  a command of ZMTP
BEFORE, UNREAD = 264, 269            #  messages: before the second PING, and all, of which a pipe takes 256


def ping_behind_requests(port, freeze=None):
    """Sends, in one piece, more messages than a pipe takes and a PING behind the 264th, and breaks the connection; with
    the piece in the broker's hands, or with both to be found by it at once."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        def heard(word):
            sock.settimeout(PATIENCE)
            got = b""
            while word not in got:
                got += sock.recv(1000) or pytest.fail("the broker closed the connection")
        sock.sendall(greeting())
        heard(b"READY")
        if freeze:
            freeze.send_signal(signal.SIGSTOP)
        sock.sendall(PING + b"\0\x01x" * BEFORE + PING + b"\0\x01x" * (UNREAD - BEFORE))
        if not freeze:
            heard(b"PONG")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))       #  close resets
    if freeze:
        freeze.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_clients_heartbeat_may_wait_behind_its_requests(single_grey, at_once):
    """libzmq 4.3.4 aborts when it reads a heartbeat whose connection broke while the pipe was full."""
    port = int(single_grey.endpoints[0].rsplit(":", 1)[1])

    def descriptors():
        return len(os.listdir("/proc/%d/fd" % single_grey.broker.process.pid))
    #  A broker that is ready may have files yet to open; one that serves has them all.
    wait_for(lambda: (status(single_grey.endpoints[0]) or {}).get("role") == "active", "the broker serves")
    before = descriptors()
    single_grey.machine.turn("hang")
    for _ in range(5):
        ping_behind_requests(port, single_grey.broker.process if at_once else None)
    single_grey.machine.heal()

    def read():
        assert single_grey.broker.alive, single_grey.broker.tail()
        state = status(single_grey.endpoints[0])
        return state and state["dropped"]["not_zb1"] == 5 * UNREAD
    wait_for(read, "all that was sent read")
    wait_for(lambda: descriptors() <= before, "the broken connections closed")


def test_a_slow_passive_is_left_behind_and_taken_back(grey, client):
    active, levels, gap = stream_through(grey, client, lambda active: grey.machines[1 - active].turn("stall"))
    assert levels["both"] and levels["solo"]
    assert status(grey.endpoints[active])["role"] == "active"
    grey.machines[1 - active].heal()
    assert in_step(grey) == active
    assert client(grey).request("PUT", 1, "q", "", b"x")[0] == b"both"


def longest(one, seconds):
    """The longest time, in s, between two OKs to one PUT after the other."""
    end, last, gap, number = time.monotonic() + seconds, time.monotonic(), 0, 1
    while time.monotonic() < end:
        number += 1
        one.request("PUT", number, "gap", "", b"x", wait=3)
        gap, last = max(gap, time.monotonic() - last), time.monotonic()
    return gap


def test_how_long_a_slow_passive_is_waited_for(grey, client):
    active = in_step(grey)
    one = client(grey)
    one.request("QUEUE", 1, "gap", "")
    grey.machines[1 - active].turn("stall")
    print("longest wait for a passive that stalls: %d ms" % (longest(one, 2) * 1000))
    assert one.request("PUT", "last", "gap", "", b"x")[0] == b"solo"


def test_a_stalled_disk_is_not_asked(single_grey):
    """STATUS tells the free space, and waits for no disk."""
    endpoint = single_grey.endpoints[0]
    free = wait_for(lambda: status(endpoint)["disk"]["free"], "the free space")
    single_grey.machine.stall()
    for _ in range(20):
        state = status(endpoint, patience=1)
        assert state, "no answer"
        assert state["disk"]["free"] // 2 < free


def test_a_sync_that_fails(grey, client):
    """The broker ends with code 4, its peer takes over; at its restart it fetches its store anew."""
    active, levels, gap = stream_through(grey, client, lambda active: grey.machines[active].turn("fail_data"))
    assert levels["both"] and levels["solo"]
    grey.brokers[active].wait_exit(4)
    grey.machines[active].heal()
    with open("%s/%s/node" % (grey.folder, ("primary", "backup")[active])) as node:
        assert "suspect 1" in node.read()
    grey.brokers[active].start()
    assert in_step(grey) == 1 - active
    assert client(grey, "consumer").drain("q") == bodies(MESSAGES)
    assert same_stores(grey)


def flip(folder):
    """Flips a byte in the middle of each page of the messages' table."""
    for path in glob.glob(folder + "/env.*/table.log"):
        with open(path, "r+b") as table:
            pages = os.fstat(table.fileno()).st_size // 16384
            assert pages > 1
            for page in range(pages):
                table.seek(page * 16384 + 8000)
                byte = table.read(1)[0]
                table.seek(page * 16384 + 8000)
                table.write(bytes([byte ^ 0xff]))


def look_at_all(client, broker):
    """Has the broker read its messages until it ends."""
    while broker.alive:
        with contextlib.suppress(AssertionError):
            client.request("GET", "g", "q", 1000, 0, "", patience=2)


@two_stores
def test_a_damaged_store_is_put_aside_and_fetched_anew(pair, client):
    put = client(pair, "producer")
    put.request("QUEUE", "q", "q", "")
    put.stream("q", bodies(2000))
    assert pair.brokers[1].stop() == 0
    flip(pair.folder + "/backup")
    #  It is seen when a page is read: at the start, or when the broker leads.
    pair.brokers[1].start(ready=False)
    if not wait_for(lambda: pair.brokers[1].process.poll() or in_step_now(pair), "the damage, or the pair in sync"):
        raise AssertionError
    if pair.brokers[1].alive:
        pair.brokers[0].kill()
        look_at_all(client(pair), pair.brokers[1])
        pair.brokers[0].start()
    pair.brokers[1].wait_exit(5)
    assert glob.glob(pair.folder + "/backup/damaged.1/table.log")
    pair.brokers[1].start()
    in_step(pair)
    assert client(pair, "consumer").drain("q") == bodies(2000)
    assert same_stores(pair)


def in_step_now(pair):
    state = status(pair.endpoints[1])
    return state and state["in_step"]


@two_stores
def test_a_damaged_store_that_alone_has_something_is_left_to_the_operator(pair, client):
    one = client(pair)
    one.request("QUEUE", 1, "q", "")
    pair.brokers[1].kill()
    for number in range(2, 200):
        assert one.request("PUT", number, "q", "", b"x" * 1000)[0] == b"solo"
    assert pair.brokers[0].stop() == 0
    flip(pair.folder + "/primary")
    pair.brokers[0].start(ready=False)
    look_at_all(one, pair.brokers[0])
    pair.brokers[0].wait_exit(5)
    assert "WAYS OUT" in pair.brokers[0].tail()
    assert glob.glob(pair.folder + "/primary/env.*/table.log") and not glob.glob(pair.folder + "/primary/damaged.*")


@pytest.fixture
def small_disk(folder):
    """A file system of 400 MiB."""
    path = folder + "/disk"
    os.mkdir(path)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", path], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("a small file system needs root: " + done.stderr.strip())
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_a_full_disk_refuses_producers_alone(small_disk, client):
    """507 below the low-water mark; consumers go on, and as they do, producers may again.  Twice."""
    with open(small_disk + "/full.conf", "w") as config:
        config.write("store\n    log-file = 4m\n")
    single = Single()
    options = single.broker.options
    options[options.index("--store") + 1] = small_disk + "/store"
    with open(options[options.index("--config") + 1], "a") as config:
        config.write("store\n    log-file = 4m\n    log-keep = 8m\n    cache = 16m\n")
    try:
        single.broker.start()
        one = client(single)
        one.request("QUEUE", 1, "q", "")
        number = 1

        def fill():
            nonlocal number
            stored = 0
            while True:
                number += 1
                try:
                    one.request("PUT", number, "q", "", *[os.urandom(1000)] * 200, wait=10)
                    stored += 200
                except Refused as refused:
                    assert refused.code == 507
                    return stored

        def may():
            nonlocal number
            number += 1
            try:
                return one.request("PUT", number, "q", "", b"again", wait=10)
            except Refused as refused:
                assert refused.code == 507

        for round_ in range(2):
            assert fill() >= 1000
            assert status(single.endpoints[0])["disk"]["full"] and way_out(single.endpoints[0], "disk-full")
            #  Consuming writes to the log faster than anything else: that must not be what fills the disk.
            assert one.drain("q")
            wait_for(may, "the disk to have room again")
        print("free at the end: %d MiB" % (status(single.endpoints[0])["disk"]["free"] >> 20))
        one.drain("q")
    finally:
        single.close()


def fill(disk):
    """Takes the last byte of a file system; returns the file's name."""
    with contextlib.suppress(OSError), open(disk + "/filler", "ab", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    return disk + "/filler"


def test_a_disk_that_is_full_at_once(small_disk, client):
    """The database's memory is in files: a broker that reads what it has not read yet must have had their room before.
    One that is started then ends with an error; nothing is lost."""
    single = Single()
    options = single.broker.options
    options[options.index("--store") + 1] = small_disk + "/store"
    large = [b"%d " % number + os.urandom(10000) for number in range(1500)]
    try:
        single.broker.start()
        put = client(single, "producer")
        put.hello()
        put.request("QUEUE", "q", "q", "")
        put.stream("q", large)
        assert single.broker.stop() == 0
        single.broker.start()
        fill(small_disk)
        got = client(single).request("GET", "g", "q", 1000, 1000, "")
        assert len(got) > 100
        for number in range(4):
            client(single).request("GET", "g%d" % number, "q", 1000, 1000, "")
        single.broker.kill()
        for name in glob.glob(small_disk + "/store/env.*/__db.0*"):
            os.remove(name)
        filler = fill(small_disk)
        single.broker.start(ready=False)
        single.broker.wait_exit(4)
        assert "room for the database's memory" in single.broker.tail()
        os.remove(filler)
        single.broker.start()
        assert client(single, "consumer").drain("q") == large
    finally:
        single.close()
