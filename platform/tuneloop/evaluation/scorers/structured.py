"""Scorers for answers with a structure: JSON objects and single numbers."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from tuneloop.evaluation.scorers.item import EvalItem, Score, all_or_nothing
from tuneloop.evaluation.scorers.numbers import number_tokens, readings
from tuneloop.kit.errors import InvalidInput

_FENCE = "```"


def json_fields(item: EvalItem, answer: str) -> Score:
    """F1 over (path, value) pairs of the leaves; correct when every field agrees and none is extra.

    A Markdown fence around the answer is forgiven. Raises `InvalidInput` when the expected text is not JSON.
    """
    try:
        expected = _leaves(orjson.loads(item.expected))
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"item {item.id}: the expected answer is not JSON: {error}", item=item.id) from error
    try:
        given = _leaves(orjson.loads(_unfenced(answer)))
    except orjson.JSONDecodeError as error:
        return Score(0.0, False, f"not JSON: {error}")
    shared = (expected & given).total()
    f1 = 2 * shared / (expected.total() + given.total())
    wrong = sorted({path for path, _ in (expected - given) + (given - expected)})
    return Score(f1, not wrong, f"fields that differ: {', '.join(wrong)}" if wrong else "")


@dataclass(frozen=True)
class Numeric:
    """The last number of the answer is within `absolute` + `relative` * |expected| of the expected one."""

    absolute: float = 0.0
    relative: float = 0.0

    def __call__(self, item: EvalItem, answer: str) -> Score:
        try:
            wanted = Decimal(item.expected.strip())
        except InvalidOperation as error:
            raise InvalidInput(f"item {item.id}: the expected answer is not a number", item=item.id) from error
        tokens = number_tokens(answer)
        if not tokens:
            return Score(0.0, False, "no number in the answer")
        allowed = Decimal(str(self.absolute)) + Decimal(str(self.relative)) * abs(wanted)
        near = any(abs(value - wanted) <= allowed for value in readings(tokens[-1]))
        return all_or_nothing(near, f"{tokens[-1]} instead of {wanted}")


def _unfenced(answer: str) -> str:
    text = answer.strip()
    if not (text.startswith(_FENCE) and text.endswith(_FENCE)):
        return text
    body = text.removeprefix(_FENCE).removesuffix(_FENCE)
    return body.removeprefix("json")


def _leaves(document: Any) -> Counter[tuple[str, str]]:
    """Counts (path, value) of scalars and empty containers; 1 and 1.0 are one value, 1 and true are not."""
    leaves: Counter[tuple[str, str]] = Counter()
    pending = [("$", document)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict) and value:
            pending += [(f"{path}.{key}", child) for key, child in value.items()]
        elif isinstance(value, list) and value:
            pending += [(f"{path}[{position}]", child) for position, child in enumerate(value)]
        elif isinstance(value, float) and value.is_integer():
            leaves[path, str(int(value))] += 1
        else:
            leaves[path, orjson.dumps(value).decode()] += 1
    return leaves
