"""What a training will take, before it is approved."""

from dataclasses import dataclass
from math import ceil
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.kit.jobs import JobRow
from tuneloop.retraining.jobs import EvaluateCandidate, TrainCandidate
from tuneloop.tables import RegisteredModel, RetrainingCycle, Snapshot

ORIENTATION_SECONDS = 4 * 1.45 / 8
"""CPU seconds an example of a first training: four epochs, steps of 8 short examples, a base of 270 million parameters
on one processor core (docs/training.md)."""

RECENT = 10


@dataclass(frozen=True)
class Effort:
    """Minutes of compute, and what they cost; None where nothing comparable has run here."""

    minutes: float | None
    cost: float | None
    currency: str
    why: str

    @property
    def in_words(self) -> str:
        if self.minutes is None:
            return self.why
        cost = f" ({self.cost:.2f} {self.currency})" if self.cost is not None else ""
        return f"about {_minutes(self.minutes)}{cost}, {self.why}"


def effort_of(session: Session, model: RegisteredModel, *, examples: int, hourly: float, currency: str) -> Effort:
    """By the model's last cycle that got so far; else by other models of the agency on the same base, per example.

    `hourly` is what an hour of compute costs, 0 where nobody has said. Without anything to go by, `why` says what is
    known of other machines.
    """
    mine = _timed(session, RetrainingCycle.model_id == model.id, limit=1)
    if mine:
        return _effort(mine[0][0], hourly, currency, "as the last time")
    same_base = select(RegisteredModel.id).where(RegisteredModel.base_id == model.base_id)
    others = _timed(session, col(RetrainingCycle.model_id).in_(same_base), limit=RECENT)
    known = sum(size for _, size in others)
    if known:
        seconds = sum(seconds for seconds, _ in others) * examples / known
        count = "another training" if len(others) == 1 else f"{len(others)} other trainings"
        return _effort(seconds, hourly, currency, f"going by {count} on this base")
    minutes = _minutes(examples * ORIENTATION_SECONDS / 60)
    why = (
        "not timed here yet. For orientation: this many examples take a base of 270 million parameters "
        f"{minutes} on one processor core, and one of ten times the size ten times as long; a GPU is much faster. "
        "Once it runs, the page shows the time left"
    )
    return Effort(None, None, currency, why)


def _effort(seconds: float, hourly: float, currency: str, why: str) -> Effort:
    minutes = seconds / 60
    return Effort(minutes, minutes / 60 * hourly if hourly else None, currency, why)


def _minutes(minutes: float) -> str:
    rounded = max(1, ceil(minutes))
    if rounded >= 90:
        return f"{rounded / 60:.0f} hours"
    return "1 minute" if rounded == 1 else f"{rounded} minutes"


def _timed(session: Session, which: object, *, limit: int) -> list[tuple[float, int]]:
    """Seconds of training and evaluation, and training examples, of the newest cycles that have a candidate."""
    cycles = session.exec(
        select(RetrainingCycle.id, Snapshot.size)
        .join(Snapshot, col(Snapshot.id) == RetrainingCycle.training_snapshot_id)
        .where(which, col(RetrainingCycle.candidate_version_id).is_not(None))  # type: ignore[arg-type]
        .order_by(col(RetrainingCycle.created_at).desc())
        .limit(limit)
    ).all()
    spent = _seconds(session, [cycle_id for cycle_id, _ in cycles])
    return [(spent[str(cycle_id)], size) for cycle_id, size in cycles if str(cycle_id) in spent]


def _seconds(session: Session, cycle_ids: list[UUID]) -> dict[str, float]:
    cycle_id = col(JobRow.args)["cycle_id"].astext
    rows = session.exec(
        select(cycle_id, JobRow.started_at, JobRow.finished_at).where(
            col(JobRow.name).in_((TrainCandidate.name, EvaluateCandidate.name)),
            cycle_id.in_([str(each) for each in cycle_ids]),
            col(JobRow.started_at).is_not(None),
            col(JobRow.finished_at).is_not(None),
        )
    )
    found: dict[str, float] = {}
    for of, started, finished in rows:
        if started is not None and finished is not None:
            found[of] = found.get(of, 0.0) + (finished - started).total_seconds()
    return found
