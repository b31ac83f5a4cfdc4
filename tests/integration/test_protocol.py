"""Is the client that include/PROTOCOL.md shows to the authors of clients complete?"""
import os
import re
import subprocess
import sys

from conftest import in_step
from patience import PATIENCE

PAGE = os.path.join(os.environ.get("ZBROKER_SOURCE", "."), "include", "PROTOCOL.md")


def page_client(folder):
    """The first Python block of the page, as a program of its own."""
    with open(PAGE) as page:
        code = re.search(r"^```python\n(.*?)^```$", page.read(), re.S | re.M).group(1)
    name = os.path.join(folder, "client.py")
    with open(name, "w") as program:
        program.write(code)
    return name


def test_page_client_is_short(folder):
    """The pages promise twenty lines."""
    with open(page_client(folder)) as program:
        assert sum(1 for line in program if line.strip()) == 20


def test_page_client(pair, client):
    """It stores every line it is given, once and in order, though the active broker is killed in between."""
    client(pair).request("QUEUE", "q", "orders", "")
    lines, half = [b"line %d" % number for number in range(1, 41)], 20
    program = subprocess.Popen([sys.executable, page_client(pair.folder), *pair.endpoints],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        program.stdin.write(b"\n".join(lines[:half]) + b"\n")
        program.stdin.flush()
        said = [program.stdout.readline() for _ in range(half)]
        pair.brokers[in_step(pair)].kill()
        out, _ = program.communicate(b"\n".join(lines[half:]) + b"\n", timeout=PATIENCE)
    finally:
        program.kill()
        program.wait()
    said += out.splitlines(keepends=True)
    assert program.returncode == 0
    assert len(said) == len(lines)
    assert [line.split()[0].decode() for line in said] == [pair.level("both")] * half + [pair.level("solo")] * half
    assert client(pair).drain("orders") == lines


def test_page_client_fences(pair, client):
    """A second process under its name takes over; the first one ends with 409 instead of going on."""
    client(pair).request("QUEUE", "q", "orders", "")
    name = page_client(pair.folder)
    first = subprocess.Popen([sys.executable, name, *pair.endpoints], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    try:
        first.stdin.write(b"one\n")
        first.stdin.flush()
        level = pair.level("both").encode() + b" "
        assert first.stdout.readline().startswith(level)
        second = subprocess.run([sys.executable, name, *pair.endpoints], input=b"two\n", stdout=subprocess.PIPE,
                                timeout=PATIENCE)
        assert second.returncode == 0 and second.stdout.startswith(level)
        _, error = first.communicate(b"three\n", timeout=PATIENCE)
        assert first.returncode != 0 and b"409" in error
    finally:
        first.kill()
        first.wait()
    assert client(pair).drain("orders") == [b"one", b"two"]
