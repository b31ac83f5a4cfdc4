"""Links that can be cut: the two brokers of a pair reach each other through these, clients reach both directly."""
import selectors
import socket
import threading

from brokers import Broker, Pair, free_ports


class Link:
    """Forwards one TCP port to another.  While it is cut nothing passes, as on a dead cable: connections stay open and
    silent, new ones open and stay silent, too.  Healing ends them, so that both sides connect anew."""

    def __init__(self, port, target):
        self.target = target
        self.whole = True
        self.pairs = {}
        self.selector = selectors.DefaultSelector()
        self.wake, wake = socket.socketpair()
        self.selector.register(wake, selectors.EVENT_READ)
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.commands = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _do(self, command):
        done = threading.Event()
        self.commands.append((command, done))
        self.wake.send(b"x")
        assert done.wait(10)

    def cut(self):
        self._do(self._cut)

    def heal(self):
        self._do(self._heal)

    def close(self):
        self._do(self._close)
        self.thread.join()

    def _cut(self):
        self.whole = False
        for sock in self.pairs:
            self.selector.unregister(sock)

    def _heal(self):
        self.whole = True
        for sock in list(self.pairs):
            sock.close()
        self.pairs.clear()

    def _close(self):
        self._heal()
        self.listener.close()
        self.listener = None

    def _drop(self, sock):
        other = self.pairs.pop(sock)
        self.pairs.pop(other)
        for end in (sock, other):
            self.selector.unregister(end)
            end.close()

    def _accept(self):
        near, _ = self.listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=5) if self.whole else socket.socket()
        except OSError:
            #  Nobody is there, and that is what the one who connects shall see.
            near.close()
            return
        self.pairs[near], self.pairs[far] = far, near
        if self.whole:
            for sock in (near, far):
                self.selector.register(sock, selectors.EVENT_READ)

    def _forward(self, sock):
        try:
            data = sock.recv(1 << 16)
            if data:
                self.pairs[sock].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._drop(sock)

    def _run(self):
        while self.listener:
            for key, _ in self.selector.select():
                sock = key.fileobj
                if sock is self.listener:
                    self._accept()
                elif sock in self.pairs:
                    self._forward(sock)
                elif sock.fileno() >= 0:
                    sock.recv(100)
            while self.commands:
                command, done = self.commands.pop(0)
                command()
                done.set()


class CutPair(Pair):
    """A pair whose brokers reach each other through links."""

    def __init__(self, settings="", *extra):
        super().__init__(*extra)
        base = free_ports(4)
        self.links = []
        text = "pair\n    name = test\n%s" % settings
        for index, role in enumerate(("primary", "backup")):
            port = self.ports[index]
            text += ("%s\n    endpoint = \"%s\"\n    bind = \"tcp://127.0.0.1:%d\"\n" % (role, self.endpoints[index], port))
            for place, name in enumerate(("state", "ship")):
                outside, inside = base + 2 * index + place, port + 1 + place
                text += "    %s = \"tcp://127.0.0.1:%d\"\n    %s-bind = \"tcp://127.0.0.1:%d\"\n" % (
                    name, outside, name, inside)
                self.links.append(Link(outside, inside))
        self.config = self.folder + "/zbroker.conf"
        with open(self.config, "w") as config:
            config.write(text)
        self.brokers = [Broker(["--as", role, "--config", self.config, "--store", "%s/%s" % (self.folder, role), *extra],
                               "%s/%s.log" % (self.folder, role)) for role in ("primary", "backup")]

    def cut(self):
        for link in self.links:
            link.cut()

    def heal(self):
        for link in self.links:
            link.heal()

    def close(self):
        for link in self.links:
            link.close()
        super().close()
