"""What is scored, and what a scorer says about it."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tuneloop.registry.templates import Message


@dataclass(frozen=True)
class EvalItem:
    """One question with its reference answer.

    `facts` is the text that a generated answer must be grounded in; `labels` are the allowed answers of a
    classification, and empty otherwise.
    """

    id: str
    messages: tuple[Message, ...]
    expected: str
    category: str
    facts: str = ""
    labels: tuple[str, ...] = ()


class Score(NamedTuple):
    """`value` in 0..1; `correct` is what accuracy counts; `detail` tells a person why, empty when nothing is amiss."""

    value: float
    correct: bool
    detail: str = ""


class Scorer(Protocol):
    def __call__(self, item: EvalItem, answer: str, /) -> Score: ...


def all_or_nothing(correct: bool, detail: str = "") -> Score:
    return Score(float(correct), correct, "" if correct else detail)
