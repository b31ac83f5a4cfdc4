"""A pair whose brokers talk to each other through relays that can be cut, as a network is: nothing arrives, nothing is
refused.  Clients reach each broker directly."""
import select
import socket
import threading

from brokers import Broker, Pair, free_ports
import tempfile


class Relay:
    """Forwards connections to a port.  While it is cut it takes connections and data, and forwards nothing."""

    def __init__(self, port, target):
        self.target = target
        self.cut = False
        self.closed = False
        self.lock = threading.Lock()
        self.open = set()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pump, args=(near,), daemon=True).start()

    def _pump(self, near):
        far = socket.socket()
        with self.lock:
            self.open.add(near)
        try:
            #  A connection that begins while the wire is cut stays a connection to nobody.
            while self.cut and near in self.open:
                if select.select([near], [], [], 0.05)[0] and not near.recv(65536):
                    return
            far.connect(("127.0.0.1", self.target))
            ends = {near: far, far: near}
            while near in self.open:
                for end in select.select([near, far], [], [], 0.05)[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    if not self.cut:
                        ends[end].sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(near)
            near.close()
            far.close()

    def set_cut(self, cut):
        """What was swallowed meanwhile is lost, and with it the connections of before."""
        with self.lock:
            self.cut = cut
            if not cut:
                self.open.clear()

    def close(self):
        self.set_cut(False)
        self.listener.close()


class CutPair(Pair):
    """Primary and backup, each with a config of its own in which the other one is behind relays."""

    def __init__(self, *extra):
        self.folder = tempfile.mkdtemp(prefix="zbroker-test-")
        base = free_ports(16)
        self.ports = [base, base + 8]
        self.endpoints = ["tcp://127.0.0.1:%d" % port for port in self.ports]
        self.relays = [Relay(port + 4 + part, port + part) for port in self.ports for part in range(3)]
        self.brokers = []
        for index, role in enumerate(("primary", "backup")):
            path = "%s/%s.conf" % (self.folder, role)
            with open(path, "w") as config:
                for other, name in enumerate(("primary", "backup")):
                    port = self.ports[other] + (0 if other == index else 4)
                    config.write('%s\n    endpoint = "tcp://127.0.0.1:%d"\n    state = "tcp://127.0.0.1:%d"\n'
                                 '    ship = "tcp://127.0.0.1:%d"\n' % (name, port, port + 1, port + 2))
            self.brokers.append(Broker(["--config", path, "--as", role, "--store", "%s/%s" % (self.folder, role), *extra],
                                       "%s/%s.log" % (self.folder, role)))

    def cut(self):
        for relay in self.relays:
            relay.set_cut(True)

    def heal(self):
        for relay in self.relays:
            relay.set_cut(False)

    def close(self):
        self.heal()
        try:
            super().close()
        finally:
            for relay in self.relays:
                relay.close()
