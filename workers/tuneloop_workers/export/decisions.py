"""What an engine decides, labels with their probabilities or next tokens of a text, and two engines compared."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from tuneloop.kit.errors import Conflict, TuneloopError
from tuneloop_workers.export.reading import SHOWN, Prompt
from tuneloop_workers.serving.answer import EngineAnswer
from tuneloop_workers.serving.decoding import Options
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.serving.servable import Servable

NEXT_TOKENS = 16
ALTERNATIVES = 20
SURE = 0.9
SURE_SAME = 0.9


@dataclass(frozen=True)
class Decisions:
    """Of `decisions` (labels, or tokens until the two texts part) both engines take `same` alike.

    Of those that the first takes with a probability of at least 0.9, `sure`, they take `sure_same` alike.
    `engine_difference` is the mean total variation between the two, 0 to 1; of tokens, over the likeliest twenty.
    """

    decisions: int
    same: int
    sure: int
    sure_same: int
    engine_difference: float


class _Decision(NamedTuple):
    choice: str
    probability: float
    all: Mapping[str, float]


def decide(
    engine: Engine, version: Servable, prompts: Sequence[Prompt], tick: Callable[[int], None]
) -> list[EngineAnswer]:
    """As serving answers them, in its batches; a text by its likeliest tokens."""
    options = Options(max_tokens=NEXT_TOKENS, alternatives=ALTERNATIVES)
    places = {engine.submit(version, prompt.messages, options): place for place, prompt in enumerate(prompts)}
    answers: dict[int, EngineAnswer] = {}
    while engine.unfinished:
        for ticket, outcome in engine.step():
            if isinstance(outcome, TuneloopError):
                raise outcome
            if outcome is not None:
                answers[places[ticket]] = outcome
                tick(1)
        tick(0)
    return [answers[place] for place in range(len(prompts))]


def compare(prompts: Sequence[Prompt], exact: Sequence[EngineAnswer], served: Sequence[EngineAnswer]) -> Decisions:
    """Raises Conflict when the engine that serves changes what the exact one is sure of."""
    compared = [
        (prompt.name, left, right)
        for prompt, ours, theirs in zip(prompts, exact, served, strict=True)
        for left, right in _side_by_side(ours, theirs)
    ]
    sure = [each for each in compared if each[1].probability >= SURE]
    changed = [
        f"{name}: {left.choice!r} ({left.probability:.0%}) became {right.choice!r} ({right.probability:.0%})"
        for name, left, right in sure
        if left.choice != right.choice
    ]
    found = Decisions(
        decisions=len(compared),
        same=sum(left.choice == right.choice for _, left, right in compared),
        sure=len(sure),
        sure_same=len(sure) - len(changed),
        engine_difference=float(np.mean([_total_variation(left, right) for _, left, right in compared])),
    )
    # One in ten is what a probability of 0.9 leaves open; of a few, one may always fall the other way.
    allowed = max(1, int((1 - SURE_SAME) * len(sure)))
    if len(changed) > allowed:
        raise Conflict(
            f"the engine that serves changes {len(changed)} of {len(sure)} decisions that the exported model is sure "
            f"of, {allowed} may fall the other way by rounding: {'; '.join(changed[:SHOWN])}. The export is right; the "
            "base as it is quantised, or the engine on this processor, is not exact enough: register a base with more "
            "bits, such as Q8_0, and train on that",
            **asdict(found),
            changed=changed[:SHOWN],
        )
    return found


def _side_by_side(ours: EngineAnswer, theirs: EngineAnswer) -> Iterator[tuple[_Decision, _Decision]]:
    """Decisions on the same question: of texts the tokens until the two part."""
    for left, right in zip(_decisions(ours), _decisions(theirs), strict=False):
        yield left, right
        if left.choice != right.choice:
            return


def _decisions(answer: EngineAnswer) -> list[_Decision]:
    confidence = answer.confidence or 0.0
    if answer.probabilities is not None:
        return [_Decision(answer.text, confidence, answer.probabilities)]
    if not answer.tokens:
        return [_Decision("", confidence, {"": confidence})]
    return [
        _Decision(
            token.text,
            float(np.exp(token.logprob)),
            {each.text: float(np.exp(each.logprob)) for each in token.alternatives},
        )
        for token in answer.tokens
    ]


def _total_variation(left: _Decision, right: _Decision) -> float:
    names = left.all.keys() | right.all.keys()
    return 0.5 * sum(abs(left.all.get(name, 0.0) - right.all.get(name, 0.0)) for name in names)
