"""Run the trainer as a child process: its events become progress, a cancelled job becomes a signal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import structlog
from pydantic import ValidationError

from tuneloop.kit.errors import InvalidInput, Unavailable
from tuneloop.kit.jobs.runtime import Cancelled, JobContext
from tuneloop.kit.processes import ChildDied, how_it_ended
from tuneloop_workers.training.events import Checkpoint, Done, Event, Failed, Progress, Proof, Stopped, parse_event

log = structlog.get_logger(__name__)


class TrainerDied(ChildDied):
    """The child ended without saying why, as a kill or a lack of memory makes it."""


class Losses:
    """The loss so far, thinned out so that it can be told at every heartbeat."""

    def __init__(self, most: int = 200) -> None:
        self._most = most
        self._every = 1
        self._kept: list[tuple[int, float]] = []

    def add(self, step: int, loss: float) -> None:
        if step % self._every == 0:
            self._kept.append((step, round(loss, 4)))
        if len(self._kept) > self._most:
            self._every *= 2
            self._kept = [point for point in self._kept if point[0] % self._every == 0]

    @property
    def points(self) -> list[list[float]]:
        return [list(point) for point in self._kept]


def run_trainer(context: JobContext, spec_file: Path, *, run: str) -> Done:
    """Start the trainer and follow it to its end; `run` names it where its progress is shown.

    Raises:
        InvalidInput: the trainer refused, with its reason. Unavailable: it could not now.
        Cancelled, LostLease: the job is to stop; a checkpoint is written.
        TrainerDied: try again, the next run goes on from the last checkpoint.
    """
    log_file = spec_file.with_suffix(".log")
    with log_file.open("ab") as errors:
        child = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", "tuneloop_workers.training.child", str(spec_file)],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"},
        )
    assert child.stdout is not None
    last: Event | None = None
    losses = Losses()
    try:
        with child.stdout:
            for line in child.stdout:
                last = _parse(line) or last
                _report(context, last, run, losses)
                context.check()
    except BaseException:
        child.send_signal(signal.SIGTERM)
        child.wait()
        raise
    code = child.wait()
    if isinstance(last, Done):
        return last
    if isinstance(last, Failed):
        kind = Unavailable if last.transient else InvalidInput
        raise kind(f"training failed: {last.reason}", code=last.code)
    if isinstance(last, Stopped):
        raise Cancelled
    raise TrainerDied(died(code, log_file.name))


def died(code: int, log_file: str) -> str:
    """What to do about a trainer that ended with this code."""
    advice = f"{log_file} in the job's folder says more"
    if code == -signal.SIGKILL:
        advice = "stop what else runs on the machine that trains, or give it more memory, then try again"
    return f"the trainer {how_it_ended(code)}; {advice}"


def _parse(line: bytes) -> Event | None:
    try:
        return parse_event(line)
    except ValidationError:
        log.warning("trainer_line_ignored", size=len(line))
        return None


def _report(context: JobContext, event: Event | None, run: str, losses: Losses) -> None:
    match event:
        case Progress():
            losses.add(event.step, event.loss)
            shown = event.model_dump(exclude={"event"})
            context.report(stage=f"training ({run})", **shown, losses=losses.points)
        case Proof():
            context.report(
                stage=f"warm start proven ({run})", parent_loss=event.parent_loss, start_loss=event.start_loss
            )
        case Checkpoint() | Done() | Failed() | Stopped() | None:
            pass
