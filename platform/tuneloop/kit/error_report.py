"""What may be kept of an exception in logs and job rows: its kind, codes and place, never a text that people gave us.

The message of an exception may quote what was being worked on: the row that breaks a constraint, the input that does
not validate, the label that a dictionary lacks. So messages of other people's exceptions are left out altogether.
"""

import re
import traceback
from collections.abc import Iterator

from tuneloop.kit.errors import TuneloopError

_OURS = "tuneloop"
_SAFE_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CODES = ("code", "sqlstate", "http_status", "status_code", "request_id", "returncode")
_OF_THE_DATABASE = ("table_name", "column_name", "constraint_name")
_OF_THE_CONNECTION = ("08", "53", "55", "57", "58")
"""SQLSTATE classes whose messages speak of the server: connection, resources, locks, an operator, the system."""


def describe(error: BaseException) -> str:
    """One line: the class, then the codes by which it can be looked up.

    Exceptions that our own code defines speak for themselves; domain errors are told by their code, because their
    sentence is for whoever typed what it quotes.
    """
    kind = type(error).__name__
    if isinstance(error, TuneloopError):
        return f"{kind} ({error.code})"
    if (original := getattr(error, "orig", None)) is not None:
        return f"{kind}: {describe(original)}"
    if type(error).__module__.partition(".")[0].startswith(_OURS) or _raised_by_us(error):
        return f"{kind}: {error}"
    facts = ", ".join(_facts(error))
    return f"{kind} ({facts})" if facts else kind


def describe_traceback(error: BaseException) -> str:
    """Where it was raised and what it came from, with source lines but neither messages nor variables."""
    return "\n".join(_lines(error, seen=set()))


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _lines(before, seen)
        yield "Then:"
    stack = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), capture_locals=False)
    yield "".join(stack.format()).rstrip("\n")
    yield describe(error)
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            if id(each) not in seen:
                yield from _lines(each, seen)


def _raised_by_us(error: BaseException) -> bool:
    """A plain RuntimeError or TimeoutError of our own code, whose sentence was written for the log."""
    if type(error) not in (RuntimeError, TimeoutError):
        return False
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and str(frames[-1][0].f_globals.get("__name__", "")).startswith(_OURS)


def _facts(error: BaseException) -> Iterator[str]:
    if isinstance(error, OSError) and error.errno is not None:
        yield f"{error.errno} {error.strerror}" if type(error).__module__ == "builtins" else str(error.errno)
    for name in _CODES:
        value = getattr(error, name, None)
        if isinstance(value, int) or (isinstance(value, str) and _SAFE_CODE.fullmatch(value)):
            yield f"{name} {value}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        yield f"status {status}"
    yield from _of_the_database(error)
    yield from _of_a_validation(error)


def _of_the_database(error: BaseException) -> Iterator[str]:
    diagnosis = getattr(error, "diag", None)
    for name in _OF_THE_DATABASE:
        if value := getattr(diagnosis, name, None):
            yield f"{name.removesuffix('_name')} {value}"
    if type(error).__module__.startswith("psycopg") and _speaks_of_the_server(error):
        yield str(error).partition("\n")[0]


def _speaks_of_the_server(error: BaseException) -> bool:
    state = getattr(error, "sqlstate", None)
    return type(error).__name__ == "OperationalError" if state is None else state[:2] in _OF_THE_CONNECTION


def _of_a_validation(error: BaseException) -> Iterator[str]:
    """Of a pydantic ValidationError which checks failed; its locations can be keys that a caller chose."""
    if type(error).__name__ != "ValidationError" or not hasattr(error, "errors"):
        return
    found = error.errors(include_url=False, include_context=False, include_input=False)
    yield f"{len(found)} of {getattr(error, 'title', '')}: {', '.join(sorted({each['type'] for each in found}))}"
