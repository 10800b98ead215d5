"""Scorers that compare the answer's characters with the expected text."""

import unicodedata
from dataclasses import dataclass, field

import regex

from tuneloop.evaluation.scorers.item import EvalItem, Score, all_or_nothing
from tuneloop.kit.errors import InvalidInput

_LONGEST_PATTERN = 2_000
_LONGEST_ANSWER = 20_000
_SECONDS = 1.0


def exact(item: EvalItem, answer: str) -> Score:
    """Equal but for white space at both ends."""
    return all_or_nothing(answer.strip() == item.expected.strip(), f"expected {item.expected.strip()!r}")


def normalised(item: EvalItem, answer: str) -> Score:
    """Equal but for case, white space, punctuation and ways to write the same character."""
    return all_or_nothing(_comparable(answer) == _comparable(item.expected), f"expected {item.expected.strip()!r}")


def contains(item: EvalItem, answer: str) -> Score:
    """The expected text occurs in the answer as whole words, after normalising both."""
    wanted = normalise(item.expected)
    found = f" {wanted} " in f" {normalise(answer)} " if wanted else item.expected.strip() in answer
    return all_or_nothing(found, f"{item.expected.strip()!r} is missing")


@dataclass(frozen=True)
class Pattern:
    """The pattern, or the item's expected text read as one, matches somewhere in the answer.

    Patterns come from tenants: they run under a time limit, which the standard library's `re` can't give.
    """

    pattern: str | None = None
    _compiled: "regex.Pattern[str] | None" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", None if self.pattern is None else _compile(self.pattern))

    def __call__(self, item: EvalItem, answer: str) -> Score:
        compiled = self._compiled or _compile(item.expected)
        try:
            found = compiled.search(answer[:_LONGEST_ANSWER], timeout=_SECONDS) is not None
        except TimeoutError:
            return Score(0.0, False, f"the pattern {compiled.pattern!r} took longer than {_SECONDS:g} s; simplify it")
        return all_or_nothing(found, f"the pattern {compiled.pattern!r} does not match")


def normalise(text: str) -> str:
    """NFKC, casefolded, punctuation and white space as single spaces; % and separators inside numbers stay."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = (
        character
        if unicodedata.category(character)[0] not in "PZC" or character == "%" or _inside_number(folded, position)
        else " "
        for position, character in enumerate(folded)
    )
    return " ".join("".join(kept).split())


def _comparable(text: str) -> str:
    """An answer of punctuation only is compared as it stands."""
    return normalise(text) or text.strip()


def _inside_number(text: str, position: int) -> bool:
    around = text[position - 1 : position] + text[position + 1 : position + 2]
    return text[position] in ".,:" and len(around) == 2 and around.isdigit()


def _compile(pattern: str) -> "regex.Pattern[str]":
    if len(pattern) > _LONGEST_PATTERN:
        raise InvalidInput(f"a pattern has at most {_LONGEST_PATTERN} characters, this one has {len(pattern)}")
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise InvalidInput(f"the pattern {pattern!r} is not a regular expression: {error}") from error
