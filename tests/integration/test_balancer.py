"""Does the library find the active broker where one address stands for both?"""
import itertools
import select
import socket
import threading

import pytest

from conftest import in_step, two_stores
from patience import PATIENCE


class Balancer:
    """A TCP balancer: each connection goes to the next broker that can be reached, in turn."""

    def __init__(self, endpoints):
        self.targets = [("127.0.0.1", int(endpoint.rsplit(":", 1)[1])) for endpoint in endpoints]
        self.turn = itertools.count()
        self.given = [0] * len(endpoints)       #  connections to each
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _listen(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client, next(self.turn)), daemon=True).start()

    def _carry(self, client, turn):
        with client:
            for index in (turn % 2, (turn + 1) % 2):
                try:
                    server = socket.create_connection(self.targets[index])
                except OSError:
                    continue
                self.given[index] += 1
                with server:
                    self._copy(client, server)
                return

    @staticmethod
    def _copy(client, server):
        while True:
            for ready in select.select([client, server], [], [])[0]:
                try:
                    data = ready.recv(65536)
                    if not data:
                        return
                    (server if ready is client else client).sendall(data)
                except OSError:
                    return


@pytest.fixture
def balancer(pair):
    balancer = Balancer(pair.endpoints)
    yield balancer
    balancer.close()


@two_stores
def test_every_put_finds_the_active_broker(pair, balancer, zbroker):
    brokers = ["--brokers", balancer.endpoint, "--timeout", "%d" % (PATIENCE * 1000)]
    zbroker(["queue", "create", "q"] + brokers)
    for number in range(8):
        zbroker(["put", "q", "%d" % number] + brokers)
    assert min(balancer.given) > 0
    assert zbroker(["get", "q", "--count", "8"] + brokers).stdout.split() == ["%d" % number for number in range(8)]


@two_stores
def test_takeover_and_switchover_behind_it(pair, balancer, zbroker):
    """The other one leads, and then the first one again: the same process goes on, and so does the next one."""
    brokers = ["--brokers", balancer.endpoint, "--timeout", "%d" % (PATIENCE * 1000)]
    zbroker(["queue", "create", "q"] + brokers)
    pair.brokers[in_step(pair)].kill()
    zbroker(["put", "q", "solo"] + brokers)
    for broker in pair.brokers:
        if not broker.alive:
            broker.start()
    in_step(pair)
    zbroker(["switchover", "--brokers", ",".join(pair.endpoints)])
    zbroker(["put", "q", "both"] + brokers)
    assert zbroker(["get", "q", "--count", "2"] + brokers).stdout == "solo\nboth\n"


@two_stores
def test_time_out_names_what_was_asked_and_what_each_said(pair, zbroker):
    passive = pair.endpoints[1 - in_step(pair)]
    nobody = "tcp://127.0.0.1:1"
    done = zbroker(["put", "q", "x", "--brokers", "%s,%s" % (passive, nobody), "--timeout", "500"], check=False)
    assert done.returncode == 6
    assert "PUT" in done.stderr
    assert "%s is passive and names %s" % (passive, pair.endpoints[in_step(pair)]) in done.stderr
    assert "%s no connection" % nobody in done.stderr
