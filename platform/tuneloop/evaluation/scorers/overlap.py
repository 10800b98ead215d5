"""Scorers that measure how much of the expected wording an answer shares."""

import re
from dataclasses import dataclass

from rapidfuzz.distance import LCSseq
from sacrebleu.metrics.chrf import CHRF

from tuneloop.evaluation.scorers.item import EvalItem, Score

_CHRF = CHRF()


@dataclass(frozen=True)
class ChrF:
    """Character n-gram F-score (Popović 2015, sacreBLEU's chrF2); correct from `threshold` on."""

    threshold: float = 0.6

    def __call__(self, item: EvalItem, answer: str) -> Score:
        return _from(chrf(item.expected, answer), self.threshold)


@dataclass(frozen=True)
class RougeL:
    """F-measure of the longest common subsequence of words (Lin 2004); correct from `threshold` on."""

    threshold: float = 0.5

    def __call__(self, item: EvalItem, answer: str) -> Score:
        return _from(rouge_l(item.expected, answer), self.threshold)


def chrf(expected: str, answer: str) -> float:
    """0..1"""
    return float(_CHRF.sentence_score(answer, [expected]).score) / 100


def rouge_l(expected: str, answer: str) -> float:
    """0..1; equal to rouge-score's, which reads letters a-z only."""
    wanted, given = _words(expected), _words(answer)
    return 2 * LCSseq.similarity(wanted, given) / (len(wanted) + len(given)) if wanted and given else 0.0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _from(value: float, threshold: float) -> Score:
    return Score(value, value >= threshold, "" if value >= threshold else f"{value:.2f} is below {threshold:g}")
