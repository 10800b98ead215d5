"""Which encoding a file of text has, and the file in UTF-8.

UTF-8 and UTF-16 prove themselves. Of the older encodings only Western European is taken without being named, and only
where every letter beyond ASCII is one that Western languages write: a wrong guess would garble texts silently.
"""

import codecs
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Final, NamedTuple

from tuneloop.datasets.row import Encoding
from tuneloop.kit.errors import InvalidInput

IN_MEMORY: Final = 1 << 20
_CHUNK: Final = 1 << 16
_ASCII: Final = bytes(range(128))
_WESTERN: Final = frozenset(
    "àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßœÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŒ€£¥§°«»¿¡…–—‘’‚“”„•·´®©™½ \u00a0".encode("cp1252")  # noqa: RUF001
)
_LEAST_UTF8: Final = 0.5
"""A file whose bytes beyond ASCII are at least so much valid UTF-8 is damaged UTF-8 and nothing else."""


class Utf8Text(NamedTuple):
    """The text in UTF-8, and in which encoding it came."""

    file: IO[bytes]
    encoding: Encoding


def in_utf8(file: IO[bytes], named: Encoding | None = None, *, most: int) -> Utf8Text:
    """The file from its beginning, without a byte order mark. It is not looked at beyond so many bytes.

    Raises:
        InvalidInput: it is in no encoding that can be recognised, or not in the one that is named.
    """
    found = named or _recognised(file, most)
    if found is Encoding.UTF_8:
        file.seek(len(codecs.BOM_UTF8) if _head(file).startswith(codecs.BOM_UTF8) else 0)
        return Utf8Text(file, found)
    return Utf8Text(_rewritten(file, found, _utf16(_head(file)) if found is Encoding.UTF_16 else found), found)


def _head(file: IO[bytes]) -> bytes:
    file.seek(0)
    head = file.read(1 << 10)
    file.seek(0)
    return head


def _recognised(file: IO[bytes], most: int) -> Encoding:
    head = _head(file)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _looks_like_utf16(head):
        return Encoding.UTF_16
    if _is_utf8(file, most):
        return Encoding.UTF_8
    return Encoding.WESTERN if _is_western(file, most) else Encoding.UTF_8


def _looks_like_utf16(head: bytes) -> bool:
    """Latin text: every other byte is zero."""
    pairs = len(head) // 2
    return pairs >= 4 and max(head[::2].count(0), head[1::2].count(0)) > pairs * 0.8 and head.count(0) <= pairs


def _utf16(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le"


def _chunks(file: IO[bytes], most: int) -> Iterator[bytes]:
    file.seek(0)
    while most > 0 and (chunk := file.read(_CHUNK)):
        most -= len(chunk)
        yield chunk


def _is_utf8(file: IO[bytes], most: int) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _chunks(file, most):
            decoder.decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


def _is_western(file: IO[bytes], most: int) -> bool:
    foreign = valid = longest = 0
    for chunk in _chunks(file, most):
        beyond = chunk.translate(None, _ASCII)
        if not _WESTERN.issuperset(beyond):
            return False
        foreign += len(beyond)
        valid += len(chunk.decode(errors="ignore").encode().translate(None, _ASCII))
        longest = max(longest, _longest_run(chunk))
    return valid < foreign * _LEAST_UTF8 and longest <= 3


def _longest_run(chunk: bytes) -> int:
    """Letters beyond ASCII in a row: words of other scripts consist of them."""
    return max(map(len, chunk.translate(bytes(32 if code < 128 else code for code in range(256))).split()), default=0)


def _rewritten(file: IO[bytes], found: Encoding, codec: str) -> IO[bytes]:
    decoder = codecs.getincrementaldecoder(codec)()
    written: IO[bytes] = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the caller's, as the file itself
    line = 1
    file.seek(0)
    more = True
    while more:
        chunk = file.read(_CHUNK)
        more = bool(chunk)
        try:
            text = decoder.decode(chunk, final=not more)
        except UnicodeDecodeError as error:
            raise InvalidInput(
                f"line {line} or later: the file is not {found}; save it as UTF-8, or name its encoding", line=line
            ) from error
        line += text.count("\n")
        written.write(text.encode("utf-8", "replace"))
    written.seek(0)
    return written
