"""A steady load of named producers, and what they were answered."""
import contextlib
import threading
import time

from patience import PATIENCE
from zb1 import Client

QUEUES = ["first", "second", "third"]


def make(client, *queues):
    for queue in queues:
        client.request("QUEUE", "q", queue, "")


class Load(threading.Thread):
    """Named producers that put 1, 2, 3, ... into each of the queues in turn, each PUT one message; `waits` is how long each took.
    With a pause between two of them they load nobody."""

    def __init__(self, endpoints, names, pause=0):
        super().__init__(daemon=True)
        self.pause = pause
        self.waits = []
        self.clients = [Client(endpoints, name) for name in names]
        self.ends = False
        self.errors = []
        make(self.clients[0], *QUEUES)
        self.start()

    def run(self):
        number = 0
        try:
            while not self.ends:
                number += 1
                for client in self.clients:
                    begin = time.monotonic()
                    client.request("PUT", number, QUEUES[number % 3], "", b"%s %d" % (client.name, number))
                    self.waits.append(time.monotonic() - begin)
                    time.sleep(self.pause)
        except Exception as error:          # noqa: BLE001: told by the test's own thread
            self.errors.append(error)
        self.number = number

    @contextlib.contextmanager
    def ended_after(self):
        """Whatever ends the block, nothing is put after it."""
        try:
            yield
        finally:
            self.ends = True

    def end(self):
        self.ends = True
        self.join(PATIENCE)
        for client in self.clients:
            client.close()
        assert not self.errors and not self.is_alive(), self.errors
        return self.number


def check_prefix(queues, names):
    """Of each producer exactly its first n messages, each in its queue and once; the ns.  As the producers take turns and
    wait for each OK, the ns differ by one at most, and that is the same on all queues: they are of one commit."""
    ends = []
    for name in names:
        numbers = {queue: [int(body.split()[1]) for body in bodies if body.startswith(name.encode() + b" ")]
                   for queue, bodies in queues.items()}
        end = max(max(numbers[queue], default=0) for queue in QUEUES)
        for index, queue in enumerate(QUEUES):
            assert numbers[queue] == [n for n in range(1, end + 1) if n % 3 == index], (name, queue)
        ends.append(end)
    assert max(ends) - min(ends) <= 1 and ends == sorted(ends, reverse=True), ends
    return ends
