"""What a simulation found, beside what was aimed at. A miss is called a miss."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self

import numpy as np
import scipy
from numpy.typing import NDArray

from tuneloop.stats.intervals import Rate


class Unit(StrEnum):
    SHARE = "share"
    LABELS = "labels"
    WEEKS = "weeks"


class Result(StrEnum):
    """`WITHIN_ERROR`: beyond the aim by no more than the simulation's own error; `NO_AIM`: shown for comparison."""

    MET = "met"
    WITHIN_ERROR = "within_error"
    MISSED = "missed"
    NO_AIM = "no_aim"


class Aim(NamedTuple):
    """A bound on the reached value, from above or from below."""

    bound: float
    at_most: bool


def at_most(bound: float) -> Aim:
    return Aim(bound, at_most=True)


def at_least(bound: float) -> Aim:
    return Aim(bound, at_most=False)


@dataclass(frozen=True)
class Finding:
    """`low` and `high`: 95 % interval of the reached value, from the `runs` of the simulation."""

    what: str
    unit: Unit
    reached: float
    low: float
    high: float
    runs: int
    aim: Aim | None = None

    @classmethod
    def share(cls, what: str, happened: NDArray[np.bool_] | Sequence[bool], aim: Aim | None = None) -> Self:
        """Share of runs in which it happened."""
        rate = Rate(int(np.sum(happened)), len(happened))
        return cls(what, Unit.SHARE, rate.value, *rate.interval, rate.n, aim)

    @classmethod
    def median(cls, what: str, unit: Unit, values: Sequence[float], aim: Aim | None = None) -> Self:
        """Median of the runs; its interval from the ranks."""
        ordered = np.sort(np.asarray(values, dtype=float))
        n = len(ordered)
        ranks = scipy.stats.binom.ppf([0.025, 0.975], n, 0.5).astype(int).clip(0, n - 1)
        low, high = ordered[ranks]
        return cls(what, unit, float(np.median(ordered)), float(low), float(high), n, aim)

    @property
    def result(self) -> Result:
        if self.aim is None:
            return Result.NO_AIM
        beyond = self.reached > self.aim.bound if self.aim.at_most else self.reached < self.aim.bound
        if not beyond:
            return Result.MET
        reachable = self.low <= self.aim.bound if self.aim.at_most else self.high >= self.aim.bound
        return Result.WITHIN_ERROR if reachable else Result.MISSED

    def as_json(self) -> dict[str, Any]:
        aim = {"bound": self.aim.bound, "at_most": self.aim.at_most} if self.aim else None
        return {**asdict(self), "aim": aim, "result": self.result}


@dataclass(frozen=True)
class Simulation:
    """One question with its findings; `run` takes seconds and always gives the same."""

    title: str
    run: Callable[[], list[Finding]]
