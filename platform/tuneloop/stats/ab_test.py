"""Two versions on different answers, looked at after every answer: which is better, and was the traffic split as meant?

Everything here holds at all looks together, however often one looks and for whatever reason one stops. The evidence
against a mean is the capital of somebody who bets against it at fair odds: while the mean is what is claimed the
capital grows on average at no bet, so it ever reaches 1 / alpha with probability alpha at most (Ville 1939). A uniform
mixture over stakes replaces knowing the right one. Sources: Waudby-Smith and Ramdas 2023 (means of bounded
observations); Lindon and Malek 2022 (sample ratio mismatch).

Labels of the two arms are paired in the order in which they came, the k-th of one with the k-th of the other: the
differences are then independent, bounded, and of mean candidate - production whatever both rates are. With equally many
labels an arm this wastes nothing, as both arms' variances add either way.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy
from numpy.typing import NDArray

from tuneloop.stats.intervals import Interval

Array = NDArray[np.float64]

MISMATCH = 0.001
"""A split that is this unlikely, at any look, is a mistake somewhere."""

_STAKES = np.geomspace(0.01, 0.95, 32)  # shares of the capital that the worst outcome takes
_CONCENTRATION = 100.0
_MOST_PAIRS = 100_000


@dataclass(frozen=True)
class Pairs:
    """How often of two answers, one of each arm, only the candidate's, only production's, or both or neither had it."""

    candidate_only: int
    production_only: int
    same: int

    @classmethod
    def of(cls, production: Sequence[bool], candidate: Sequence[bool]) -> Self:
        """Of two arms in the order in which their labels came; what is left over in the longer one waits."""
        both = list(zip(production, candidate, strict=False))
        return cls(
            candidate_only=sum(new and not old for old, new in both),
            production_only=sum(old and not new for old, new in both),
            same=sum(old == new for old, new in both),
        )

    @property
    def n(self) -> int:
        return self.candidate_only + self.production_only + self.same

    @property
    def difference(self) -> float:
        """Candidate minus production; NaN without pairs."""
        return (self.candidate_only - self.production_only) / self.n if self.n else math.nan

    def interval(self, level: float = 0.95) -> Interval:
        """A confidence sequence of the difference: with probability `level` it holds at every look."""
        if not self.n:
            return Interval(-1.0, 1.0)
        wanted = math.log(2 / (1 - level))
        low = _bound(self._outcomes, wanted)
        high = 1 - _bound({1 - value: times for value, times in self._outcomes.items()}, wanted)
        return Interval(2 * low - 1, 2 * high - 1)

    @property
    def less(self) -> float:
        """Log evidence that the candidate has it less often than production."""
        return _log_capital({0.0: self.candidate_only, 0.5: self.same, 1.0: self.production_only}, 0.5)

    @property
    def more(self) -> float:
        """Log evidence that the candidate has it more often than production."""
        return _log_capital(self._outcomes, 0.5)

    @property
    def _outcomes(self) -> dict[float, int]:
        return {0.0: self.production_only, 0.5: self.same, 1.0: self.candidate_only}


def falls_more_often(candidate: int, production: int, share: float) -> float:
    """Log evidence that something happens more often to people of the candidate's arm than to production's.

    Args:
        candidate, production: people to whom it happened, each counted once.
        share: chance of each person to be put into the candidate's arm.

    If it made no difference, each of those people would be the candidate's with probability `share`, however large
    the arms are: the draw itself is the test (Fisher's randomisation), so one person may well report ten answers.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share lies between 0 and 1, got {share}")
    return _log_capital({0.0: production, 1.0: candidate}, share)


def mismatch(candidate: int, production: int, share: float) -> float:
    """p-value, valid at every look, of so many people in the arms when each is the candidate's with chance `share`."""
    if not 0 < share < 1:
        raise ValueError(f"a share lies between 0 and 1, got {share}")
    one, other = _CONCENTRATION * share, _CONCENTRATION * (1 - share)
    evidence = scipy.special.betaln(candidate + one, production + other) - scipy.special.betaln(one, other)
    expected = candidate * math.log(share) + production * math.log1p(-share)
    return min(1.0, math.exp(min(0.0, expected - float(evidence))))


def proves(evidence: float, alpha: float) -> bool:
    """Whether log evidence is enough for a claim that is false with probability `alpha` at most, at any look."""
    return evidence >= math.log(1 / alpha)


def provable_fall(pairs: int, rate: float, alpha: float = 0.05) -> float | None:
    """How far the candidate must be below production's `rate` for so many pairs to prove it in about half the cases.

    None where even a candidate that never has it would not be proven worse.
    """
    if not proves(_expected(pairs, rate, rate).less, alpha):
        return None

    def surplus(fall: float) -> float:
        return _expected(pairs, rate, fall).less - math.log(1 / alpha)

    return float(scipy.optimize.brentq(surplus, 1e-9, rate, xtol=1e-4))


def pairs_needed(rate: float, fall: float, alpha: float = 0.05) -> int | None:
    """Labels an arm to prove such a fall in about half the cases; None beyond a hundred thousand."""
    if not 0 < fall <= rate:
        raise ValueError(f"a fall lies between 0 and the rate {rate}, got {fall}")
    if not proves(_expected(_MOST_PAIRS, rate, fall).less, alpha):
        return None
    few, enough = 0, _MOST_PAIRS
    while enough - few > 1:
        middle = (few + enough) // 2
        if proves(_expected(middle, rate, fall).less, alpha):
            enough = middle
        else:
            few = middle
    return enough


class _Expected:
    """As `Pairs`, with the counts that are expected: not whole."""

    def __init__(self, candidate_only: float, production_only: float) -> None:
        self.less = _log_capital({0.0: candidate_only, 1.0: production_only}, 0.5)


def _expected(pairs: int, rate: float, fall: float) -> _Expected:
    below = rate - fall
    return _Expected(pairs * below * (1 - rate), pairs * rate * (1 - below))


def _log_capital(outcomes: Mapping[float, float], mean: float) -> float:
    """Of bets that values in [0, 1] lie above `mean`; `outcomes` says how often each value came up.

    It falls as `mean` rises, and gains at no bet while the mean is `mean` or less.
    """
    values = np.array(list(outcomes), dtype=np.float64)
    times = np.array(list(outcomes.values()), dtype=np.float64)
    gains: Array = np.log1p(_STAKES[:, None] * (values / mean - 1)) @ times
    return float(scipy.special.logsumexp(gains)) - math.log(len(_STAKES))


def _bound(outcomes: Mapping[float, float], wanted: float) -> float:
    """The smallest mean in [0, 1] that the bets have not refuted."""
    seen = sum(value * times for value, times in outcomes.items()) / sum(outcomes.values())
    if seen == 0 or _log_capital(outcomes, 1e-6) < wanted:
        return 0.0
    return float(scipy.optimize.brentq(lambda mean: _log_capital(outcomes, mean) - wanted, 1e-6, seen, xtol=1e-7))
