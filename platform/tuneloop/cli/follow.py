"""Watch work that runs on the server until it ends or waits for a person. Leaving does not stop it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TextColumn
from rich.text import Text

from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.render import plain
from tuneloop.cli.wiring import Terminal
from tuneloop.datasets.quality_schemas import GrowthRead
from tuneloop.kit import figures
from tuneloop.kit.api_client import ApiError, Reply
from tuneloop.kit.jobs.reading import JobRead
from tuneloop.kit.jobs.table import JobState
from tuneloop.retraining.schemas import CycleRead
from tuneloop.tables import CycleState

POLL_SECONDS = 1.0
LIVE = {JobState.QUEUED, JobState.RUNNING}
WAITING_FOR_A_PERSON = {CycleState.PROPOSED, CycleState.AWAITING_PROMOTION}
ENDED = {CycleState.DEPLOYED, CycleState.REJECTED, CycleState.FAILED, CycleState.ROLLED_BACK}


def follow_job(terminal: Terminal, job_id: UUID) -> Reply[JobRead]:
    """The job when it has ended.

    Raises:
        Failure: the job failed or was cancelled.
    """
    with _interruptible(f"tuneloop job follow {job_id}"), Stages(terminal) as stages:
        while True:
            reply = terminal.api.get(f"/jobs/{job_id}", JobRead)
            job = reply.value
            stages.update(job.state, job.progress, fallback=job.title)
            if job.state not in LIVE:
                break
            terminal.wait(POLL_SECONDS)
    if job.state is not JobState.SUCCEEDED:
        raise Failure(
            "job_failed",
            f"job {job_id} {'was cancelled' if job.state is JobState.CANCELLED else 'failed'}: {job.error}",
            exit_code=ExitCode.JOB_FAILED,
            details={"job": str(job_id), "state": job.state},
        )
    return reply


def follow_checks(terminal: Terminal, model: str) -> None:
    """Have new training examples looked at, which none trains without; returns when all of them were.

    Raises:
        Failure: the scan failed.
    """
    while terminal.api.get(f"{model}/growth", GrowthRead).value.unchecked:
        try:
            job = terminal.api.post(f"{model}/findings", JobRead).value
        except ApiError as refused:  # one is running already
            if refused.status is not HTTPStatus.CONFLICT:
                raise
            terminal.wait(POLL_SECONDS)
        else:
            follow_job(terminal, job.id)


def follow_cycle(terminal: Terminal, cycle_id: UUID) -> Reply[CycleRead]:
    """The cycle when it has ended or waits for a decision.

    Raises:
        Failure: the cycle failed, or the job that should have deployed the candidate did.
    """
    with _interruptible(f"tuneloop cycle follow {cycle_id}"), Stages(terminal) as stages:
        while True:
            reply = terminal.api.get(f"/cycles/{cycle_id}", CycleRead)
            cycle = reply.value
            if cycle.state in ENDED:
                break
            job = terminal.api.get(f"/jobs/{cycle.job_id}", JobRead).value if cycle.job_id else None
            if cycle.state in WAITING_FOR_A_PERSON and (job is None or job.state not in LIVE):
                _require_no_failed_job(cycle, job)
                break
            if job is not None:
                stages.update(job.state, job.progress, fallback=cycle.state)
            terminal.wait(POLL_SECONDS)
    if cycle.state is CycleState.FAILED:
        raise Failure(
            "cycle_failed",
            f"cycle {cycle_id} failed: {cycle.failure}",
            exit_code=ExitCode.JOB_FAILED,
            details={"cycle": str(cycle_id)},
        )
    return reply


def _require_no_failed_job(cycle: CycleRead, job: JobRead | None) -> None:
    """A failed deployment leaves the cycle waiting: nothing has changed in production."""
    if job is not None and job.state in (JobState.FAILED, JobState.CANCELLED):
        raise Failure(
            "job_failed",
            f"the last step of cycle {cycle.id} did not succeed: {job.error}",
            exit_code=ExitCode.JOB_FAILED,
            details={"cycle": str(cycle.id), "job": str(job.id)},
        )


@contextmanager
def _interruptible(come_back: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Failure(
            "interrupted",
            f"you stopped watching, the work goes on; come back with '{come_back}'",
            exit_code=ExitCode.INTERRUPTED,
        ) from None


class Published(TextColumn):
    """The figures that a job has published, whichever these are."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(_in_words(task.fields["progress"]), "dim")


class Stages:
    """One progress line per stage, on stderr; without a terminal, one plain line when a stage begins."""

    def __init__(self, terminal: Terminal) -> None:
        notes = terminal.out.notes
        self._console: Console | None = None if terminal.out.json or notes.is_terminal else notes
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]\u2713[/]"),
            TextColumn("{task.description:<12}", markup=False),
            BarColumn(bar_width=20),
            Published(),
            console=notes,
            disable=terminal.out.json or not notes.is_terminal,
        )
        self._stage: str | None = None

    def __enter__(self) -> "Stages":
        self._bars.start()
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            self._finish()
        self._bars.stop()

    def update(self, state: JobState, progress: Mapping[str, Any], *, fallback: str) -> None:
        stage = plain(str(progress.get("stage") or fallback))
        if state is JobState.QUEUED:
            stage = f"{stage} (queued)"
        if stage != self._stage:
            self._begin(stage)
        current = self._bars.task_ids[-1]
        self._bars.update(current, completed=progress.get("step", 0), total=progress.get("steps"), progress=progress)

    def _begin(self, stage: str) -> None:
        self._finish()
        self._stage = stage
        self._bars.add_task(stage, total=None, progress={})
        if self._console is not None:
            self._console.print(Text(stage, "dim"))

    def _finish(self) -> None:
        """A stage has ended when the next begins, whatever step it last told."""
        if not self._bars.task_ids:
            return
        task = self._bars.tasks[-1]
        total = task.total or 1
        seen = {name: value for name, value in task.fields["progress"].items() if name != "seconds_left"}
        self._bars.update(task.id, completed=total, total=total, progress=seen)


def _in_words(progress: Mapping[str, Any]) -> str:
    said: list[str] = []
    if "steps" in progress:
        said.append(f"{progress.get('step', 0)}/{progress['steps']}")
    if progress.get("examples_per_second") is not None:
        said.append(f"{progress['examples_per_second']:.3g} examples/s")
    if progress.get("loss") is not None:
        said.append(f"loss {progress['loss']:.3f}")
    if progress.get("seconds_left") is not None:
        said.append(f"{figures.duration(progress['seconds_left'])} left")
    return " \u00b7 ".join(said)
