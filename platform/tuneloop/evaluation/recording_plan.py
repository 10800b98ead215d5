"""What is worth taking down of an external version, what of it is known already, and what the rest costs at most."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.evaluation.given import Given, cache_key, conversation_of
from tuneloop.evaluation.service import known_answers
from tuneloop.gateway.upstream import opening_of
from tuneloop.predictions.gate_holdout import latest_distinct, reserved
from tuneloop.registry.contract import Contract
from tuneloop.registry.external import cost_of
from tuneloop.registry.service import definition_of
from tuneloop.registry.templates import Message
from tuneloop.tables import (
    AdapterVersion,
    Example,
    ExternalEndpoint,
    Pool,
    Prediction,
    RecordedAnswer,
    RegisteredModel,
)

LETTERS_A_TOKEN = 2
"""Fewer than any common language has, so that what is announced is an upper bound."""

TOKENS_A_MESSAGE = 8
"""What a service counts beside a message's text."""


@dataclass(frozen=True)
class Question:
    """One conversation to take down; `given` is what the version is known to have answered to it."""

    key: str
    conversation: Sequence[Message]
    example_id: UUID | None = None
    prediction_id: UUID | None = None
    given: Given | None = None


@dataclass(frozen=True)
class RecordingPlan:
    """`golden` and `traffic` are different conversations of either kind, `recorded` those that are taken down already.

    Of `fresh` the `asking` have to be put to the service. `most_cost`: millionths of the currency's unit, None where
    the prices are not known.
    """

    golden: int
    traffic: int
    recorded: int
    most_cost: int | None
    currency: str
    fresh: Sequence[Question] = field(default_factory=list)

    @property
    def asking(self) -> int:
        return sum(question.given is None for question in self.fresh)


def plan_recording(
    session: Session, *, model: RegisteredModel, version: AdapterVersion, endpoint: ExternalEndpoint, queries: int
) -> RecordingPlan:
    """The whole golden set, and of the traffic that is kept for the gate the latest `queries`."""
    golden = _golden(session, model, version)
    measuring = {question.key for question in golden}
    traffic = [each for each in _traffic(session, model, version, queries) if each.key not in measuring]
    wanted = [*golden, *traffic]
    recorded = recorded_keys(session, version, [question.key for question in wanted])
    fresh = _with_evaluated(session, [question for question in wanted if question.key not in recorded])
    asking = [question for question in fresh if question.given is None]
    return RecordingPlan(
        golden=len(golden),
        traffic=len(traffic),
        recorded=len(recorded),
        most_cost=most_cost(definition_of(version).contract, endpoint, [each.conversation for each in asking]),
        currency=endpoint.currency,
        fresh=fresh,
    )


def recorded_keys(session: Session, version: AdapterVersion, keys: Collection[str]) -> set[str]:
    """Those of the conversations whose answer is taken down."""
    query = select(RecordedAnswer.cache_key).where(
        RecordedAnswer.version_id == version.id,
        col(RecordedAnswer.cache_key).in_(keys),
        col(RecordedAnswer.answered_at).is_not(None),
    )
    return set(session.exec(query))


def most_cost(contract: Contract, endpoint: ExternalEndpoint, conversations: Iterable[Sequence[Message]]) -> int | None:
    """If every answer is as long as the contract allows."""
    opening, asked, said = opening_of(contract), 0, 0
    for conversation in conversations:
        texts = [message.content for message in conversation]
        if opening and not any(message.role == "system" for message in conversation):
            texts.append(opening)
        asked += sum(len(text.encode()) // LETTERS_A_TOKEN + TOKENS_A_MESSAGE for text in texts)
        said += contract.decoding.max_tokens
    return cost_of(endpoint, prompt_tokens=asked, completion_tokens=said)


def _golden(session: Session, model: RegisteredModel, version: AdapterVersion) -> list[Question]:
    query = select(Example).where(
        Example.model_id == model.id, Example.pool == Pool.GOLDEN, col(Example.deleted_at).is_(None)
    )
    found: dict[str, Question] = {}
    for example in session.exec(query.order_by(col(Example.content_hash))):
        conversation = conversation_of(example)
        key = cache_key(version.digest, conversation)
        found.setdefault(key, Question(key, conversation, example_id=example.id))
    return list(found.values())


def _traffic(session: Session, model: RegisteredModel, version: AdapterVersion, queries: int) -> list[Question]:
    """What the version itself answered there is its answer: it is what people got."""
    found: dict[str, Question] = {}
    for prediction in latest_distinct(
        session, Prediction.model_id == model.id, reserved(session, model), limit=queries
    ):
        conversation = [Message.model_validate(message) for message in prediction.messages]
        key = cache_key(version.digest, conversation)
        own = prediction.digest == version.digest
        given = Given(prediction.answer, prediction.confidence, prediction.margin) if own else None
        found.setdefault(key, Question(key, conversation, prediction_id=prediction.id, given=given))
    return list(found.values())


def _with_evaluated(session: Session, questions: Sequence[Question]) -> list[Question]:
    known: Mapping[str, Given] = {
        key: Given(row.answer, row.confidence, row.margin)
        for key, row in known_answers(session, [question.key for question in questions]).items()
    }
    return [
        Question(each.key, each.conversation, each.example_id, each.prediction_id, each.given or known.get(each.key))
        for each in questions
    ]
