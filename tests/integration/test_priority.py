"""Priorities: the highest first, in order within one, behind a backlog that no window holds, through a takeover and a restart."""
from conftest import in_step
from zb1 import Client

BACKLOG = 150  # messages of 100 kB: more than limits.window


def get(client, queue="jobs"):
    """One message, which is acknowledged: its body's beginning."""
    _, _, lines, *bodies = client.request("GET", "1", queue, 1, 5000, "", wait=10)
    assert len(bodies) == 1, bodies
    client.request("ACK", "2", queue, lines.split()[0].decode())
    return bodies[0][:4]


def put(client, priority, number, size=0):
    client.request("PUT", "3", "jobs", "priority=%d" % priority, b"%d%03d" % (priority, number) + bytes(size))


def test_through_a_takeover_and_a_restart(pair):
    in_step(pair)
    one = Client(pair.endpoints)
    one.request("QUEUE", "4", "jobs", "priorities=3")
    for number in range(BACKLOG):
        put(one, 0, number, 100000)
    for number in range(20):
        put(one, 2, number)
        put(one, 1, number)
    assert [get(one) for _ in range(5)] == [b"2%03d" % number for number in range(5)]
    pair.brokers[in_step(pair)].kill()
    assert [get(one) for _ in range(5)] == [b"2%03d" % number for number in range(5, 10)]
    put(one, 2, 20)
    for broker in pair.brokers:
        if not broker.alive:
            broker.start()
    in_step(pair)
    for broker in pair.brokers:
        broker.stop()
    pair.start()
    in_step(pair)
    two = Client(pair.endpoints)
    put(two, 2, 21)
    assert [get(two) for _ in range(12)] == [b"2%03d" % number for number in range(10, 22)]
    assert [get(two) for _ in range(20)] == [b"1%03d" % number for number in range(20)]
    assert [get(two) for _ in range(3)] == [b"0%03d" % number for number in range(3)]
    put(two, 1, 20)
    assert get(two) == b"1020"
    assert [get(two) for _ in range(BACKLOG - 3)] == [b"0%03d" % number for number in range(3, BACKLOG)]
    assert two.request("GET", "1", "jobs", 1, 0, "")[3:] == []
    one.close()
    two.close()
