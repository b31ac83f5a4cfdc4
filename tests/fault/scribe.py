"""Writes down what clients send and hear, a line for each message, for tests/history/judge: reading.h has the format."""
import re
import subprocess
import time

ODD = re.compile(rb"[^!-$&-~]")     #  bytes that are told as %XX


def word(frame):
    frame = frame if isinstance(frame, bytes) else str(frame).encode()
    return ODD.sub(lambda odd: b"%%%02X" % odd[0][0], frame).decode()


def body(frame):
    """A body begins with its producer and its number; what follows is their own."""
    return word(b".".join(frame.split(b" ", 2)[:2]))


class Scribe:
    """The connections of one client."""

    def __init__(self, file, name):
        self.file, self.name = file, name
        self.connections = 0

    def _line(self, connection, *words):
        self.file.write("\t".join(["%.6f" % time.monotonic(), connection, *words]) + "\n")

    def connected(self, broker):
        """Returns the connection's name."""
        self.connections += 1
        connection = "%s/%d" % (self.name, self.connections)
        self._line(connection, "+", broker)
        return connection

    def closed(self, connection):
        self._line(connection, "x")

    def sent(self, connection, verb, *frames):
        bodies = 3 if verb == "PUT" else len(frames)
        self._line(connection, ">", verb, *map(word, frames[:bodies]), *map(body, frames[bodies:]))

    def heard(self, connection, reply):
        bodies = 7 if reply[1] == b"MSG" else len(reply)
        self._line(connection, "<", *map(word, reply[1:bodies]), *map(body, reply[bodies:]))

    def note(self, *what):
        """What an observer knows: "one", "split", "copy", or "stood" and the broker."""
        self._line("-", *what)


def judge(program, files, whole):
    """Puts the lines of all files into `whole`, in the order of their times; returns what the judge finds, or None."""
    lines = []
    for name in files:
        with open(name) as file:
            lines += file
    lines.sort(key=lambda line: float(line.split("\t", 1)[0]))
    with open(whole, "w") as file:
        file.writelines(lines)
    done = subprocess.run([program, whole], capture_output=True, text=True)
    return None if done.returncode == 0 else (done.stdout or done.stderr).strip()
