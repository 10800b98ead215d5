"""What passes between a worker and the renderer: length-prefixed frames."""

import struct
from typing import IO, NamedTuple, Self

import orjson

_LENGTH = struct.Struct("!Q")


class RenderRequest(NamedTuple):
    """`html` with everything in it but the fonts; `identifier` is 16 bytes in hexadecimal, the PDF's own."""

    html: str
    identifier: str

    def pack(self) -> bytes:
        return orjson.dumps(self._asdict())

    @classmethod
    def parse(cls, frame: bytes) -> Self:
        return cls(**orjson.loads(frame))


class RenderResult(NamedTuple):
    """`memory` is the child's peak in bytes.

    Where there is no PDF, `problem` says why, or `fonts` what this machine's fonts lack.
    """

    pdf: bytes
    pages: int
    seconds: float
    memory: int
    problem: str
    fonts: str = ""

    def pack(self) -> bytes:
        packed = orjson.dumps({name: value for name, value in self._asdict().items() if name != "pdf"})
        return _LENGTH.pack(len(packed)) + packed + self.pdf

    @classmethod
    def parse(cls, frame: bytes) -> Self:
        (size,) = _LENGTH.unpack_from(frame)
        head = orjson.loads(frame[_LENGTH.size : _LENGTH.size + size])
        return cls(pdf=frame[_LENGTH.size + size :], **head)


def write_frame(stream: IO[bytes], frame: bytes) -> None:
    stream.write(_LENGTH.pack(len(frame)) + frame)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """None when the other side is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    frame = stream.read(size)
    return frame if len(frame) == size else None
