"""Answers kept for the gate: a random share of them teaches nothing until a gate has used it.

What people flag and correct are production's wrong answers. Were they all taken for training, a gate that draws its
queries from the rest would meet a production that is nearly always right, and turn every candidate down.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, String, and_, false, func, literal, or_, type_coerce
from sqlmodel import Session, col, select

from tuneloop.kit.errors import Conflict
from tuneloop.predictions.erased import has_text
from tuneloop.registry.service import policy_of
from tuneloop.tables import DisagreementRun, Example, Prediction, RegisteredModel, RetrainingCycle, SnapshotItem

REPEATS = 4
"""How many answers are looked through for each distinct conversation that is wanted."""


def reserved(session: Session, model: RegisteredModel) -> ColumnElement[bool]:
    """Condition on `Prediction`: the answer waits for the next gate and may not be chosen to teach."""
    return _reserved(policy_of(model).gate_share, since=last_gate(session, model))


def refuse_reserved(session: Session, *, model: RegisteredModel, prediction_ids: Collection[UUID]) -> None:
    """Raises Conflict when one of the answers is reserved for the gate."""
    query = select(Prediction.id).where(col(Prediction.id).in_(prediction_ids), reserved(session, model))
    kept = sorted(str(found) for found in session.exec(query))
    if kept:
        raise Conflict(
            f"{_many(kept)} kept for the comparison of the next candidate with production, so it can't train; "
            "it may once that comparison has been made",
            predictions=kept,
        )


def is_reserved(session: Session, *, model: RegisteredModel, prediction: Prediction) -> bool:
    since = last_gate(session, model)
    return _in_share(prediction.id, policy_of(model).gate_share) and (since is None or prediction.at > since)


def gate_queries(session: Session, *, cycle: RetrainingCycle, model: RegisteredModel, limit: int) -> list[Prediction]:
    """The latest answers from which the cycle's candidate can have learnt nothing, one for each distinct conversation.

    These are the reserved ones, and all that were given after the training data was frozen.
    """
    share = _reserved(policy_of(model).gate_share, since=last_gate(session, model, but=cycle.id))
    trained = (
        select(Example.id)
        .join(SnapshotItem, col(SnapshotItem.example_id) == Example.id)
        .where(SnapshotItem.snapshot_id == cycle.training_snapshot_id, Example.prediction_id == Prediction.id)
    )
    return latest_distinct(
        session,
        Prediction.model_id == model.id,
        or_(share, col(Prediction.at) > cycle.created_at),
        ~trained.exists(),
        limit=limit,
    )


def latest_distinct(session: Session, *conditions: ColumnElement[bool] | bool, limit: int) -> list[Prediction]:
    """The latest answers that meet the conditions, one for each distinct conversation; newest first."""
    query = (
        select(Prediction).where(*conditions, has_text()).order_by(col(Prediction.at).desc(), col(Prediction.id).desc())
    )
    distinct: dict[str, Prediction] = {}
    for prediction in session.exec(query.limit(REPEATS * limit)):
        distinct.setdefault(conversation_key(prediction.messages), prediction)
    return list(distinct.values())[:limit]


def conversation_key(messages: Sequence[Mapping[str, Any]]) -> str:
    return sha256(orjson.dumps(messages, option=orjson.OPT_SORT_KEYS)).hexdigest()


def last_gate(session: Session, model: RegisteredModel, *, but: UUID | None = None) -> datetime | None:
    """When a gate last used reserved answers; those given before are free since. A cycle's attempts share theirs."""
    query = (
        select(func.max(DisagreementRun.created_at))
        .join(RetrainingCycle, col(RetrainingCycle.id) == DisagreementRun.cycle_id)
        .where(RetrainingCycle.model_id == model.id, RetrainingCycle.id != but)
    )
    return session.exec(query).one()


def _reserved(share: float, *, since: datetime | None) -> ColumnElement[bool]:
    if share <= 0:
        return false()
    digest = func.encode(func.sha256(func.uuid_send(Prediction.id)), "hex")
    chosen: ColumnElement[bool] = type_coerce(digest, String).collate("C") < literal(_threshold(share))
    return chosen if since is None else and_(chosen, col(Prediction.at) > since)


def _in_share(prediction_id: UUID, share: float) -> bool:
    return sha256(prediction_id.bytes).hexdigest() < _threshold(share)


def _threshold(share: float) -> str:
    """The share of all SHA-256 digests that sort before this prefix."""
    return f"{int(share * 2**64):016x}" if share > 0 else ""


def _many(kept: Collection[str]) -> str:
    return "this answer is" if len(kept) == 1 else f"{len(kept)} of these answers are"
