"""How long the demo takes on this machine: measured in half a second, and corrected by what its stages really took.

A stage is made of training and answering (which matrix products measure, and training in bf16 where the processor has
it), of programs (imports, requests, SQL, which a Python loop measures) and of waiting, which takes as long everywhere.
`costs` says how much of each a scenario has, in seconds of the machine that `REFERENCE` describes; another machine
takes as much longer as it measures slower.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from tuneloop_local.demo.scenario import WEEKS_COLLECTED, Scenario

CPU_INFO = Path("/proc/cpuinfo")
SIZE = 64
"""Of the square matrices that are multiplied: small enough for one core, which says the same on a busy machine."""

PRODUCTS = 500
LOOP_ROUNDS = 100
BF16_FLAG = "amx_bf16"
BF16_GAIN = 1.9
"""Training steps in bf16 beside those in fp32, with AMX."""

MEASURED_SECONDS, FEWEST_TRIALS = 0.25, 3
FIRST_DOUBT = 120.0
"""Seconds of finished stages that weigh as much as the measurement."""


@dataclass(frozen=True)
class Machine:
    """`arithmetic` in GFLOP/s of single-precision matrix products on all cores, `programs` in rounds of a loop a ms."""

    arithmetic: float
    programs: float
    bf16: bool = False

    @property
    def training(self) -> float:
        return self.arithmetic * (BF16_GAIN if self.bf16 else 1.0)


@dataclass(frozen=True)
class Cost:
    """Seconds on the reference machine."""

    training: float = 0.0
    answering: float = 0.0
    programs: float = 0.0
    waits: float = 0.0

    def on(self, machine: Machine) -> float:
        """Seconds there."""
        return (
            self.training * REFERENCE.training / machine.training
            + self.answering * REFERENCE.arithmetic / machine.arithmetic
            + self.programs * REFERENCE.programs / machine.programs
            + self.waits
        )


REFERENCE = Machine(arithmetic=150.0, programs=60.0)
"""Two Zen 3 cores."""

TRAINED, EVALUATED, ANSWERED = 1.2, 0.05, 0.03
"""An example that is trained on, over all epochs; one in an evaluation; a request."""

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
        "start": Cost(programs=8.0, waits=8.0),
        "set_up": Cost(programs=10.0, waits=18.0),
        "train": Cost(TRAINED * len(scenario.train), EVALUATED * golden, programs=8.0, waits=4.0),
        "traffic": Cost(answering=ANSWERED * requests, programs=LABELLED * labels + 4.0, waits=4.0),
        "collect": Cost(programs=2.0),
        "retrain": Cost(
            TRAINED * (len(scenario.train) + collected / 2),
            EVALUATED * 2 * judged + ANSWERED * traffic.meanwhile,
            programs=8.0,
            waits=4.0,
        ),
        "judge": Cost(programs=4.0, waits=3.0),
        "ab_test": Cost(answering=4.0, programs=5.0, waits=2.0),
        "deploy": Cost(programs=4.0, waits=2.0),
        "month_end": Cost(programs=12.0, waits=6.0),
    }


def measure(cores: int) -> Machine:
    """Takes half a second. What else runs counts: the demo will run beside it."""
    square = np.ones((SIZE, SIZE), np.float32)
    products = _typical(lambda: _multiply(square))
    row = {"messages": [{"role": "user", "content": "where is my parcel"}], "labels": ["order", "refund"]}
    rounds = _typical(lambda: _rounds(row))
    return Machine(cores * PRODUCTS * 2 * SIZE**3 / products / 1e9, LOOP_ROUNDS / rounds / 1e3, _has_bf16())


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


def _has_bf16() -> bool:
    """Whether the processor multiplies bf16; False where Linux does not tell."""
    try:
        flags = CPU_INFO.read_text().partition("\nflags")[2].partition("\n")[0].split()
    except OSError:
        return False
    return BF16_FLAG in flags


def _multiply(square: NDArray[np.float32]) -> None:
    for _ in range(PRODUCTS):
        np.matmul(square, square)


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
