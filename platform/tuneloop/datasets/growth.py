"""How the training data grows: by source and month, against the guide, and by category."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.datasets.findings import blocked
from tuneloop.datasets.scanning import unchecked
from tuneloop.kit.clock import now
from tuneloop.tables import Example, Pool, RegisteredModel, Source

GUIDE: Final = ((0, 200, 500), (3, 300, 600), (6, 400, 800), (12, 600, 1200))
"""(months since the first example, fewest, most): 200-500 to start with, 50-200 more each cycle."""
SMALL_CATEGORY = 10


class MonthlyGrowth(NamedTuple):
    """`added` by source; `total` is the size of the training data at the month's end."""

    month: str
    added: dict[Source, int]
    total: int


class Expected(NamedTuple):
    low: int
    high: int


class CategorySize(NamedTuple):
    category: str
    training: int
    measuring: int
    blocked: int

    @property
    def is_small(self) -> bool:
        return self.training < SMALL_CATEGORY


class Growth(NamedTuple):
    """Of `total` training examples `blocked` wait for a person, and `unchecked` for a scan."""

    total: int
    blocked: int
    unchecked: int
    months: list[MonthlyGrowth]
    guide: Expected
    categories: list[CategorySize]
    advice: str


def growth(session: Session, model: RegisteredModel) -> Growth:
    month = func.to_char(func.timezone("UTC", col(Example.added_at)), "YYYY-MM")
    alive = (Example.model_id == model.id, col(Example.deleted_at).is_(None))
    added = session.exec(
        select(month, Example.source, func.count())
        .where(*alive, Example.pool == Pool.TRAINING)
        .group_by(month, col(Example.source))
        .order_by(month)
    ).all()
    first = session.exec(select(func.min(Example.added_at)).where(*alive, Example.pool == Pool.TRAINING)).one()
    months = _months([(name, Source(source), n) for name, source, n in added])
    total = months[-1].total if months else 0
    guide = guide_at(months_since(first)) if first else Expected(*GUIDE[0][1:])
    held = session.exec(
        select(func.count(col(Example.id))).where(*alive, Example.pool == Pool.TRAINING, blocked())
    ).one()
    categories = _categories(session, model)
    return Growth(total, held, unchecked(session, model), months, guide, categories, _advice(total, guide, categories))


def months_since(first: datetime) -> float:
    return (now() - first).days / 30.44


def guide_at(months: float) -> Expected:
    """The guide between its points by straight lines, and flat after the last."""
    for (start, low, high), (end, next_low, next_high) in pairwise(GUIDE):
        if months <= end:
            share = (months - start) / (end - start)
            return Expected(round(low + share * (next_low - low)), round(high + share * (next_high - high)))
    return Expected(*GUIDE[-1][1:])


def _months(added: Sequence[tuple[str, Source, int]]) -> list[MonthlyGrowth]:
    by_month: dict[str, dict[Source, int]] = defaultdict(dict)
    for name, source, n in added:
        by_month[name][source] = n
    months, total = [], 0
    for name in sorted(by_month):
        total += sum(by_month[name].values())
        months.append(MonthlyGrowth(name, by_month[name], total))
    return months


def _categories(session: Session, model: RegisteredModel) -> list[CategorySize]:
    alive = (Example.model_id == model.id, col(Example.deleted_at).is_(None))
    sizes = session.exec(
        select(Example.category, Example.pool, func.count())
        .where(*alive)
        .group_by(col(Example.category), col(Example.pool))
    )
    training: Counter[str] = Counter()
    measuring: Counter[str] = Counter()
    for category, pool, n in sizes:
        (training if pool == Pool.TRAINING else measuring)[category] += n
    held = dict(
        session.exec(
            select(Example.category, func.count())
            .where(*alive, Example.pool == Pool.TRAINING, blocked())
            .group_by(col(Example.category))
        ).all()
    )
    return [
        CategorySize(category, training[category], measuring[category], held.get(category, 0))
        for category in sorted(training | measuring)
    ]


def _advice(total: int, guide: Expected, categories: Sequence[CategorySize]) -> str:
    small = [each.category for each in categories if each.is_small]
    if total < guide.low:
        return (
            f"{guide.low - total} more examples reach the guide's {guide.low}; corrections from production teach most."
        )
    if small:
        shown = ", ".join(small[:5]) + (f" and {len(small) - 5} more" if len(small) > 5 else "")
        return f"Enough in all; fewer than {SMALL_CATEGORY} examples in {shown}."
    return "As much as the guide suggests; add 50 to 200 a cycle where answers fail."
