"""Which training data a candidate rests on: how much of each category, what is doubtful, how far from traffic."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, func, select

from tuneloop.kit.clock import now
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.retraining.diagnosis.findings import CategoryData, TrafficBy, TrainingData
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.verdicts import disagreement_run, gate_items
from tuneloop.tables import (
    AdapterVersion,
    DataFinding,
    Example,
    FindingKind,
    FindingState,
    Pool,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    SnapshotItem,
    Source,
)

RECENT = timedelta(days=56)
FEWEST_LABELS = 50
"""Random labels that tell the mix of traffic; with fewer, answers tell it."""


class Mix(NamedTuple):
    """Counts by category, and where they come from."""

    counts: Mapping[str, int]
    by: TrafficBy | None

    @property
    def n(self) -> int:
        return sum(self.counts.values())


def training_data(
    session: Session, cycle: RetrainingCycle, recipe: Recipe, *, shown: Collection[str], target: Collection[str]
) -> TrainingData | None:
    """Of the snapshot that the cycle trains on; `shown` are the categories to tell of."""
    if cycle.training_snapshot_id is None:
        return None
    everything = _by_category(session, cycle.training_snapshot_id, known=None)
    parent = session.get(AdapterVersion, cycle.parent_version_id) if cycle.parent_version_id else None
    seen = parent.snapshot_id if parent else None
    old = _by_category(session, cycle.training_snapshot_id, known=seen) if seen else Counter[str]()
    new = everything - old
    batches = _in_batches(old, new, recipe, target)
    mix = traffic_mix(session, cycle)
    in_traffic = {name: n / mix.n for name, n in mix.counts.items()} if mix.n else {}
    doubts = _doubts(session, cycle.model_id)
    return TrainingData(
        examples=everything.total(),
        new=new.total(),
        categories=tuple(
            CategoryData(
                category=name,
                examples=everything[name],
                new=new[name],
                conflicts=doubts[FindingKind.CONFLICT, name],
                suspected=doubts[FindingKind.SUSPECTED_ERROR, name],
                in_batches=batches.get(name, 0.0),
                in_traffic=in_traffic.get(name, 0.0) if mix.n else None,
            )
            for name in dict.fromkeys(shown)
        ),
        distance=_distance(batches, in_traffic) if mix.n else None,
        traffic=mix.n,
        traffic_by=mix.by,
    )


def traffic_mix(session: Session, cycle: RetrainingCycle) -> Mix:
    """How often each category comes, of recent random labels, else by what the versions answer."""
    model = session.get_one(RegisteredModel, cycle.model_id)
    if contract_of(model).task is not Task.CLASSIFY:
        return Mix({}, None)
    since = now() - RECENT
    sampled = session.exec(
        select(Example.category, func.count(col(Example.id)))
        .where(Example.model_id == model.id, Example.source == Source.SAMPLED, col(Example.added_at) > since)
        .group_by(col(Example.category))
    ).all()
    if sum(n for _, n in sampled) >= FEWEST_LABELS:
        return Mix(dict(sampled), TrafficBy.LABELS)
    run = disagreement_run(session, cycle.id)
    if run is not None:
        differing = Counter(str(item.answers["candidate"]).strip() for item in gate_items(session, cycle.id))
        answers = Counter(run.agreed) + differing
        return Mix(answers, TrafficBy.CANDIDATE)
    answered = session.exec(
        select(func.trim(Prediction.answer), func.count(col(Prediction.id)))
        .where(Prediction.model_id == model.id, col(Prediction.at) > since)
        .group_by(func.trim(Prediction.answer))
    ).all()
    return Mix(dict(answered), TrafficBy.PRODUCTION if answered else None)


def _by_category(session: Session, snapshot_id: UUID, *, known: UUID | None) -> Counter[str]:
    """Examples of a snapshot; with `known` only those that are in that one too."""
    query = (
        select(Example.category, func.count(col(Example.id)))
        .join(SnapshotItem, col(SnapshotItem.example_id) == Example.id)
        .where(SnapshotItem.snapshot_id == snapshot_id, col(Example.deleted_at).is_(None))
    )
    if known is not None:
        seen = select(SnapshotItem.example_id).where(SnapshotItem.snapshot_id == known)
        query = query.where(col(Example.id).in_(seen))
    return Counter(dict(session.exec(query.group_by(col(Example.category))).all()))


def _in_batches(old: Counter[str], new: Counter[str], recipe: Recipe, target: Collection[str]) -> dict[str, float]:
    """The share of each category in what the trainer drew: a fixed share of each batch is new (`Recipe.new_share`)."""
    aimed = Counter({name: n for name, n in new.items() if name in target}) or new
    rest = old + new - aimed
    share = recipe.new_share
    if share is None or not aimed or not rest:
        whole = old + new
        return {name: n / whole.total() for name, n in whole.items()}
    return {
        name: share * aimed[name] / aimed.total() + (1 - share) * rest[name] / rest.total() for name in {*aimed, *rest}
    }


def _distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    return sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in {*one, *other}) / 2


def _doubts(session: Session, model_id: UUID) -> Counter[tuple[FindingKind, str]]:
    rows = session.exec(
        select(DataFinding.kind, Example.category, func.count(func.distinct(Example.id)))
        .join(Example, col(Example.id) == DataFinding.example_id)
        .where(
            DataFinding.model_id == model_id,
            DataFinding.state == FindingState.OPEN,
            Example.pool == Pool.TRAINING,
            col(Example.deleted_at).is_(None),
        )
        .group_by(col(DataFinding.kind), col(Example.category))
    )
    return Counter({(FindingKind(kind), category): n for kind, category, n in rows})
