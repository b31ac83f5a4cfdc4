"""The seal around what the brokers and their witness tell each other (src/core/wire/seal.h), for frames that are forged."""
import hashlib
import struct

VERSION = 2


def _rotate(number, by):
    return (number << by | number >> 64 - by) & 0xffffffffffffffff


def siphash(key, data):
    """SipHash-2-4."""
    low, high = struct.unpack("<QQ", key)
    state = [low ^ 0x736f6d6570736575, high ^ 0x646f72616e646f6d, low ^ 0x6c7967656e657261, high ^ 0x7465646279746573]

    def rounds(count):
        a, b, c, d = state
        for _ in range(count):
            a = a + b & 0xffffffffffffffff
            c = c + d & 0xffffffffffffffff
            b, d = _rotate(b, 13) ^ a, _rotate(d, 16) ^ c
            a = _rotate(a, 32)
            c = c + b & 0xffffffffffffffff
            a = a + d & 0xffffffffffffffff
            b, d = _rotate(b, 17) ^ c, _rotate(d, 21) ^ a
            c = _rotate(c, 32)
        state[:] = a, b, c, d
    padded = data + b"\0" * (7 - len(data) % 8) + bytes([len(data) % 256])
    for (word,) in struct.iter_unpack("<Q", padded):
        state[3] ^= word
        rounds(2)
        state[0] ^= word
    state[2] ^= 0xff
    rounds(4)
    return struct.pack("<Q", state[0] ^ state[1] ^ state[2] ^ state[3])


def key(pair="zbroker", secret=""):
    return hashlib.blake2b(b"zbroker seal 1\0" + pair.encode() + b"\0" + secret.encode() + b"\0", digest_size=32).digest()


def seal(sealed_with, kind, node, payload, session=0, sequence=0, version=VERSION):
    """A frame under this key."""
    head = b"ZBP1" + bytes([version, kind, node, 0]) + struct.pack(">QQ", session, sequence)
    return head + siphash(sealed_with[16:], head + siphash(sealed_with[:16], payload)) + payload
