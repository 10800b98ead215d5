"""Answers of a version to a set, scored item by item."""

from collections.abc import Mapping, Sequence

from tuneloop.evaluation.given import Given
from tuneloop.evaluation.scorers.grounding import is_hallucination
from tuneloop.evaluation.scorers.item import Score
from tuneloop.evaluation.scorers.registry import DEFAULT, SCORERS
from tuneloop.evaluation.scoring import item_of
from tuneloop.evaluation.service import ItemResult
from tuneloop.registry.contract import Contract
from tuneloop.tables import Example


def scored(
    examples: Sequence[Example], keys: Sequence[str], given: Mapping[str, Given], contract: Contract
) -> list[ItemResult]:
    """In the order of the examples; `keys` are theirs, by which `given` is found. What was not answered is wrong."""
    scorer = SCORERS[DEFAULT[contract.task]]
    results = []
    for key, example in zip(keys, examples, strict=True):
        item, answer = item_of(example, contract), given[key]
        judged = Score(0.0, False, answer.problem) if answer.problem else scorer(item, answer.text)
        results.append(
            ItemResult(
                example_id=example.id,
                category=example.category,
                expected=example.expected,
                answer=answer.text,
                correct=judged.correct,
                score=judged.value,
                hallucinated=not answer.problem and is_hallucination(item, answer.text),
                detail=judged.detail,
                confidence=answer.confidence,
                margin=answer.margin,
                cache_key=key,
            )
        )
    return results
