"""Messages with a delay: none early, none lost, each once, through a takeover and a restart; and in little memory."""
import os
import time

from conftest import in_step
from patience import PATIENCE, SLOWER
from zb1 import Client, status

MIB = 1 << 20
#  Messages that are not due at a time: 10000000 for the whole, which takes 10 GB of disk.
DELAYED = int(os.environ.get("ZBROKER_DELAYED", "100000"))
#  Sanitizers and valgrind keep what was freed: how much memory there is says nothing of the broker.
PADDED = SLOWER > 1


def now():
    return int(time.time() * 1000)


def get_all(client, queue, count):
    """Gets so many messages: (when it came, body) each.  Who gives a GET up leaves what it is given to be delivered again, behind others: it is
    waited for."""
    got = []
    while len(got) < count:
        _, _, lines, *bodies = client.request("GET", "1", queue, 1, 1000, "", wait=5)
        got += [(now(), body) for body in bodies]
        if bodies:
            client.request("ACK", "2", queue, " ".join(line.split()[0].decode() for line in lines.split(b"\n")))
    return got


def check(got, due):
    """Each came once, and none before its time."""
    assert sorted(body for _, body in got) == sorted(due), got
    early = [(body, due[body] - when) for when, body in got if when < due[body]]
    assert not early, early


def test_through_a_takeover_and_a_restart(pair):
    in_step(pair)
    one = Client(pair.endpoints)
    one.request("QUEUE", "3", "d", "delay=0")
    begin, due = now() + 8000, {}
    for when in (3000, 1000, 2000, 5000, 1500):
        due[b"%d" % when] = begin + when
        one.request("PUT", "4", "d", "due=%d" % (begin + when), b"%d" % when)
    check(get_all(one, "d", 1), {b"1000": due.pop(b"1000")})
    pair.brokers[in_step(pair)].kill()
    got = get_all(one, "d", 2)
    assert [body for _, body in got] == [b"1500", b"2000"], got
    check(got, {body: due.pop(body) for body in (b"1500", b"2000")})
    for broker in pair.brokers:
        if not broker.alive:
            broker.start()
    in_step(pair)
    for broker in pair.brokers:
        broker.stop()
    pair.start()
    in_step(pair)
    two = Client(pair.endpoints)
    got = get_all(two, "d", 2)
    assert [body for _, body in got] == [b"3000", b"5000"], got
    check(got, due)
    assert two.request("GET", "1", "d", 1, 0, "")[3:] == []
    one.close()
    two.close()


def test_little_memory(single):
    one = Client(single.endpoints)
    one.request("QUEUE", "3", "d", "delay=3600000")
    bodies = [b"%0500d" % number for number in range(1000)]

    def resident():
        #  Without the database's cache, which is in files.
        with open("/proc/%d/status" % single.broker.process.pid) as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))

    one.request("PUT", "4", "d", "", *bodies)
    before = resident()
    for _ in range(DELAYED // 1000 - 1):
        one.request("PUT", "4", "d", "", *bodies)
    grown = resident() - before
    print("%d messages, %d KiB more memory" % (DELAYED, grown // 1024))
    #  80 bytes a message would be seen, and a sixth of their bodies.
    assert PADDED or grown < 8 * MIB
    assert status(single.endpoints[0])["window_bytes"] < MIB
    #  One that is due is found among them at once.
    one.request("PUT", "4", "d", "delay=1", b"now")
    assert [body for _, body in get_all(one, "d", 1)] == [b"now"]
    one.request("PURGE", "5", "d")
    one.close()
