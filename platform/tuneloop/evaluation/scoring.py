"""The scorer of a model's task, applied to examples and answers."""

from collections.abc import Sequence

from tuneloop.evaluation.given import conversation_of
from tuneloop.evaluation.marking import Marking
from tuneloop.evaluation.scorers.item import EvalItem, Score
from tuneloop.evaluation.scorers.registry import DEFAULT, SCORERS
from tuneloop.registry.contract import Contract
from tuneloop.tables import Example, Prediction, ReviewItem


def item_of(labelled: Example | ReviewItem, contract: Contract) -> EvalItem:
    return EvalItem(
        id=str(labelled.id),
        messages=conversation_of(labelled),
        expected=labelled.expected or "",
        category=labelled.category or "",
        facts=contract.facts,
        labels=contract.labels,
    )


def score(labelled: Example | ReviewItem, answer: str, contract: Contract) -> Score:
    return SCORERS[DEFAULT[contract.task]](item_of(labelled, contract), answer)


def marking_of(contract: Contract) -> Marking:
    """Whether production's answers were right, by the labels they were given."""

    def mark(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[bool]:
        return [
            score(example, prediction.answer, contract).correct
            for example, prediction in zip(examples, predictions, strict=True)
        ]

    return mark
