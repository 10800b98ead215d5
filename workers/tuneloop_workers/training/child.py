"""`python -m tuneloop_workers.training.child SPEC.json`: a training run as a process.

Events go to stdout, everything else to stderr. SIGTERM, SIGINT and a closed stdout end the run after the current step
with a checkpoint and exit code 75; SIGKILL loses only the steps since the last checkpoint.
"""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

import torch
from pydantic import ValidationError
from transformers.utils import logging

from tuneloop.kit.error_report import describe, describe_traceback
from tuneloop.kit.errors import TuneloopError, Unavailable
from tuneloop.kit.processes import end_with_parent, identity_of, kill_if_it_is
from tuneloop_workers.training.events import Done, Event, ExitCode, Failed
from tuneloop_workers.training.recipe import train
from tuneloop_workers.training.spec import TrainSpec

PATIENCE_SECONDS, PAUSE_SECONDS = 60.0, 0.1


class _Reporter:
    """The line to the job that started us; `stopping` once it wants us to end or is gone."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stopping = False
        self._stream: BinaryIO | None = stream

    def emit(self, event: Event) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(event.model_dump_json().encode() + b"\n")
            self._stream.flush()
        except BrokenPipeError:
            self.stopping = True
            self._stream = None

    def request_stop(self, _signal: int, _frame: object) -> None:
        self.stopping = True

    def stop_requested(self) -> bool:
        return self.stopping


def run(path: Path, reporter: _Reporter) -> ExitCode:
    try:
        spec = TrainSpec.model_validate_json(path.read_bytes())
        with _alone_in(spec.output):
            ending = train(spec, reporter.emit, reporter.stop_requested)
    except TuneloopError as error:
        reporter.emit(Failed(code=error.code, reason=error.message, transient=error.transient))
    except ValidationError as error:
        reporter.emit(Failed(code="invalid_input", reason=f"the spec is invalid: {describe(error)}"))
    except torch.OutOfMemoryError:
        reporter.emit(Failed(code="out_of_memory", reason="the GPU has too little memory; lower batch_size"))
    except Exception as error:  # noqa: BLE001 - the edge of the process: whatever it was, the job must hear of it
        sys.stderr.write(f"{describe_traceback(error)}\n")
        reporter.emit(Failed(code="error", reason=describe(error)))
    else:
        reporter.emit(ending)
        return ExitCode.DONE if isinstance(ending, Done) else ExitCode.STOPPED
    return ExitCode.FAILED


@contextmanager
def _alone_in(output: Path) -> Iterator[None]:
    """A trainer that is still in the folder is of a job that was believed dead: it is ended, and its checkpoint used.

    Raises:
        Unavailable: it runs on another machine and does not end; its own job tells it to, once it is heard.
    """
    output.mkdir(parents=True, exist_ok=True)
    with (output / ".lock").open("a+") as lock:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _lock(lock):
            lock.seek(0)
            kill_if_it_is(lock.read().strip())
            if time.monotonic() > deadline:
                raise Unavailable(f"another trainer is still at work in {output}; stop it, or wait until it ends")
            time.sleep(PAUSE_SECONDS)
        lock.seek(0)
        lock.truncate()
        lock.write(identity_of(os.getpid()) or "")
        lock.flush()
        yield


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def main() -> None:
    end_with_parent()
    # Libraries print where they like; a private copy of stdout keeps the event lines whole.
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    reporter = _Reporter(stream)
    signal.signal(signal.SIGTERM, reporter.request_stop)
    signal.signal(signal.SIGINT, reporter.request_stop)
    sys.exit(run(Path(sys.argv[1]), reporter))


if __name__ == "__main__":
    main()
