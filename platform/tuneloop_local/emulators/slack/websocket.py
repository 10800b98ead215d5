"""The server half of RFC 6455, as much as Socket Mode needs: text frames, ping, close."""

import struct
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1
from typing import BinaryIO

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
LONGEST = 1 << 20


def accept_key(key: str) -> str:
    return b64encode(sha1((key + GUID).encode(), usedforsecurity=False).digest()).decode()


def frame(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | kind, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | kind, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 127, size)
    return head + payload


def frames(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Whole messages from a client, until it closes or the connection ends."""
    message = b""
    while head := stream.read(2):
        if len(head) < 2:
            return
        kind, size = head[0] & 0x0F, head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", stream.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", stream.read(8))
        if size > LONGEST:
            return
        mask = stream.read(4) if head[1] & 0x80 else b"\0\0\0\0"
        body = bytes(byte ^ mask[place % 4] for place, byte in enumerate(stream.read(size)))
        if kind == CLOSE:
            return
        if kind in (PING, PONG):
            yield kind, body
            continue
        message += body
        if head[0] & 0x80:
            yield TEXT, message
            message = b""
