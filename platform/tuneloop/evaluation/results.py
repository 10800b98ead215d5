"""Answers of a version to a set, scored item by item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import orjson

from tuneloop.evaluation.scorers.grounding import is_hallucination
from tuneloop.evaluation.scorers.item import Score
from tuneloop.evaluation.scorers.registry import DEFAULT, SCORERS
from tuneloop.evaluation.scoring import item_of
from tuneloop.evaluation.service import ItemResult
from tuneloop.registry.contract import Contract
from tuneloop.registry.templates import Message
from tuneloop.tables import Example

Conversation = Sequence[Message]


@dataclass(frozen=True)
class Given:
    """What a version answered to one item; `problem` says why it did not. Confidence is None where nobody tells it.

    Tokens are those that an external version's service has counted, and asks money for.
    """

    text: str
    confidence: float | None
    margin: float | None
    problem: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


def cache_key(manifest_digest: str, conversation: Conversation) -> str:
    """Digest under which an answer may be reused: the manifest names base, adapters, prompt, decoding and engine."""
    turns = [(message.role, message.content) for message in conversation]
    return sha256(orjson.dumps((manifest_digest, turns))).hexdigest()


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
