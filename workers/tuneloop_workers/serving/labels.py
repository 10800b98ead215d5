"""Classification: probabilities of all allowed labels by constrained decoding along the label tree."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tuneloop_workers.llama import Logits
from tuneloop_workers.serving.answer import EngineAnswer
from tuneloop_workers.serving.decoding import Move
from tuneloop_workers.serving.trie import Choice

NEGLIGIBLE = 1e-4
"""Probability under which a branch is not looked into; its labels share it evenly, so the sum stays one."""


class LabelScoring:
    """At every choice the model's distribution is renormalised over the allowed next tokens.

    A label's probability is the product over its choices. Labels with distinct first tokens need one decode.
    """

    def __init__(self, labels: Mapping[str, Sequence[int]], first: Choice) -> None:
        self._labels = labels
        self._first = first
        self._probabilities: npt.NDArray[np.float64] = np.zeros(len(labels))
        self._open: list[tuple[Choice, float]] = []
        self._current: tuple[Choice, float] = (first, 1.0)

    @property
    def opening(self) -> tuple[int, ...]:
        return self._first.path

    @property
    def longest(self) -> int:
        return self._first.longest_path

    def advance(self, logits: Logits) -> Move | None:
        choice, mass = self._current
        for branch, share in zip(choice.branches, mass * _softmax(logits[choice.tokens]), strict=True):
            if branch.next is None or share < NEGLIGIBLE:
                self._probabilities[list(branch.labels)] = share / len(branch.labels)
            else:
                self._open.append((branch.next, float(share)))
        if not self._open:
            return None
        self._current = self._open.pop()
        return _way(choice.path, self._current[0].path)

    def answer(self, prompt_tokens: int, latency_ms: float) -> EngineAnswer:
        names = list(self._labels)
        best, second = np.argsort(-self._probabilities, kind="stable")[:2]
        top = float(self._probabilities[best])
        return EngineAnswer(
            text=names[best],
            confidence=top,
            margin=top - float(self._probabilities[second]),
            probabilities=dict(zip(names, self._probabilities.tolist(), strict=True)),
            tokens=(),
            finish_reason="stop",
            prompt_tokens=prompt_tokens,
            completion_tokens=len(self._labels[names[best]]),
            latency_ms=latency_ms,
            min_logprob=float(np.log(top)),
        )


def _way(here: tuple[int, ...], there: tuple[int, ...]) -> Move:
    """From one place in the tree to another, keeping what both share; at least one token is decoded for its logits."""
    shared = 0
    while shared < min(len(here), len(there) - 1) and here[shared] == there[shared]:
        shared += 1
    return Move(shared, there[shared:])


def _softmax(logits: Logits) -> npt.NDArray[np.float64]:
    weights = np.exp(logits.astype(np.float64) - logits.max())
    return np.asarray(weights / weights.sum())
