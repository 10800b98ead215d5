"""A step that no worker knows would fail every cycle that comes to it."""

import tuneloop_workers.actors  # noqa: F401  (registers the handlers)
from tuneloop.retraining.jobs import CycleStep, FailCycle, RejudgeCandidate
from tuneloop_workers import runtime


def test_workers_know_every_step_of_a_cycle() -> None:
    assert {*CycleStep.__subclasses__(), FailCycle, RejudgeCandidate} <= set(runtime._HANDLERS)
