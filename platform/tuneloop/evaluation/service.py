"""Store and read eval runs. A run is written once, complete; unchanged answers are found by cache key."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.datasets.service import snapshot_examples
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.figures import RateRead
from tuneloop.registry.service import definition_of
from tuneloop.stats.intervals import Rate
from tuneloop.tables import AdapterVersion, EvalAnswer, EvalRun, Snapshot

UNANSWERED = "not answered: "
"""Begins the detail of an item that could not be asked, such as one longer than the context; it counts as wrong."""


NOT_RECORDED = f"{UNANSWERED}its service is gone, and the answer was not recorded"
"""Such an item says nothing about the version, so it counts nowhere."""


@dataclass(frozen=True)
class ItemResult:
    """One answered and scored example."""

    example_id: UUID
    category: str
    expected: str
    answer: str
    correct: bool
    score: float
    hallucinated: bool
    detail: str
    confidence: float | None
    margin: float | None
    cache_key: str


def record_run(
    session: Session,
    *,
    version: AdapterVersion,
    snapshot: Snapshot,
    results: Sequence[ItemResult],
    reused: int,
    seconds: float,
) -> EvalRun:
    """Store a complete run. The items must be those of the snapshot, in its order.

    Its figures are of those items that the version could be asked, or was while its service lasted.

    Raises:
        Conflict, InvalidInput: the items are not the snapshot's, or nothing is left to count.
    """
    expected = [example.id for example in snapshot_examples(session, snapshot)]
    if [result.example_id for result in results] != expected:
        raise Conflict("the results are not those of the snapshot's examples; evaluate again")
    if not results:
        raise InvalidInput("an evaluation needs at least one example; import a golden set first")
    counted = [result for result in results if result.detail != NOT_RECORDED]
    if not counted:
        raise InvalidInput(
            f"the service behind v{version.number} is gone and none of its answers to the golden set were recorded, so "
            "nothing can be compared with it"
        )
    right = Counter(result.category for result in counted if result.correct)
    run = EvalRun(
        client_id=version.client_id,
        model_id=version.model_id,
        version_id=version.id,
        snapshot_id=snapshot.id,
        digest=version.digest,
        engine=definition_of(version).engine,
        correct=sum(result.correct for result in counted),
        hallucinated=sum(result.hallucinated for result in counted),
        n=len(counted),
        reused=reused,
        categories={
            category: {"correct": right[category], "n": n}
            for category, n in sorted(Counter(result.category for result in counted).items())
        },
        seconds=seconds,
    )
    session.add(run)
    session.flush()
    for position, result in enumerate(results):
        session.add(EvalAnswer(client_id=version.client_id, run_id=run.id, position=position, **vars(result)))
    session.flush()
    return run


def answers_of(session: Session, run: EvalRun) -> list[EvalAnswer]:
    """In the snapshot's order."""
    return list(session.exec(select(EvalAnswer).where(EvalAnswer.run_id == run.id).order_by(col(EvalAnswer.position))))


def known_answers(session: Session, cache_keys: Sequence[str]) -> dict[str, EvalAnswer]:
    """Earlier answers to the same prompts by the same artifact; what was not answered is asked again."""
    rows = session.exec(select(EvalAnswer).where(col(EvalAnswer.cache_key).in_(cache_keys)))
    return {row.cache_key: row for row in rows if not row.detail.startswith(UNANSWERED)}


def runs_of(session: Session, model_id: UUID) -> list[EvalRun]:
    """Newest first."""
    query = select(EvalRun).where(EvalRun.model_id == model_id)
    return list(session.exec(query.order_by(col(EvalRun.created_at).desc())))


def latest_run(session: Session, version_id: UUID, snapshot_id: UUID | None = None) -> EvalRun | None:
    """Of a version, on the snapshot if one is named."""
    query = select(EvalRun).where(EvalRun.version_id == version_id)
    if snapshot_id is not None:
        query = query.where(EvalRun.snapshot_id == snapshot_id)
    return session.exec(query.order_by(col(EvalRun.created_at).desc()).limit(1)).one_or_none()


def describe_run(run: EvalRun, groups: Mapping[str, str]) -> dict[str, Any]:
    """Accuracy overall, per category and per group of categories, each with n and interval."""
    grouped: dict[str, Rate] = {}
    for name, counts in run.categories.items():
        if group := groups.get(name):
            so_far = grouped.get(group, Rate(0, 0))
            grouped[group] = Rate(so_far.correct + counts["correct"], so_far.n + counts["n"])
    return {
        "overall": rate_of(Rate(run.correct, run.n)),
        "hallucination": rate_of(Rate(run.hallucinated, run.n)),
        "groups": {group: rate_of(rate) for group, rate in sorted(grouped.items())},
        "categories": {name: rate_of(Rate(counts["correct"], counts["n"])) for name, counts in run.categories.items()},
    }


def rate_of(rate: Rate) -> RateRead:
    """A rate as it is shown everywhere: never without n and interval."""
    low, high = rate.interval
    return {"value": rate.value if rate.n else None, "n": rate.n, "low": low, "high": high}
