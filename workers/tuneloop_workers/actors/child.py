"""Run the trainer as a child process: its events become progress, a cancelled job becomes a signal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import structlog
from pydantic import ValidationError

from tuneloop.kit.errors import InvalidInput
from tuneloop_workers.runtime import Cancelled, Context
from tuneloop_workers.training.events import Checkpoint, Dev, Done, Event, Failed, Progress, Proof, Stopped, parse_event

log = structlog.get_logger(__name__)


class TrainerDied(RuntimeError):
    """The child ended without saying why, as a kill or a lack of memory makes it."""


def run_trainer(context: Context, spec_file: Path, *, run: str) -> Done:
    """Start the trainer and follow it to its end; `run` names it where its progress is shown.

    Raises:
        InvalidInput: the trainer refused, with its reason.
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
    try:
        with child.stdout:
            for line in child.stdout:
                last = _parse(line) or last
                _report(context, last, run)
                context.check()
    except BaseException:
        child.send_signal(signal.SIGTERM)
        child.wait()
        raise
    code = child.wait()
    if isinstance(last, Done):
        return last
    if isinstance(last, Failed):
        raise InvalidInput(f"training failed: {last.reason}", code=last.code)
    if isinstance(last, Stopped):
        raise Cancelled
    raise TrainerDied(f"the trainer ended with code {code}; see {log_file.name} in the job's folder")


def _parse(line: bytes) -> Event | None:
    try:
        return parse_event(line)
    except ValidationError:
        log.warning("trainer_line_ignored", size=len(line))
        return None


def _report(context: Context, event: Event | None, run: str) -> None:
    match event:
        case Progress():
            context.report(stage=f"training ({run})", **event.model_dump(exclude={"event"}))
        case Proof():
            context.report(
                stage=f"warm start proven ({run})", parent_loss=event.parent_loss, start_loss=event.start_loss
            )
        case Dev() | Checkpoint() | Done() | Failed() | Stopped() | None:
            pass
