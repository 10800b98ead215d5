"""The progress lines that people watch."""

import io
from pathlib import Path
from typing import NamedTuple

import httpx
from rich.console import Console
from rich.text import Text

from tests.cli.shell import no_wait
from tuneloop.cli.follow import Stages
from tuneloop.cli.output import Output
from tuneloop.cli.wiring import Options, Terminal, World
from tuneloop.kit.api_client import Api
from tuneloop.kit.jobs.table import JobState


class Job(NamedTuple):
    state: JobState
    progress: dict[str, object]


def job(state: JobState = JobState.RUNNING, **progress: object) -> Job:
    return Job(state, progress)


def watched(*jobs: Job) -> list[str]:
    """What a terminal shows in the end."""
    screen = io.StringIO()
    notes = Console(file=screen, force_terminal=True, color_system=None, width=100, legacy_windows=False)
    options = Options(World(wait=no_wait), Path(), None, None, json=False)
    terminal = Terminal(options, Api(httpx.Client()), Output(json=False, notes=notes))
    with Stages(terminal) as stages:
        for each in jobs:
            stages.update(each.state, each.progress, fallback="approved")
    return [line.rstrip() for line in Text.from_ansi(screen.getvalue()).plain.splitlines() if line.strip()]


def test_a_stage_shows_steps_speed_loss_and_time_left() -> None:
    lines = watched(job(stage="training", step=120, steps=300, examples_per_second=31.24, loss=0.4118, seconds_left=70))
    assert "120/300 \u00b7 31.2 examples/s \u00b7 loss 0.412" in lines[-1]


def test_stages_that_are_over_stay_with_a_tick() -> None:
    lines = watched(
        job(JobState.QUEUED), job(stage="training", step=3, steps=30, seconds_left=9), job(stage="checking parity")
    )
    assert [line.split()[:2] for line in lines[-3:]] == [
        ["\u2713", "approved"],
        ["\u2713", "training"],
        ["\u2713", "checking"],
    ]
    assert "left" not in lines[-2]


def test_an_unknown_progress_shows_its_stage_alone() -> None:
    assert "packing" in watched(job(stage="packing"))[-1]
