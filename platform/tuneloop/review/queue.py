"""The review queue: what is put into it, what is taken from it. Half of its budget goes to the random sample."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Text, and_, cast, func
from sqlmodel import Session, col, select

from tuneloop.kit.clock import now
from tuneloop.predictions.erased import has_text
from tuneloop.predictions.gate_holdout import reserved
from tuneloop.registry.service import contract_of, policy_of
from tuneloop.review.active_sampling import (
    MOST_LOOKED_AT,
    consider,
    contradicting,
    contradiction_item,
    flagged,
    text_of,
    uncertain,
)
from tuneloop.review.answering import next_item, settle, skip, submit_label, undo
from tuneloop.review.blinding import is_blind
from tuneloop.review.items import item_of, put
from tuneloop.review.sampling import add_sample
from tuneloop.review.tfidf import vectors
from tuneloop.tables import (
    Alert,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    ShadowAnswer,
    ShadowTest,
)

__all__ = [
    "Filled",
    "GatePair",
    "add_alike",
    "add_burst",
    "add_gate_items",
    "add_sample",
    "add_shadow_items",
    "fill",
    "next_item",
    "settle",
    "skip",
    "submit_label",
    "undo",
]

SAMPLE_SHARE = 0.5
DOUBT_SHARE = 0.3
LEAST_ALIKE = 0.2
"""Cosine below which a question has hardly a word in common with another."""


class Filled(NamedTuple):
    """How many items were added for each purpose; `budget` is what was asked for."""

    budget: int
    sample: int
    uncertain: int
    contradicting: int
    flagged: int

    @property
    def added(self) -> int:
        return self.sample + self.uncertain + self.contradicting + self.flagged


class GatePair(NamedTuple):
    """A production query that the two versions answered differently."""

    prediction: Prediction
    production_answer: str
    candidate_answer: str


def fill(session: Session, model: RegisteredModel, budget: int) -> Filled:
    """Put up to `budget` answers into the queue: half at random, 30 % unsure and new, 20 % flags and contradictions.

    What flags and contradictions leave goes to unsure answers; the random half never takes from the others nor gives.
    """
    sample = add_sample(session, model, round(budget * SAMPLE_SHARE))
    doubts = round(budget * DOUBT_SHARE)
    rest = budget - round(budget * SAMPLE_SHARE) - doubts
    flags = flagged(session, model, _free(session, model), rest)
    put(session, model, flags)
    considered = consider(session, model, _free(session, model), doubts + rest)
    against = contradicting(session, model, considered, rest - len(flags))
    unlike = [contradiction_item(considered.predictions[index], alike) for index, alike in against]
    room = doubts + rest - len(flags) - len(unlike)
    doubtful = uncertain(
        considered, room, without=[index for index, _ in against], taken=_waiting_texts(session, model)
    )
    put(session, model, [*unlike, *doubtful])
    return Filled(budget, len(sample), len(doubtful), len(unlike), len(flags))


def add_burst(
    session: Session, *, model: RegisteredModel, predictions: Sequence[Prediction], alert: Alert | None, reason: str
) -> list[ReviewItem]:
    """Answers of the region that a tripwire flagged; those in the queue for it already, or reserved, are left out."""
    wanted = {prediction.id: prediction for prediction in predictions}
    free = session.exec(
        select(Prediction.id).where(
            col(Prediction.id).in_(wanted), ~_in_queue(ReviewPurpose.BURST), ~reserved(session, model)
        )
    )
    order = {prediction_id: index for index, prediction_id in enumerate(wanted)}
    items = [
        item_of(
            wanted[prediction_id],
            ReviewPurpose.BURST,
            reason,
            rank=1 - order[prediction_id] / len(wanted),
            alert_id=alert.id if alert else None,
        )
        for prediction_id in sorted(free, key=lambda each: order[each])
    ]
    return put(session, model, items)


def add_alike(
    session: Session, *, model: RegisteredModel, texts: Sequence[str], wanted: int, reason: str
) -> list[ReviewItem]:
    """Up to `wanted` recent answers whose questions are most like one of the texts, in no item yet and not reserved.

    One for each question, however often it was asked.
    """
    found = consider(session, model, _free(session, model), MOST_LOOKED_AT)
    asked = {text_of(prediction): prediction for prediction in found.predictions}
    for waiting in _waiting_texts(session, model):
        asked.pop(waiting, None)
    if not asked or not texts:
        return []
    joined = vectors([*asked, *texts])
    alike = (joined[: len(asked)] @ joined[len(asked) :].T).max(axis=1)
    best = sorted(zip(alike.tolist(), asked.values(), strict=True), key=lambda each: -each[0])[:wanted]
    return put(
        session,
        model,
        [item_of(prediction, ReviewPurpose.BURST, reason, rank=how) for how, prediction in best if how >= LEAST_ALIKE],
    )


def add_gate_items(session: Session, *, cycle: RetrainingCycle, pairs: Sequence[GatePair]) -> list[ReviewItem]:
    """Questions for the gate, in the order of the pairs. Who answers sees neither which version said what.

    What was labelled for an earlier attempt is not asked again: a blind label says what is right, whoever answers.
    """
    model = session.get_one(RegisteredModel, cycle.model_id)
    earlier = session.exec(
        select(ReviewItem).where(ReviewItem.cycle_id == cycle.id, ReviewItem.purpose == ReviewPurpose.GATE)
    ).all()
    known = {item.prediction_id for item in earlier if item.attempt == cycle.attempt}
    labelled = {item.prediction_id: item for item in earlier if item.state is ReviewState.DONE}
    fresh = list({pair.prediction.id: pair for pair in pairs if pair.prediction.id not in known}.values())
    items = [
        item_of(
            pair.prediction,
            ReviewPurpose.GATE,
            "Production and candidate answer this differently; your label says which is right.",
            rank=1 - index / len(fresh),
            answers={"production": pair.production_answer, "candidate": pair.candidate_answer},
            cycle_id=cycle.id,
            attempt=cycle.attempt,
        )
        for index, pair in enumerate(fresh)
    ]
    put(session, model, items)
    contract = contract_of(model)
    for item in items:
        label = labelled.get(item.prediction_id)
        if label is not None and (is_blind(contract, label) or item.answers == label.answers):
            item.state, item.closed_at, item.label_of = ReviewState.DONE, now(), label.label_of or label.id
            item.expected, item.category = label.expected, label.category
            session.add(item)
    session.flush()
    return items


def add_shadow_items(session: Session, *, model: RegisteredModel, test: ShadowTest, most: int) -> list[ReviewItem]:
    """Answers of a shadow test in which production and candidate differ, drawn at random; in no item yet, not reserved.

    The gate doesn't count them: it has spent its error on questions of its own, drawn before anybody saw a verdict.
    """
    differ = (
        select(Prediction, ShadowAnswer.answer)
        .join(ShadowAnswer, col(ShadowAnswer.prediction_id) == Prediction.id)
        .where(
            ShadowAnswer.shadow_test_id == test.id,
            col(ShadowAnswer.same).is_(False),
            _free(session, model),
            has_text(),
        )
        .order_by(func.md5(cast(ShadowAnswer.id, Text)))
        .limit(max(most, 0))
    )
    items = [
        item_of(
            prediction,
            ReviewPurpose.SHADOW,
            "Production and the candidate under shadow test answer this differently; your label says which is right.",
            rank=0.5,
            answers={"candidate": answer},
            cycle_id=test.cycle_id,
        )
        for prediction, answer in session.exec(differ)
    ]
    return put(session, model, items)


def budget_of(model: RegisteredModel) -> int:
    return policy_of(model).review_budget


def _free(session: Session, model: RegisteredModel) -> ColumnElement[bool]:
    """Answers in no item of the queue, and not kept for the gate."""
    return and_(~_in_queue(), ~reserved(session, model))


def _in_queue(purpose: ReviewPurpose | None = None) -> ColumnElement[bool]:
    query = select(ReviewItem.id).where(ReviewItem.prediction_id == Prediction.id)
    return (query if purpose is None else query.where(ReviewItem.purpose == purpose)).exists()


def _waiting_texts(session: Session, model: RegisteredModel) -> list[str]:
    query = select(ReviewItem).where(ReviewItem.model_id == model.id, ReviewItem.state == ReviewState.OPEN)
    return [
        "\n".join(message["content"] for message in item.messages if message["role"] == "user")
        for item in session.exec(query.limit(500))
    ]
