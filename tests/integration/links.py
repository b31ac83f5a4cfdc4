"""Links that can be cut, as a network is: nothing arrives, nothing is refused."""
import queue
import socket
import threading
import time

from brokers import Broker, Pair


class Link:
    """A TCP relay that can be cut: then it takes connections and bytes, and passes on nothing."""

    def __init__(self, port, target):
        self.target = target
        self.whole = True
        self.late = 0           #  seconds that what goes to the one that connected is under way, or a function that tells
        self.limit = None       #  bytes to the target until it is cut
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target)) if self.whole else None
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            if far:
                threading.Thread(target=self.carry, args=(near, far), daemon=True).start()
                threading.Thread(target=self.carry, args=(far, near, True), daemon=True).start()

    def deliver(self, waiting, sink):
        while True:
            due, data = waiting.get()
            if not data:
                return
            time.sleep(max(0, due - time.monotonic()))
            try:
                sink.sendall(data)
            except OSError:
                return

    def carry(self, source, sink, back=False):
        waiting = queue.Queue()
        if back:
            threading.Thread(target=self.deliver, args=(waiting, sink), daemon=True).start()
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if self.limit is not None and not back:
                    self.limit -= len(data)
                    self.whole = self.whole and self.limit >= 0
                if self.whole and back:
                    waiting.put((time.monotonic() + (self.late() if callable(self.late) else self.late), data))
                elif self.whole:
                    sink.sendall(data)
        except OSError:
            pass
        waiting.put((0, b""))
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.whole = False

    def heal(self):
        """A healed link is a new one: the connections of the cut one lack bytes."""
        self.whole = True
        self.drop()

    def drop(self):
        for pair in self.pairs:
            for end in pair:
                if end:
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
                    end.close()
        self.pairs = []

    def close(self):
        #  One who waits in accept keeps it open for one more connection.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop()


class CutPair(Pair):
    """Each broker has a config of its own, in which the other one is behind links.  Clients reach both directly."""

    def __init__(self, settings="", *extra):
        super().__init__()
        self.links = [Link(port + 4 + part, port + part) for port in self.ports for part in range(3)]
        self.configs = []
        self.brokers = []
        for index, role in enumerate(("primary", "backup")):
            self.configs.append("%s/%s.conf" % (self.folder, role))
            with open(self.configs[index], "w") as config:
                config.write(settings)
                for other, name in enumerate(("primary", "backup")):
                    port = self.ports[other] + (0 if other == index else 4)
                    config.write('%s\n    endpoint = "tcp://127.0.0.1:%d"\n    state = "tcp://127.0.0.1:%d"\n'
                                 '    ship = "tcp://127.0.0.1:%d"\n' % (name, port, port + 1, port + 2))
            self.brokers.append(Broker(["--config", self.configs[index], "--as", role, "--store",
                                        "%s/%s" % (self.folder, role), *extra], "%s/%s.log" % (self.folder, role)))

    def cut(self):
        for link in self.links:
            link.cut()

    def heal(self):
        for link in self.links:
            link.heal()

    def close(self):
        self.heal()
        try:
            super().close()
        finally:
            for link in self.links:
                link.close()
