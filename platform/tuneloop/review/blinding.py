"""What a labeller may see before answering: a person who sees the model's answer agrees with it too often."""

from typing import NamedTuple

from tuneloop.registry.contract import Contract, Task
from tuneloop.tables import ReviewItem, ReviewPurpose


class BlindedAnswers(NamedTuple):
    """Answers to choose from, without names, in an order that says nothing; none where labelling is blind."""

    answers: list[str]
    blind: bool


def is_blind(contract: Contract, item: ReviewItem) -> bool:
    """Labels are chosen blind. Free text can't be: nobody writes out an answer that is there to be corrected."""
    return contract.task is Task.CLASSIFY and item.purpose is not ReviewPurpose.PROPOSED


def shown(contract: Contract, item: ReviewItem) -> BlindedAnswers:
    if is_blind(contract, item):
        return BlindedAnswers([], blind=True)
    answers = item.answers
    if item.purpose in (ReviewPurpose.GATE, ReviewPurpose.SHADOW):
        pair = [answers["production"], answers["candidate"]]
        return BlindedAnswers(pair if item.id.int % 2 else pair[::-1], blind=False)
    texts = [*answers.get("users", []), answers.get("client"), answers.get("proposed"), answers.get("production")]
    return BlindedAnswers(list(dict.fromkeys(text for text in texts if text)), blind=False)
