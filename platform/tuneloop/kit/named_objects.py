"""Which objects of the store the rows of the database name."""

import re
from collections.abc import Callable, Iterable, Iterator

from sqlmodel import SQLModel

from tuneloop.kit.errors import NotFound
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import Row

KEEP_OBJECTS = 7_318_264_153
"""Advisory lock: held in share while somebody copies what the rows name, alone while what none names is swept."""

DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def named_digests(texts: Callable[[str], Iterable[str]]) -> set[str]:
    """Everything that looks like a digest in any column of any table that may name one.

    Args:
        texts: answers a statement whose rows are one text each, across agencies and in one snapshot.
    """
    return {digest for statement in _statements() for text in texts(statement) for digest in DIGEST.findall(text)}


def with_contents(storage: Storage, digests: Iterable[str]) -> set[str]:
    """Those that are there, and with a stored folder the files that it lists."""
    found: set[str] = set()
    for digest in digests:
        try:
            files = storage.files_of(digest)
        except NotFound:
            continue
        found |= {digest, *(files or {}).values()}
    return found


def _statements() -> Iterator[str]:
    """A row's own text, so that a column or a nested field that is added later is read too."""
    for mapper in _mapped(Row):
        if mapper.names_objects:
            name = mapper.__tablename__
            yield f"select to_jsonb(t)::text from \"{name}\" t where to_jsonb(t)::text ~ '[0-9a-f]{{64}}'"  # noqa: S608


def _mapped(cls: type[Row]) -> Iterator[type[Row]]:
    for each in cls.__subclasses__():
        if each.__dict__.get("__tablename__") in SQLModel.metadata.tables or hasattr(each, "__table__"):
            yield each
        yield from _mapped(each)
