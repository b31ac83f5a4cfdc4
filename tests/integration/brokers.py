"""Real brokers as real processes, on free ports and scratch stores, to be killed for real."""
import os
import queue
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from patience import PATIENCE

PROGRAM = os.environ.get("ZBROKER_PROGRAM", "zbroker")
#  What runs the programs: valgrind and its options, say.
WRAPPER = shlex.split(os.environ.get("ZBROKER_WRAPPER", ""))
#  What sanitizers and valgrind print about a process, whether it ended by itself or was killed.
FINDINGS = re.compile("ERROR: .*Sanitizer|runtime error:|WARNING: ThreadSanitizer|== (Invalid|Use of|Conditional)|"
                      "Assertion .* failed|definitely lost: [1-9]")
LOCKS = []          #  on port ranges, until this process ends
#  What a pair keeps its messages in; tests run over both.
STORES = os.environ.get("ZBROKER_STORES", "replicated shared").split()


def wait_for(condition, what, patience=PATIENCE):
    """Returns the condition's first true value; fails the test if there is none."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "waited %d s in vain for: %s" % (patience, what)
        time.sleep(0.01)


def free_ports(count):
    """A base port with `count` free ports from it on, below the range the kernel hands out, and this process's alone:
    tests run side by side."""
    for number in range(os.getpid(), os.getpid() + 680):
        base = 20000 + number % 680 * 16
        lock = socket.socket(socket.AF_UNIX)
        probes = []
        try:
            lock.bind("\0zbroker-test-port-%d" % base)
            for port in range(base, base + count):
                probe = socket.socket()
                probe.bind(("127.0.0.1", port))
                probes.append(probe)
            LOCKS.append(lock)
            return base
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
    raise OSError("no free ports")


class Broker:
    """One `zbroker serve`, or another command that runs until it is stopped.  `lines` is what it printed so far."""
    wrapper = WRAPPER
    executable = PROGRAM
    command = "serve"

    def __init__(self, options, log):
        self.options = options
        self.log = log
        open(log, "a").close()
        self.process = None
        self.lines = []
        self.environment = {}       #  of its process, beside ours

    def start(self, ready=True):
        assert self.process is None
        self.lines = []
        self.process = subprocess.Popen([*self.wrapper, self.executable, self.command, *self.options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=open(self.log, "a"), text=True,
                                        env={**os.environ, **self.environment})
        self.pipe = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout, self.pipe), daemon=True).start()
        if ready:
            self.wait_line("READY")
        return self

    @staticmethod
    def _read(stream, pipe):
        for line in stream:
            pipe.put(line.rstrip("\n"))
        pipe.put(None)

    def wait_line(self, word, patience=PATIENCE):
        """The first line, old or new, with this word in it."""
        end = time.monotonic() + patience
        index = 0
        while True:
            while index < len(self.lines):
                if self.lines[index] and word in self.lines[index]:
                    return self.lines[index]
                index += 1
            try:
                self.lines.append(self.pipe.get(timeout=max(0.01, end - time.monotonic())))
            except queue.Empty:
                raise AssertionError("no line with %r from %s; got %s; log: %s"
                                     % (word, self.options, self.lines, self.tail())) from None
            if self.lines[-1] is None:
                raise AssertionError("%s ended with %s: %s" % (self.options, self.process.wait(), self.tail()))

    def wait_exit(self, code):
        """Waits until the process ends by itself, with this code."""
        assert self.process.wait(PATIENCE) == code, self.tail()
        self.process = None

    def tail(self):
        with open(self.log) as log:
            return log.read()[-3000:]

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        """A clean end; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    def finish(self):
        """Stops it if it runs, and fails the test if it left a complaint behind."""
        if self.alive:
            self.wait_line("READY")
        code = self.stop() if self.alive else 0
        with open(self.log) as log:
            finding = FINDINGS.search(text := log.read())
        assert code == 0 and not finding, "exit code %s; %s" % (code, text[finding.start():][:3000] if finding else text[-3000:])

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None


def single_config(path):
    """Writes the config file of a broker without a pair that listens at a free port; returns the endpoint."""
    endpoint = "tcp://127.0.0.1:%d" % free_ports(1)
    with open(path, "w") as config:
        config.write("single\n    endpoint = \"%s\"\n" % endpoint)
    return endpoint


class Single:
    """A broker without a pair."""

    def __init__(self, *extra):
        self.folder = tempfile.mkdtemp(prefix="zbroker-test-")
        self.endpoints = [single_config(self.folder + "/zbroker.conf")]
        self.broker = Broker(["--config", self.folder + "/zbroker.conf", "--store", self.folder + "/store", *extra],
                             self.folder + "/log")

    def close(self):
        try:
            self.broker.finish()
        finally:
            shutil.rmtree(self.folder)


def finish(brokers):
    """Ends them all, and kills those that are left when one of them has not ended well."""
    try:
        for broker in brokers:
            broker.finish()
    finally:
        for broker in brokers:
            if broker.alive:
                broker.kill()


class Pair:
    """Primary and backup on loopback; index 0 is the primary.  Each with a store of its own, or both with one."""

    def __init__(self, *extra, store="replicated"):
        self.shared = store == "shared"
        self.folder = tempfile.mkdtemp(prefix="zbroker-test-")
        base = free_ports(16)
        self.endpoints = ["tcp://127.0.0.1:%d" % base, "tcp://127.0.0.1:%d" % (base + 8)]
        self.ports = [base, base + 8]
        self.brokers = [
            Broker(["--as", role, "--primary", self.endpoints[0], "--backup", self.endpoints[1],
                    "--store", "%s/%s" % (self.folder, "store" if self.shared else role),
                    *(["--shared"] if self.shared else []), *extra], "%s/%s.log" % (self.folder, role))
            for role in ("primary", "backup")]

    def level(self, replicated):
        """What OK says on this pair where one with two stores says `both` or `solo`."""
        return "shared" if self.shared else replicated

    def start(self):
        for broker in self.brokers:
            broker.start(ready=False)
        for broker in self.brokers:
            broker.wait_line("READY")
        return self

    def close(self):
        try:
            finish(self.brokers)
        finally:
            shutil.rmtree(self.folder)
