"""What passes between a worker and the renderer: length-prefixed frames."""

import struct
from base64 import b64decode, b64encode
from typing import IO, NamedTuple, Self

import orjson

from tuneloop_reports.content import ReportContent

_LENGTH = struct.Struct("!Q")


class RenderRequest(NamedTuple):
    content: ReportContent
    logo: bytes | None

    def pack(self) -> bytes:
        logo = b64encode(self.logo).decode() if self.logo else None
        return orjson.dumps({"content": self.content.stored(), "logo": logo})

    @classmethod
    def parse(cls, frame: bytes) -> Self:
        found = orjson.loads(frame)
        logo = b64decode(found["logo"]) if found["logo"] else None
        return cls(ReportContent.model_validate_json(orjson.dumps(found["content"])), logo)


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
