"""CURVE (ZeroMQ RFC 26) by hand, over plain sockets: a client that may break any rule of it.  Its boxes are libsodium's."""
import ctypes
import os
import struct

from zmq.utils import z85

from zmtp import frame

SODIUM = ctypes.CDLL("libsodium.so.23")
GREETING = b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x00" + b"CURVE".ljust(20, b"\0") + b"\0" * 32
SODIUM.sodium_init()
KEY = 32
TAG = 16
WELCOME = 2 + 168         # bytes of this frame


def keypair():
    public, secret = ctypes.create_string_buffer(KEY), ctypes.create_string_buffer(KEY)
    SODIUM.crypto_box_keypair(public, secret)
    return public.raw, secret.raw


def shared(public, secret):
    """What both sides of a box have in common."""
    key = ctypes.create_string_buffer(KEY)
    SODIUM.crypto_box_beforenm(key, public, secret)
    return key.raw


def close(text, nonce, key):
    box = ctypes.create_string_buffer(len(text) + TAG)
    SODIUM.crypto_box_easy_afternm(box, text, ctypes.c_ulonglong(len(text)), nonce, key)
    return box.raw


def open_(box, nonce, key):
    """None if it was not closed so."""
    text = ctypes.create_string_buffer(max(len(box) - TAG, 1))
    failed = SODIUM.crypto_box_open_easy_afternm(text, box, ctypes.c_ulonglong(len(box)), nonce, key)
    return None if failed else text.raw[:len(box) - TAG]


def properties(**values):
    """Metadata, as in READY."""
    return b"".join(bytes([len(name)]) + name.encode() + struct.pack(">I", len(value)) + value for name, value in values.items())


class Curve:
    """One connection of a client: `server` is the broker's public key, `keys` the client's pair, in Z85; None: drawn ones."""

    def __init__(self, server, keys=None):
        self.server = z85.decode(server)
        self.public, self.secret = map(z85.decode, keys) if keys else keypair()
        self.own = keypair()                                    # of this connection
        self.session = shared(self.server, self.own[1])         # until the broker's is known
        self.number = 0

    def nonce(self, what):
        self.number += 1
        return struct.pack(">Q", self.number), what + struct.pack(">Q", self.number)

    def hello(self):
        short, nonce = self.nonce(b"CurveZMQHELLO---")
        return frame(b"\x05HELLO\x01\0" + bytes(72) + self.own[0] + short + close(bytes(64), nonce, self.session), command=True)

    def welcome(self, body):
        """Reads it; returns whether it is one."""
        text = open_(body[24:], b"WELCOME-" + body[8:24], self.session) if body.startswith(b"\x07WELCOME") else None
        if text:
            self.theirs, self.cookie = text[:KEY], text[KEY:]
            self.session = shared(self.theirs, self.own[1])
        return text is not None

    def initiate(self, metadata):
        random = os.urandom(16)
        vouch = random + close(self.own[0] + self.server, b"VOUCH---" + random, shared(self.theirs, self.secret))
        short, nonce = self.nonce(b"CurveZMQINITIATE")
        box = close(self.public + vouch + metadata, nonce, self.session)
        return frame(b"\x08INITIATE" + self.cookie + short + box, command=True)

    def seal(self, data, more=False, command=False):
        """A frame of a message."""
        short, nonce = self.nonce(b"CurveZMQMESSAGEC")
        flags = (1 if more else 0) | (2 if command else 0)
        return frame(b"\x07MESSAGE" + short + close(bytes([flags]) + data, nonce, self.session))

    def message(self, *frames):
        return b"".join(self.seal(data, index + 1 < len(frames)) for index, data in enumerate(frames))

    def shake(self, sock, kind=b"DEALER", change=lambda data: data, **more):
        """Makes the handshake, each step of it as `change` returns it.  Returns whether the broker has let it in; OSError
        if it hung up, or said nothing for the socket's time."""
        reader = Reader(sock)
        sock.sendall(change(GREETING))
        reader.take(64)
        sock.sendall(change(self.hello()))
        if not self.welcome(reader.frame()):
            return False
        sock.sendall(change(self.initiate(properties(**{"Socket-Type": kind, **more}))))
        return reader.frame().startswith(b"\x05READY")


class Reader:
    """Frames from a socket."""

    def __init__(self, sock):
        self.sock = sock
        self.data = b""

    def take(self, size):
        while len(self.data) < size:
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionResetError
            self.data += more
        data, self.data = self.data[:size], self.data[size:]
        return data

    def frame(self):
        flags, size = self.take(2)
        if flags & 2:
            size = int.from_bytes(bytes([size]) + self.take(7), "big")
        return self.take(size)
