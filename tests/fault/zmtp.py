"""ZMTP 3.0 with NULL by hand, over plain sockets: cheap enough for thousands of clients in one process, and free to break
any rule of it."""
import socket
import struct

GREETING = b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" * 32


def frame(data, more=False, command=False):
    """One frame, short or long as its size demands."""
    flags = (1 if more else 0) | (4 if command else 0)
    if len(data) < 256:
        return bytes([flags, len(data)]) + data
    return bytes([flags | 2]) + struct.pack(">Q", len(data)) + data


def message(*frames):
    """One message."""
    return b"".join(frame(data, index + 1 < len(frames)) for index, data in enumerate(frames))


def ready(kind=b"DEALER", **properties):
    """The READY of a socket of this kind."""
    body = b"\x05READY"
    for name, value in {"Socket-Type": kind, **properties}.items():
        body += bytes([len(name)]) + name.encode() + struct.pack(">I", len(value)) + value
    return frame(body, command=True)


def opening(kind=b"DEALER"):
    """What a client says first.  libzmq hears nothing else before it has said READY itself."""
    return GREETING + ready(kind)


def connect(port, address="127.0.0.1"):
    """A socket that does not block, on its way to a port of this machine."""
    sock = socket.socket()
    sock.setblocking(False)
    #  A port of its own for each connection to this one, not for each connection.
    sock.setsockopt(socket.IPPROTO_IP, 24, 1)      # IP_BIND_ADDRESS_NO_PORT
    sock.bind((address, 0))
    sock.connect_ex(("127.0.0.1", port))
    return sock
