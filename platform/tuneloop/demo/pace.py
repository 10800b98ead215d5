"""How long the demo takes on this machine: measured in half a second, and corrected by what its stages really took.

A stage is made of arithmetic (training and answering, which matrix products measure), of programs (imports, requests,
SQL, which a Python loop measures) and of waiting, which takes as long everywhere. `costs` says how much of each a
scenario has, in seconds of the machine that `REFERENCE` describes; another machine takes as much longer as it measures
slower.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

from tuneloop.demo.scenario import WEEKS_COLLECTED, Scenario

ROWS, INNER, COLUMNS = 256, 640, 2048
"""A batch of tokens times a layer of the demo's base."""

LOOP_ROUNDS = 100
MEASURED_SECONDS, FEWEST_TRIALS = 0.25, 3
FIRST_DOUBT = 30.0
"""Seconds of finished stages that weigh as much as the measurement."""


@dataclass(frozen=True)
class Machine:
    """`arithmetic` in GFLOP/s of single-precision matrix products, `programs` in thousand rounds of a loop a second."""

    arithmetic: float
    programs: float


@dataclass(frozen=True)
class Cost:
    """Seconds on the reference machine."""

    arithmetic: float = 0.0
    programs: float = 0.0
    waits: float = 0.0

    def on(self, machine: Machine) -> float:
        """Seconds there."""
        return (
            self.arithmetic * REFERENCE.arithmetic / machine.arithmetic
            + self.programs * REFERENCE.programs / machine.programs
            + self.waits
        )


REFERENCE = Machine(arithmetic=150.0, programs=60.0)
"""Two Zen 3 cores."""

TRAINED, EVALUATED, ANSWERED = 1.2, 0.05, 0.03
"""Arithmetic of an example that is trained on, over all epochs; of one in an evaluation; of a request."""

LABELLED = 0.08
"""Programs of a label: taken from the queue, given, stored as an example."""


def costs(scenario: Scenario) -> dict[str, Cost]:
    """By stage, in the order of the stages."""
    traffic = scenario.traffic
    collected = WEEKS_COLLECTED * traffic.after
    requests = traffic.weeks * traffic.before + collected
    labels = 2 * traffic.labels * (traffic.weeks + WEEKS_COLLECTED)
    golden = len(scenario.golden)
    judged = golden + len(scenario.golden_late) + (requests // 4 + traffic.meanwhile)
    return {
        "start": Cost(programs=14.0),
        "set_up": Cost(programs=14.0, waits=2.0),
        "train": Cost(TRAINED * len(scenario.train) + EVALUATED * golden, programs=8.0, waits=4.0),
        "traffic": Cost(ANSWERED * requests, programs=LABELLED * labels + 4.0, waits=4.0),
        "collect": Cost(programs=2.0),
        "retrain": Cost(
            TRAINED * (len(scenario.train) + collected / 2) + EVALUATED * 2 * judged + ANSWERED * traffic.meanwhile,
            programs=8.0,
            waits=4.0,
        ),
        "judge": Cost(programs=4.0, waits=3.0),
        "ab_test": Cost(4.0, programs=5.0, waits=2.0),
        "deploy": Cost(programs=4.0, waits=2.0),
        "month_end": Cost(programs=12.0, waits=6.0),
    }


def measure() -> Machine:
    """Takes half a second. What else runs counts: the demo will run beside it."""
    left, right = np.ones((ROWS, INNER), np.float32), np.ones((INNER, COLUMNS), np.float32)
    products = _typical(lambda: left @ right)
    row = {"messages": [{"role": "user", "content": "where is my parcel"}], "labels": ["order", "refund"]}
    rounds = _typical(lambda: _rounds(row))
    return Machine(2 * ROWS * INNER * COLUMNS / products / 1e9, LOOP_ROUNDS / rounds / 1e3)


class Pace:
    """What is left, stage by stage: as estimated, times what the finished stages took beyond their estimates."""

    def __init__(self, estimates: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._estimates = dict(estimates)
        self._clock = clock
        self.seconds: dict[str, float] = {}
        self._stage: str | None = None
        self._since = clock()
        self._reported: tuple[float, float] | None = None

    def begin(self, stage: str) -> None:
        self._stage, self._since, self._reported = stage, self._clock(), None

    def end(self) -> None:
        if self._stage is not None:
            self.seconds[self._stage] = self._clock() - self._since
            self._stage = None

    def expect(self, seconds: float | None) -> None:
        """The stage's own word on the step that runs; None while it has none."""
        self._reported = None if seconds is None else (self._clock(), seconds)

    @property
    def correction(self) -> float:
        """Real seconds a second of the estimate; the first short stages say little."""
        known = [stage for stage in self.seconds if stage in self._estimates]
        taken = sum(self.seconds[stage] for stage in known)
        estimated = sum(self._estimates[stage] for stage in known)
        return (taken + FIRST_DOUBT) / (estimated + FIRST_DOUBT)

    def left(self) -> float:
        """Seconds until the end of the last stage."""
        coming = [stage for stage in self._estimates if stage not in self.seconds and stage != self._stage]
        return self._left_of_stage() + self.correction * sum(self._estimates[stage] for stage in coming)

    def _left_of_stage(self) -> float:
        if self._stage is None:
            return 0.0
        whole = self.correction * self._estimates.get(self._stage, 0.0)
        left = max(whole - (self._clock() - self._since), 0.0)
        if self._reported is not None:
            at, seconds = self._reported
            left = max(left, seconds - (self._clock() - at))
        return left


def in_words(seconds: float) -> str:
    """ "4 min" or, below a minute and a half, "40 s", and never none."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(10 * round(seconds / 10), 10)} s"


def _rounds(row: dict[str, object]) -> None:
    for _ in range(LOOP_ROUNDS):
        json.loads(json.dumps(row))


def _typical(work: Callable[[], object]) -> float:
    """Median seconds of as many trials as the time allows, after one that does not count."""
    work()
    began, trials = time.perf_counter(), list[float]()
    while len(trials) < FEWEST_TRIALS or time.perf_counter() - began < MEASURED_SECONDS:
        started = time.perf_counter()
        work()
        trials.append(time.perf_counter() - started)
    return median(trials)
