"""Boundaries for a test that looks after every label and still errs in at most `alpha` over all looks together.

The error is spent as labels come in: a quarter with the square of the share of labels seen, which stops early on clear
cases, and the rest when nearly all planned labels are in, where it costs no power against a single look at the end.
Sources: Lan and DeMets 1983 (spending functions); Armitage, McPherson, Rowe 1969 (the recursion).
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

_EARLY_SHARE = 0.25
_EARLY_POWER = 2
_LATE_POWER = 40
_EXTENSION_SHARE = 0.1  # kept back for labels beyond the plan
_STEPS_PER_SD = 6
_REACH = 7.0


def spent(share: float) -> float:
    """Part of the error spent when `share` of the planned labels is in; 0 at 0, 1 at 1."""
    return _EARLY_SHARE * share**_EARLY_POWER + (1 - _EARLY_SHARE) * share**_LATE_POWER


@lru_cache(maxsize=128)
def boundaries(planned: int, possible: int, alpha: float) -> tuple[float, ...]:
    """Standard scores that the statistic must reach after 1, 2, ... `possible` labels, of which `planned` are expected.

    The statistic behaves like a standardised sum of independent increments, one per label.
    """
    if not 1 <= planned <= possible:
        raise ValueError(f"needs 1 <= planned <= possible labels, got {planned} and {possible}")
    kept_back = _EXTENSION_SHARE if possible > planned else 0.0
    budget = [alpha * (1 - kept_back) * spent(look / planned) for look in range(1, planned + 1)]
    further = possible - planned
    budget += [alpha * (1 - kept_back + kept_back * extra / further) for extra in range(1, further + 1)]
    return tuple(_recursion(np.diff(budget, prepend=0.0)))


def _recursion(spending: Array) -> list[float]:
    """One boundary a look, such that the chance to cross there first is the look's spending."""
    step = 1 / _STEPS_PER_SD
    reach = _REACH * math.sqrt(len(spending))
    position = np.arange(-reach, reach + step / 2, step)
    increment = stats.norm.pdf(np.arange(-_REACH, _REACH + step / 2, step)) * step
    alive = np.where(np.abs(position) < step / 2, 1.0, 0.0)
    found: list[float] = []
    for look, wanted in enumerate(spending, start=1):
        alive = np.convolve(alive, increment, "same")
        boundary = _upper_point(position, alive, step, float(wanted))
        alive *= np.clip((boundary - (position - step / 2)) / step, 0.0, 1.0)
        found.append(boundary / math.sqrt(look))
    return found


def _upper_point(position: Array, mass: Array, step: float, wanted: float) -> float:
    """Where the mass above is `wanted`; each cell's mass is spread evenly over it."""
    above = np.cumsum(mass[::-1])[::-1]
    cell = int(np.searchsorted(-above, -wanted, side="right")) - 1
    if cell < 0:
        return float(position[0] - step / 2)
    over = wanted - (above[cell + 1] if cell + 1 < len(above) else 0.0)
    return float(position[cell] + step / 2 - step * over / mass[cell]) if mass[cell] > 0 else float(position[cell])
