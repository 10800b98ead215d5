"""The scorer of a model's task, applied to examples and answers."""

from collections.abc import Sequence

from tuneloop.monitoring.streams import Judge
from tuneloop.registry.contract import Contract
from tuneloop.registry.templates import Message
from tuneloop.tables import Example, Prediction
from tuneloop_workers.evals.scorers.choice import DEFAULT, SCORERS
from tuneloop_workers.evals.scorers.item import EvalItem, Score


def item_of(example: Example, contract: Contract) -> EvalItem:
    return EvalItem(
        id=str(example.id),
        messages=conversation_of(example),
        expected=example.expected,
        category=example.category,
        facts=contract.facts,
        labels=contract.labels,
    )


def conversation_of(example: Example) -> tuple[Message, ...]:
    return tuple(Message.model_validate(message) for message in example.messages)


def score(example: Example, answer: str, contract: Contract) -> Score:
    return SCORERS[DEFAULT[contract.task]](item_of(example, contract), answer)


def judge_of(contract: Contract) -> Judge:
    """Whether production's answers were right, by the labels they were given."""

    def judge(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[bool]:
        return [
            score(example, prediction.answer, contract).correct
            for example, prediction in zip(examples, predictions, strict=True)
        ]

    return judge
