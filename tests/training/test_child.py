"""The training process: its event lines, its signals and its exit codes."""

import fcntl
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.training.samples import spec
from tuneloop_workers.training.events import Checkpoint, Done, Event, ExitCode, Failed, Progress, Stopped, parse_event
from tuneloop_workers.training.recipe import train
from tuneloop_workers.training.spec import TrainSpec

Process = subprocess.Popen[bytes]


@contextmanager
def child(run: TrainSpec) -> Iterator[Process]:
    path = run.output.with_suffix(".json")
    path.write_text(run.model_dump_json())
    command = [sys.executable, "-m", "tuneloop_workers.training.child", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def events(process: Process) -> Iterator[Event]:
    assert process.stdout is not None
    return (parse_event(line) for line in process.stdout)


def first_progress(process: Process) -> None:
    next(event for event in events(process) if isinstance(event, Progress))


def run_to_the_end(run: TrainSpec) -> tuple[list[Event], int]:
    with child(run) as process:
        return list(events(process)), process.wait()


def weights(run: TrainSpec) -> bytes:
    return (run.output / "adapter" / "adapter_model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(gemma: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainSpec:
    run = spec(tmp_path_factory.mktemp("whole"), gemma, epochs=6)
    train(run, lambda event: None, lambda: False)
    return run


def test_terminated_child_checkpoints_and_the_next_one_ends_with_the_same_weights(
    uninterrupted: TrainSpec, gemma: Path, tmp_path: Path
) -> None:
    run = spec(tmp_path, gemma, epochs=6)
    with child(run) as process:
        first_progress(process)
        process.send_signal(signal.SIGTERM)
        rest = list(events(process))
        assert process.wait() == ExitCode.STOPPED
    assert [type(event) for event in rest[-2:]] == [Checkpoint, Stopped]
    train(run, lambda event: None, lambda: False)
    assert weights(run) == weights(uninterrupted)


def test_killed_child_resumes_from_its_last_checkpoint_to_the_same_weights(
    uninterrupted: TrainSpec, gemma: Path, tmp_path: Path
) -> None:
    run = spec(tmp_path, gemma, epochs=6, checkpoint_every=3)
    with child(run) as process:
        saved = next(event for event in events(process) if isinstance(event, Checkpoint))
        process.kill()
        process.wait()
    seen, code = run_to_the_end(run)
    resumed = next(event for event in seen if isinstance(event, Progress))
    assert code == ExitCode.DONE
    assert isinstance(seen[-1], Done)
    assert resumed.step > saved.step
    assert weights(run) == weights(uninterrupted)


def test_child_whose_job_is_gone_stops_with_a_checkpoint(gemma: Path, tmp_path: Path) -> None:
    run = spec(tmp_path, gemma, epochs=6)
    with child(run) as process:
        first_progress(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == ExitCode.STOPPED
    assert (run.output / "checkpoint.safetensors").exists()


def test_second_trainer_in_the_same_folder_is_refused(gemma: Path, tmp_path: Path) -> None:
    run = spec(tmp_path, gemma)
    run.output.mkdir()
    with (run.output / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        seen, code = run_to_the_end(run)
    assert code == ExitCode.FAILED
    assert len(seen) == 1
    assert isinstance(seen[0], Failed)
    assert seen[0].code == "conflict"


def test_bad_input_ends_in_one_failed_event(gemma: Path, tmp_path: Path) -> None:
    run = spec(tmp_path, gemma)
    run.examples.write_text("{}\n")
    seen, code = run_to_the_end(run)
    assert code == ExitCode.FAILED
    assert len(seen) == 1
    assert isinstance(seen[0], Failed)
    assert "examples.jsonl line 1" in seen[0].reason
