"""Do two answers say the same? Where they do, nobody has to say which is right."""

from typing import Any

import orjson

from tuneloop.evaluation.scorers.text import normalise
from tuneloop.registry.contract import Contract, Task


def same_answer(contract: Contract, first: str, second: str) -> bool:
    """Labels by letter, JSON by value, text but for case, punctuation and white space; in doubt they differ."""
    if contract.task is Task.CLASSIFY:
        return first.strip() == second.strip()
    if first.strip() == second.strip():
        return True
    left, right = _document(first), _document(second)
    if left is not None or right is not None:
        return left == right and _kinds(left) == _kinds(right)
    return normalise(first) == normalise(second) != ""


def _document(text: str) -> Any:
    """A JSON object or array; None for anything else, numbers and quoted words among it."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict | list) else None


def _kinds(value: Any) -> bytes:
    """True and 1 are equal to Python, not to JSON."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
