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


UNMAPPED = {"alembic_version", "schema_floor"}
_TABLES = (
    "select relname::text from pg_class where relkind in ('r', 'p') and not relispartition "
    "and relnamespace = current_schema()::regnamespace"
)


def unknown_tables(texts: Callable[[str], Iterable[str]]) -> set[str]:
    """Tables of the schema that this process knows nothing of, so that it can't tell what their rows name."""
    return set(texts(_TABLES)) - SQLModel.metadata.tables.keys() - UNMAPPED


def named_digests(texts: Callable[[str], Iterable[str]]) -> set[str]:
    """Everything that looks like a digest in any column of any table that may name one, at one moment.

    Args:
        texts: answers a statement whose rows are one text each, across agencies.
    """
    return {digest for text in texts(" union all ".join(_statements())) for digest in DIGEST.findall(text)}


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
            yield (
                f'select to_jsonb(t)::text from "{mapper.__tablename__}" t '  # noqa: S608  (constants)
                f"where {mapper.names_objects_while} and to_jsonb(t)::text ~ '[0-9a-f]{{64}}'"
            )


def _mapped(cls: type[Row]) -> Iterator[type[Row]]:
    for each in cls.__subclasses__():
        if each.__dict__.get("__tablename__") in SQLModel.metadata.tables or hasattr(each, "__table__"):
            yield each
        yield from _mapped(each)
