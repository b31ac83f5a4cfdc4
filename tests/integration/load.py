"""A steady load of named producers, and what they were answered."""
import threading

from patience import PATIENCE
from zb1 import Client

QUEUES = ["first", "second", "third"]


def make(client, *queues):
    for queue in queues:
        client.request("QUEUE", "q", queue, "")


class Load(threading.Thread):
    """Named producers that put 1, 2, 3, ... into each of the queues in turn, each PUT one message."""

    def __init__(self, endpoints, names):
        super().__init__(daemon=True)
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
                    client.request("PUT", number, QUEUES[number % 3], "", b"%s %d" % (client.name, number))
        except Exception as error:          # noqa: BLE001: told by the test's own thread
            self.errors.append(error)
        self.number = number

    def end(self):
        self.ends = True
        self.join(PATIENCE)
        for client in self.clients:
            client.close()
        assert not self.errors and not self.is_alive(), self.errors
        return self.number
