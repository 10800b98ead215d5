"""The training process: its event lines, its signals and its exit codes."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.training.samples import spec
from tuneloop.kit.processes import identity_of, kill_if_it_is
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


@pytest.mark.failure_case(1)
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


@pytest.mark.failure_case(2)
def test_a_trainer_of_a_job_that_was_believed_dead_is_ended_and_its_checkpoint_used(
    uninterrupted: TrainSpec, gemma: Path, tmp_path: Path
) -> None:
    run = spec(tmp_path, gemma, epochs=6, checkpoint_every=3)
    with child(run) as zombie:
        saved = next(event for event in events(zombie) if isinstance(event, Checkpoint))
        zombie.send_signal(signal.SIGSTOP)
        seen, code = run_to_the_end(run)
        assert zombie.wait() == -signal.SIGKILL
    assert code == ExitCode.DONE
    assert next(event for event in seen if isinstance(event, Progress)).step > saved.step
    assert weights(run) == weights(uninterrupted)


def test_a_process_that_got_the_id_of_a_trainer_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        identity = identity_of(other.pid)
        assert identity is not None
        kill_if_it_is(f"{identity}0")
        assert other.poll() is None
        kill_if_it_is(identity)
        assert other.wait() == -signal.SIGKILL


@pytest.mark.failure_case(1)
def test_a_trainer_ends_when_its_worker_is_killed(gemma: Path, tmp_path: Path) -> None:
    run = spec(tmp_path, gemma, epochs=500)
    path = run.output.with_suffix(".json")
    path.write_text(run.model_dump_json())
    worker = [sys.executable, "-m", "tests.support.trainer_s_worker", str(path)]
    with subprocess.Popen(worker, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        trainer = int(process.stdout.readline())
        process.stdout.readline()
        process.kill()
    pause = threading.Event()
    while identity_of(trainer) is not None:
        pause.wait(0.1)
    assert (run.output / "checkpoint.safetensors").exists()


def test_bad_input_ends_in_one_failed_event(gemma: Path, tmp_path: Path) -> None:
    run = spec(tmp_path, gemma)
    run.examples.write_text("{}\n")
    seen, code = run_to_the_end(run)
    assert code == ExitCode.FAILED
    assert len(seen) == 1
    assert isinstance(seen[0], Failed)
    assert "examples.jsonl line 1" in seen[0].reason
