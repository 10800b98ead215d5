"""Both versions on the same items: the table, and every item whose answer turned right or wrong."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.tables import AdapterVersion, Comparison, Example, RetrainingCycle
from tuneloop.web.console.text_diff import Piece, differences


class ComparedAnswer(NamedTuple):
    """`question` is what was asked; `pieces` what the candidate changed in production's answer."""

    question: str
    expected: str
    category: str
    production: str
    candidate: str
    pieces: list[Piece]


class SideBySide(NamedTuple):
    rows: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    fixed: list[ComparedAnswer]
    broken: list[ComparedAnswer]


def side_by_side(session: Session, comparison: Comparison) -> SideBySide:
    table = comparison.table
    changed = [*table.get("fixed", []), *table.get("broken", [])]
    asked = _questions(session, [UUID(item["example_id"]) for item in changed if item.get("example_id")])
    return SideBySide(
        rows=table.get("rows", []),
        categories=sorted(table.get("categories", []), key=lambda row: row["difference"]["value"]),
        fixed=[_item(item, asked) for item in table.get("fixed", [])],
        broken=[_item(item, asked) for item in table.get("broken", [])],
    )


def compared_versions(session: Session, cycle: RetrainingCycle) -> tuple[AdapterVersion | None, AdapterVersion | None]:
    """Production at the time of the comparison, and the candidate."""
    parent = session.get(AdapterVersion, cycle.parent_version_id) if cycle.parent_version_id else None
    candidate = session.get(AdapterVersion, cycle.candidate_version_id) if cycle.candidate_version_id else None
    return parent, candidate


def _questions(session: Session, ids: Sequence[UUID]) -> dict[str, str]:
    rows = session.exec(select(Example).where(col(Example.id).in_(ids)))
    return {str(row.id): asked(row.messages) for row in rows}


def asked(messages: Sequence[dict[str, Any]]) -> str:
    """The last thing that the user said."""
    questions = [message.get("content", "") for message in messages if message.get("role") == "user"]
    return str(questions[-1]) if questions else ""


def _item(item: dict[str, Any], asked: dict[str, str]) -> ComparedAnswer:
    return ComparedAnswer(
        question=asked.get(str(item.get("example_id")), "(the example was deleted)"),
        expected=item["expected"],
        category=item["category"],
        production=item["production"],
        candidate=item["candidate"],
        pieces=differences(item["production"], item["candidate"]),
    )
