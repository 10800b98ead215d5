"""Boundaries for a test that looks as often as it likes and still errs in at most `alpha` over all looks together.

The error is spent as labels come in: two fifths with the square of the share of labels seen, which stops early on clear
cases, and the rest when nearly all planned labels are in, where it costs no power against a single look at the end.
What golden items tell counts as labels seen before the first.
Sources: Lan and DeMets 1983 (spending functions); Armitage, McPherson, Rowe 1969 (the recursion).
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_EARLY_SHARE = 0.4
_EARLY_POWER = 2
_LATE_POWER = 40
_EXTENSION_SHARE = 0.05  # kept back for labels beyond the plan
_STEP = 0.2  # in standard deviations of one label
_REACH = 7.0


def spent(share: float) -> float:
    """Part of the error spent when `share` of the planned labels is in; 0 at 0, 1 at 1."""
    return _EARLY_SHARE * share**_EARLY_POWER + (1 - _EARLY_SHARE) * share**_LATE_POWER


class Spending:
    """The boundaries of one test, for the looks that it really takes; `possible` labels, `planned` of them expected.

    The statistic behaves like a standardised sum of independent increments, one per label. When to look may depend on
    anything but the labels.
    """

    def __init__(self, planned: int, possible: int, alpha: float) -> None:
        if not 1 <= planned <= possible:
            raise ValueError(f"needs 1 <= planned <= possible labels, got {planned} and {possible}")
        self._planned, self._possible, self._alpha = planned, possible, alpha
        self._looks: tuple[_Look, ...] = ()

    def look(self, labels: int) -> float:
        """The standard score that the statistic must reach now that `labels` are in; it counts as a look."""
        boundary = self.peek(labels)
        self._looks = self._with(labels)
        return boundary

    def peek(self, labels: int) -> float:
        """The boundary if the next look were at `labels`."""
        return _after(self._planned, self._with(labels)).boundary

    def _with(self, labels: int) -> tuple["_Look", ...]:
        before = self._looks[-1].labels if self._looks else 0
        if not before < labels <= self._possible:
            raise ValueError(f"the next look comes after {before} and at most {self._possible} labels, not at {labels}")
        return (*self._looks, _Look(labels, self._spent_by(labels) - self._spent_by(before)))

    def _spent_by(self, labels: int) -> float:
        further = self._possible - self._planned
        kept_back = _EXTENSION_SHARE if further else 0.0
        if labels <= self._planned:
            return self._alpha * (1 - kept_back) * spent(labels / self._planned)
        return self._alpha * (1 - kept_back * (self._possible - labels) / further)


class _Look(NamedTuple):
    labels: int
    error: float


class _State(NamedTuple):
    """The boundary of a look, and the chance to get there without having crossed one, by position."""

    boundary: float
    alive: Array


@lru_cache(maxsize=2048)
def _after(planned: int, looks: tuple[_Look, ...]) -> _State:
    reach = math.ceil(_REACH * math.sqrt(2 * planned) / _STEP)
    position: Array = np.arange(-reach, reach + 1, dtype=np.float64) * _STEP
    if not looks:
        return _State(math.inf, np.where(position == 0, 1.0, 0.0))
    before = looks[-2].labels if len(looks) > 1 else 0
    spread = math.sqrt(looks[-1].labels - before)
    step = np.exp(-0.5 * (position[np.abs(position) <= _REACH * spread] / spread) ** 2)
    alive = np.convolve(_after(planned, looks[:-1]).alive, step / step.sum(), "same")
    boundary = _upper_point(position, alive, looks[-1].error)
    alive *= np.clip((boundary - (position - _STEP / 2)) / _STEP, 0.0, 1.0)
    return _State(boundary / math.sqrt(looks[-1].labels), alive)


def _upper_point(position: Array, mass: Array, wanted: float) -> float:
    """Where the mass above is `wanted`; each cell's mass is spread evenly over it."""
    above = np.cumsum(mass[::-1])[::-1]
    cell = int(np.searchsorted(-above, -wanted, side="right")) - 1
    if cell < 0:
        return float(position[0] - _STEP / 2)
    over = wanted - (above[cell + 1] if cell + 1 < len(above) else 0.0)
    return float(position[cell] + _STEP / 2 - _STEP * over / mass[cell]) if mass[cell] > 0 else float(position[cell])
