"""The gate of a cycle for its pages: the traffic that both versions answer differently."""

from typing import Any, NamedTuple

from sqlmodel import Session

from tuneloop.retraining.verdicts import settled_items
from tuneloop.tables import RetrainingCycle, ReviewItem
from tuneloop.web.console.side_by_side import asked
from tuneloop.web.console.text_diff import Piece, differences


class SettledDisagreement(NamedTuple):
    """A labelled disagreement: `right` is production, candidate or neither, by the text alone."""

    question: str
    expected: str | None
    production: str
    candidate: str
    pieces: list[Piece]
    right: str


def settled_disagreements(session: Session, cycle: RetrainingCycle) -> list[SettledDisagreement]:
    """Only labelled ones: the others stay unseen until somebody has judged them blind."""
    return [_settled(item) for item in settled_items(session, cycle.id)]


def _settled(item: ReviewItem) -> SettledDisagreement:
    production, candidate = _answer(item.answers, "production"), _answer(item.answers, "candidate")
    right = "neither"
    if item.expected is not None and production != candidate:
        right = {production: "production", candidate: "candidate"}.get(item.expected, "neither")
    return SettledDisagreement(
        question=asked(item.messages),
        expected=item.expected,
        production=production,
        candidate=candidate,
        pieces=differences(production, candidate),
        right=right,
    )


def _answer(answers: dict[str, Any], name: str) -> str:
    return str(answers.get(name, ""))
