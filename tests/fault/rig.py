"""A pair and its clients, each on a host of its own; what breaks them is in faults.py, what they saw in history.py."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import zmq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from brokers import Broker, FINDINGS, PROGRAM  # noqa: E402
from books import Books  # noqa: E402
from history import Ledger  # noqa: E402
from machine import Machine  # noqa: E402
from meaning import FILTER  # noqa: E402
from scribe import Scribe, judge  # noqa: E402
from zb1 import status  # noqa: E402

KEYS = subprocess.run([PROGRAM, "help", "key"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
INSECURE = "keys\n    insecure = yes\n" if KEYS else ""

BUILD = os.environ.get("ZBROKER_BUILD", ".")
PATIENCE = 120              #  seconds for the pair to come to rest, and for the queues to be drained
DUE = 30                    #  seconds after which each delay is over (meaning.DELAY, and what a takeover adds), by one clock
PORT = 5560
APART = "holds what was answered without the peer"

GROUPS = ("producers", "delayers", "consumers")    #  of clients, that go and pause together

PRIMARY, BACKUP, ONE, OTHER, WITNESS = range(5)     #  hosts: the brokers', the clients', and a third machine


class Stuck(Exception):
    """The pair or its clients did not come to rest, though nothing is broken any more."""


class Waits(Exception):
    """A broker waits for an operator and says so, where the manual says that it does.  The round ends there."""


class Process(Broker):
    """A broker or a witness on its host, that is killed, stopped and started as a fault likes."""

    def __init__(self, options, log):
        super().__init__(options, log)
        self.exits = []             #  how it ended by itself

    def _read(self, stream, pipe):
        with open(self.log[:-4] + ".out", "a", buffering=1) as out:
            for line in stream:
                out.write("%.3f %s" % (time.monotonic(), line))
                pipe.put(line.rstrip("\n"))
        pipe.put(None)

    def say(self, *what):
        """What is done to it, beside what it says itself."""
        with open(self.log[:-4] + ".out", "a") as out:
            out.write("%.3f -- %s\n" % (time.monotonic(), " ".join(map(str, what))))

    def reap(self):
        """Notes that it has ended by itself, if it has."""
        if self.process is not None and self.process.poll() is not None:
            self.exits.append(self.process.returncode)
            self.process = None

    def signal(self, number):
        self.reap()
        self.say("signal", number)
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self):
        self.reap()
        self.say("killed")
        if self.process is not None:
            super().kill()

    def stop(self):
        """A clean end; returns the exit code, also of one that has ended by itself."""
        self.reap()
        return super().stop() if self.process is not None else self.exits.pop()

    def restart(self):
        """Starts it unless it runs; does not wait."""
        self.reap()
        if self.process is None:
            self.start(ready=False)


class Witness(Process):
    """It lets two pairs in, of which one may never come."""
    command = "witness"
    pairs = ("fault", "beside")

    def __init__(self, host, folder):
        configs = []
        for pair in self.pairs:
            configs.append("%s/witness-%s.conf" % (folder, pair))
            with open(configs[-1], "w") as file:
                file.write(self.config(host, pair))
        super().__init__(["--store", folder + "/witness", *configs], folder + "/witness.log")
        self.wrapper = host.inside
        self.role = "witness"

    @staticmethod
    def config(host, pair):
        return "pair\n    name = %s\n    secret = s\n    witness = \"tcp://%s:%d\"\n%s" % (pair, host.address, PORT, INSECURE)


class Node(Process):
    """A broker with a disk and a clock that can fail."""

    def __init__(self, host, options, folder, role, store):
        super().__init__([*options, "--as", role, "--store", store], "%s/%s.log" % (folder, role))
        self.store = store
        self.machine = Machine("%s/%s.knobs" % (folder, role), store)
        self.wrapper = [*host.inside, "env", *("%s=%s" % item for item in self.machine.environment.items())]
        self.host = host
        self.role = role
        self.clock = True           #  it has shown the right time until now
        self.ahead = 0              #  ns by which it was told to be
        self.endpoint = "tcp://%s:%d" % (host.address, PORT)
        self.read = 0               #  bytes of its log
        self.apart = False          #  in this round it held what it had answered without the other one, which lacked that

    def knob(self, name, value):
        self.say(name, value)
        if name == "clock_ns":
            self.clock, self.ahead = False, value
        self.machine.turn(name, value)

    def start(self, ready=True):
        self.machine.starts()
        super().start(ready=ready)

    def stop_unseen(self):
        """As a virtual machine that is moved, or whose memory is saved, ..."""
        self.signal(signal.SIGSTOP)
        self.machine.stops()

    def go_on_unseen(self):
        """... and goes on: none of its clocks shows how long it stood."""
        self.clock = False
        self.machine.goes_on()
        self.say("its clocks stood", self.machine.stood)
        self.signal(signal.SIGCONT)

    def copy(self, path):
        """Copies the store as a power cut would leave it: the process stands still meanwhile."""
        self.signal(signal.SIGSTOP)
        shutil.copytree(self.store, path)
        self.signal(signal.SIGCONT)

    def set_back(self, path):
        """The store, whose broker is down, is that copy from now on."""
        self.say("set back to", path)
        shutil.rmtree(self.store)
        os.rename(path, self.store)

    def program(self, *words):
        """Runs a command of the program on its host, to the end; returns the exit code and what it printed."""
        self.say("operator:", *words)
        done = subprocess.run([*self.host.inside, PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=PATIENCE)
        self.say(done.returncode, done.stdout.strip())
        return done.returncode, done.stdout

    def ends(self, code, text):
        """Started, it ends by itself with this code, and its log says this, from now on."""
        with open(self.log) as log:
            log.seek(0, os.SEEK_END)
            self.start(ready=False)
            try:
                ended = self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                raise Stuck("%s does not end with %d" % (self.role, code)) from None
            self.process = None
            said = log.read()
        if ended != code or text not in said:
            raise Stuck("%s ended with %d, not %d, and says: %s" % (self.role, ended, code, said))

    def calm(self):
        self.say("disk mended")
        self.machine.heal()

    @property
    def status(self):
        return status(self.endpoint, patience=1.0) if self.alive else None

    def merges(self):
        """How many splits it has won, and taken from the other broker what that had, since it was asked last."""
        with open(self.log) as log:
            log.seek(self.read)
            text = log.read()
        self.read += len(text.encode())
        self.apart = self.apart or APART in text
        return text.count("the split is mended")

    def cut_power(self):
        """kill -9 of a broker whose knob `hold` was set at its start: what was not synced is gone, renames included."""
        self.kill()
        journal = self.machine.knobs + ".renames"
        if os.path.exists(journal):
            with open(journal) as file:
                lines = file.read().splitlines()
            for line in reversed(lines):
                source, target, keep = line.split("\t")
                if os.path.exists(target):
                    os.rename(target, source)
                if keep:
                    os.rename(keep, target)
            os.unlink(journal)


class Clients:
    """One process of roles.py on a host."""

    def __init__(self, host, folder, name, brokers, body, roles):
        self.history = "%s/%s.history" % (folder, name)
        open(self.history, "w").close()
        self.read = open(self.history)
        self.process = subprocess.Popen(
            [*host.inside, sys.executable, HERE + "/roles.py", self.history, ",".join(brokers), *roles],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open("%s/%s.err" % (folder, name), "a"), text=True,
            env={**os.environ, "ZBROKER_FAULT_BODY": str(body)})
        self.failed = []
        self.paused = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            word, *rest = line.rstrip("\n").split("\t")
            if word == "paused":
                self.paused[rest[0]] = True
            else:
                self.failed.append(" ".join(rest))

    def tell(self, word, kind):
        self.paused[kind] = False
        self.process.stdin.write("%s %s\n" % (word, kind))
        self.process.stdin.flush()

    def events(self):
        """What came since the last time."""
        return [line.rstrip("\n").split("\t") for line in self.read]

    def close(self):
        self.process.kill()
        self.process.wait()


class Rig:
    """Two brokers, perhaps a witness, and clients on two hosts.  Rounds: go, break something, rest, judge."""

    def __init__(self, network, options=(), config="", backup_config="", hold=False, leak=0, unit=4, disk=0, body=5000, rate=150,
                 witness=False, shared=False, pair=Witness.pairs[0], brokers=(PRIMARY, BACKUP), clients=(ONE, OTHER), plain=False):
        """brokers, clients: on which hosts.  witness: True for one of its own, or that of another rig.  plain: nothing beside
        the plain load."""
        self.shared = shared
        self.folder = tempfile.mkdtemp(prefix="zbroker-fault-")
        self.network = network
        endpoints = ["tcp://%s:%d" % (self.network.hosts[host].address, PORT) for host in brokers]
        options = [*options, "--primary", endpoints[0], "--backup", endpoints[1]]
        #  Its network is its own.  The first release knows no keys.
        config += Witness.config(self.network.hosts[WITNESS], pair) if witness else INSECURE
        if shared:
            options.append("--shared")
        self.nodes = []
        for role, host, more in (("primary", brokers[0], ""), ("backup", brokers[1], backup_config)):
            own = list(options)
            if config + more:
                own += ["--config", "%s/%s.conf" % (self.folder, role)]
                with open(own[-1], "w") as file:
                    file.write(config + more)
            self.nodes.append(Node(self.network.hosts[host], own, self.folder, role,
                                   self.folder + "/" + ("store" if shared else role)))
        self.neighbour = None
        self.witness, self.own_witness = witness or None, witness is True
        if self.own_witness:
            self.witness = Witness(self.network.hosts[WITNESS], self.folder).start()
        self.mounts = []
        for node in self.nodes if disk else ():
            os.mkdir(node.store)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % disk, "none", node.store], check=True)
            self.mounts.append(node.store)
        self.notes = []             #  what a fault has to say
        for node in self.nodes:
            node.knob("hold", int(hold))
            node.knob("leak", leak)
            node.knob("unit", unit)
            node.start(ready=False)
        self.endpoints = endpoints
        levels = {"levels": ("shared",)} if shared else {}
        self.ledger = Books(Ledger(nameless=("N",), unordered=("R", "N"), **levels), **levels)
        self.expected = set()       #  codes with which a broker may end by itself
        self.frames = open(self.folder + "/rig.frames", "w", buffering=1)
        self.scribe = Scribe(self.frames, "rig")
        self.in_step()
        self.scribe.note("one")
        self.clients = []
        self._queues("one", "other")
        beside = ([], []) if plain else self._beside()
        self.clients = [
            Clients(self.network.hosts[clients[0]], self.folder, "one", endpoints, body,
                    ["producer:P:one:%d" % rate, "consumer:A:one", "consumer:B:other", *beside[0]]),
            Clients(self.network.hosts[clients[1]], self.folder, "other", endpoints, body,
                    ["producer:Q:one:%d" % rate, "nameless:N:one:%d" % rate, "producer:R:other:%d" % rate, "consumer:C:other",
                     *beside[1]])]
        #  Nothing breaks before they are there.
        self.pause(*GROUPS)

    def beside(self):
        """Another pair, on the hosts of the clients, with its clients on the brokers', and at the same witness.  It is there
        until the end: another one of its name would not be let in."""
        if not self.neighbour:
            self.neighbour = Rig(self.network, pair=Witness.pairs[1], witness=self.witness, brokers=(ONE, OTHER),
                                 clients=(PRIMARY, BACKUP), plain=True)
        return self.neighbour

    def _queues(self, *names):
        for name in names:
            self.ask_active("QUEUE", "q", name, "lease=5000")

    def _beside(self):
        """What is beside the plain load, as far as these brokers know it: the roles on the first host, and on the other one."""
        one, other = [], []
        if self.knows("TOPIC", "t", "news", ""):
            for sub, more in (("plain", ""), ("part", "\nfilter=" + FILTER), ("slow", "")):
                self.ask_active("SUB", "s", "news/" + sub, "lease=5000" + more)
            self._queues("jobs", "results")
            one += ["teller:T:news:15", "slow:V:news/slow:5", "worker:X:jobs:results", "consumer:E:results"]
            other += ["consumer:S:news/plain", "consumer:U:news/part", "producer:W:jobs:10", "worker:Y:jobs:results"]
            self.ledger.add_topic()
            self.ledger.add_works()
        if self.knows("QUEUE", "q", "later", "lease=5000\ndelay=0"):
            one.append("delayer:D:later:10")
            other.append("consumer:Z:later")
            self.ledger.add_delayed()
        #  Of a queue that is not told to keep them, the order of its keys is kept by a consumer that is alone.
        keyed = self.knows("QUEUE", "q", "keyed", "lease=5000\nmode=key")
        if not keyed:
            self._queues("keyed")
        one += ["careful:F:keyed"]
        other += ["keyer:K:keyed:15"] + ["careful:G:keyed"] * keyed
        self.ledger.add_keyed("FG" if keyed else "F")
        return one, other

    def knows(self, *frames):
        """Whether the request is done; else it is malformed to these brokers."""
        return self.ask_active(*frames, malformed=False) is not False

    def ask_active(self, *frames, malformed=None):
        """One request on a session of its own, from the router, until somebody answers OK; or that it is malformed, where that
        has a value."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for endpoint, broker in zip(self.endpoints, "AB"):
                with zmq.Context.instance().socket(zmq.DEALER) as sock:
                    sock.linger = 0
                    sock.connect(endpoint)
                    connection = self.scribe.connected(broker)
                    for request in (("HELLO", "h"), frames):
                        self.scribe.sent(connection, *request)
                        sock.send_multipart([b"ZB1"] + [frame.encode() for frame in request])
                    while sock.poll(1000):
                        reply = sock.recv_multipart()
                        self.scribe.heard(connection, reply)
                        if reply[1] == b"OK" and reply[2] == frames[1].encode():
                            return reply[4:]
                        if reply[1] == b"ERR" and reply[4] == b"400" and malformed is not None:
                            return malformed
                        if reply[1] != b"OK":
                            break
                self.scribe.closed(connection)
            time.sleep(0.05)
        raise Stuck("nobody answers %s" % frames[0])

    #  Who is what.

    @property
    def processes(self):
        return [*self.nodes, self.witness] if self.own_witness else self.nodes

    def states(self):
        return [node.status for node in self.nodes]

    @property
    def active(self):
        """The broker that leads, or either of them when none or both do."""
        for index, state in enumerate(self.states()):
            if state and state["role"] == "active":
                return index
        return 0

    def in_step(self):
        def at_rest():
            for node in self.nodes:
                node.reap()
                if node.process is None:
                    node.start(ready=False)
            states = self.states()
            for index, state in enumerate(states):
                other = states[1 - index]
                if (state and other and state["role"] == "active" and state["in_step"] and other["role"] == "passive"
                        and other["in_step"] and (not self.witness or state["witness"]["consent"] == "shared")):
                    return True
            return None
        end = time.monotonic() + PATIENCE
        while not at_rest():
            self.look_for_merges()
            if time.monotonic() > end:
                raise Stuck("not in sync within %d s: %s" % (PATIENCE, self.describe()))
            time.sleep(0.05)

    def describe(self):
        lines = []
        for node, state in zip(self.nodes, self.states()):
            if state:
                lines.append("%s %s %s epoch %s commit %s alone %s: %s" % (
                    node.role, state["role"], state["phase"], state["epoch"], state["commit"], state["alone"], state["why"]))
            else:
                lines.append("%s %s, exits %s: %s" % (node.role, "silent" if node.alive else "dead", node.exits,
                                                      node.tail()[-300:].replace("\n", " | ")))
        return "; ".join(lines)

    def until(self, condition, what):
        """The condition's first true value, while nothing else is done."""
        end = time.monotonic() + PATIENCE
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise Stuck("waited %d s for %s: %s" % (PATIENCE, what, self.describe()))
            time.sleep(0.01)

    #  A round.

    def tell(self, word, kind):
        for clients in self.clients:
            clients.tell(word, kind)

    def go(self):
        for group in GROUPS:
            self.tell("go", group)

    def pause(self, *groups):
        for group in groups:
            self.tell("pause", group)
        for group in groups:
            self._wait_paused(group)

    def forget(self):
        """All consumers are new processes, which remember no reply, and have no name; they ask either broker first."""
        self.ledger.strangers = True
        self.tell("forget", "consumers")

    def heal(self):
        """Mends everything: network, disks, processes."""
        self.network.heal()
        for node in self.nodes:
            node.calm()
            node.signal(signal.SIGCONT)
        if self.witness:
            self.witness.signal(signal.SIGCONT)
            self.witness.restart()
        for mount in self.mounts:
            for name in os.listdir(mount):
                if name == "filler":
                    os.unlink(mount + "/" + name)
        for clients in self.clients:
            clients.process.send_signal(signal.SIGCONT)

    def rest(self):
        """Everything is mended: waits until the pair is in sync, all PUTs are answered, and the queues are empty."""
        self.heal()
        self.tell("pause", "delayers")
        self.in_step()
        self.pause("delayers", "producers")
        self.drain()
        self.pause("consumers")
        #  A broker whose disk has failed may have ended since: the next round breaks one thing, not two.
        self.in_step()
        self.look_for_merges()
        self.scribe.note("one")

    def drain(self):
        """Waits until the consumers have got all that there is."""
        began = time.monotonic()
        while True:
            left, delayed = self._messages()
            if not left:
                return
            self._check_clients()
            waited = time.monotonic() - began
            if waited > PATIENCE:
                raise Stuck("%d messages can't be drained: %s" % (left, self.describe()))
            if delayed == left and waited > DUE:
                self._reach_due()
            time.sleep(0.05)

    def _reach_due(self):
        """What one side of a split took is due by the clock of that side, which may be days ahead of the other one's: both get that
        clock, and when they know it of each other a lead begins, as only then the pair's time jumps.  By then all must be due."""
        ahead = max(node.ahead for node in self.nodes)
        if not self.ledger.merged or all(node.ahead == ahead for node in self.nodes):
            return
        for node in self.nodes:
            node.knob("clock_ns", ahead)
        self.until(lambda: all(state and abs(state["clock"]["apart_ms"]) < DUE * 1000 for state in self.states()), "one clock")
        self.nodes[self.active].kill()
        self.in_step()

    def _messages(self):
        """How many are there, of queues and subscriptions, and how many of them are not due yet, as far as these brokers tell; a
        topic may keep what these have done for a while."""
        pages = self.ask_active("LIST", "l", "", "", "1000", malformed=False)
        texts = (pages or self.ask_active("LIST", "l"))[1::2]
        queues = [dict(line.split("=", 1) for line in text.decode().split("\n")) for text in texts]
        return [sum(int(queue.get(what, 0)) for queue in queues if queue.get("kind") != "topic") for what in ("messages", "delayed")]

    def _wait_paused(self, kind):
        end = time.monotonic() + PATIENCE
        while not all(clients.paused[kind] for clients in self.clients):
            self._check_clients()
            if time.monotonic() > end:
                raise Stuck("%s do not end: %s" % (kind, self.describe()))
            time.sleep(0.01)

    def look_for_merges(self):
        """A split may be as late as the connection that was silent after the cut is mended."""
        found = sum([node.merges() for node in self.nodes])
        if found:
            self.ledger.merged = time.monotonic()
            self.scribe.note("split")
        return found

    def _check_clients(self):
        self.look_for_merges()
        for clients in self.clients:
            if clients.failed:
                raise Stuck("a client gave up: %s; %s" % ("; ".join(clients.failed), self.describe()))

    def judge(self):
        """Feeds the ledger; returns what it says, and what else is wrong with the brokers."""
        self.ledger.clocks = not all(node.clock for node in self.nodes)
        events = sorted((event for clients in self.clients for event in clients.events()), key=lambda event: float(event[1]))
        for event in events:
            self.ledger.feed(event)
        self.ledger.verdict()
        wrong = ["nothing came from %s" % name for name in self.ledger.idle()]
        for node in self.processes:
            node.reap()
            wrong += ["%s ended by itself with %d" % (node.role, code) for code in node.exits if code not in self.expected]
            node.exits = []
            with open(node.log) as log:
                if FINDINGS.search(log.read()):
                    wrong.append("%s complains in its log" % node.role)
        return wrong

    def judge_answers(self):
        """Whether all that was answered since the pair began can be right; returns None, or what can't."""
        files = [clients.history + ".frames" for clients in self.clients] + [self.frames.name]
        return judge(os.path.join(BUILD, "tests/history/judge"), files, self.folder + "/all.frames")

    def same_stores(self):
        """Stops both brokers and compares what they hold."""
        digest = os.path.join(BUILD, "tests/integration/digest")
        if self.neighbour:
            equal, sums = self.neighbour.same_stores()
            if not equal:
                return equal, sums
        self._stop()
        sums = []
        if self.shared:
            return True, sums
        for node in self.nodes:
            done = subprocess.run([digest, node.store], capture_output=True, text=True)
            sums.append(done.stdout.split()[-1] if done.returncode == 0 else done.stderr)
        return sums[0] == sums[1], sums

    def _stop(self):
        """Both brokers end, in sync.  One that has ended by itself since the round was judged, as its row allows, is started again."""
        end = time.monotonic() + PATIENCE
        while True:
            self.in_step()
            before = [code for node in self.nodes for code in node.exits]
            codes = [node.stop() for node in self.nodes]
            if {*before, *codes} - {0} - self.expected or time.monotonic() > end:
                raise Stuck("they ended with %s: %s" % (before + codes, "; ".join(node.tail()[-1000:] for node in self.nodes)))
            if not any(codes):
                return

    def close(self, keep=False):
        if self.neighbour:
            self.neighbour.close(keep)
        for clients in self.clients:
            clients.close()
        self.frames.close()
        for node in self.processes:
            node.kill()
        self.network.heal()
        for mount in self.mounts:
            subprocess.run(["umount", mount], check=False)
        if not keep:
            shutil.rmtree(self.folder)
