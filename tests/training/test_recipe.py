"""Whole runs: what changes, what repeats exactly, what is refused."""

import resource
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import orjson
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.samples import spec
from tuneloop.kit.errors import Conflict, CorruptArtifact, OutOfSpace
from tuneloop_workers.training.adapter import Adapter, Factors, read_adapter, write_adapter
from tuneloop_workers.training.base import Placement, load_base
from tuneloop_workers.training.events import Checkpoint, Done, Event, Progress, Proof, Stopped
from tuneloop_workers.training.loop import Diverged, learning_rate
from tuneloop_workers.training.recipe import train
from tuneloop_workers.training.record import read_record
from tuneloop_workers.training.spec import Group, Method, ParentPart, TrainSpec


class Watch:
    """Collects a run's events and asks it to stop after a number of steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.events: list[Event] = []
        self._stop_after = stop_after

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def stop(self) -> bool:
        return self._stop_after is not None and self.count(Progress) >= self._stop_after

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)


def finish(run: TrainSpec, watch: Watch | None = None) -> Done:
    watch = watch or Watch()
    ending = train(run, watch.emit, watch.stop)
    assert isinstance(ending, Done)
    return ending


def weights_of(done: Done) -> bytes:
    return (done.adapter / "adapter_model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def trained(gemma: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The adapter of an uninterrupted run from the base."""
    return finish(spec(tmp_path_factory.mktemp("trained"), gemma))


def child_of(folder: Path, gemma: Path, *parts: tuple[Path, float], **changes: object) -> TrainSpec:
    parent = tuple(ParentPart(folder=path, scale=scale) for path, scale in parts)
    return spec(folder, gemma, method=Method.CONTINUE, parent=parent, **changes)


def test_training_lowers_the_loss_and_records_how_it_came_about(trained: Done, tmp_path: Path, gemma: Path) -> None:
    record = read_record(trained.adapter)
    assert record is not None
    assert sum(record.loss_curve[-3:]) < sum(record.loss_curve[:3])
    assert len(record.loss_curve) == trained.metrics.steps
    assert record.spec == spec(tmp_path, gemma).model_copy(
        update={name: getattr(record.spec, name) for name in ("examples", "dev", "output")}
    )
    assert set(record.libraries) >= {"torch", "transformers", "peft"}
    assert set(trained.metrics.dev_loss) == {Group.OLD, Group.NEW}


def test_base_is_unchanged_and_every_factor_trained(gemma: Path, tmp_path: Path) -> None:
    before = load_file(gemma / "model.safetensors")
    done = finish(spec(tmp_path, gemma))
    after = load_base(gemma, Placement(torch.device("cpu"), torch.float32)).model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(factors.b.any() for factors in read_adapter(done.adapter).factors.values())


def test_same_seed_gives_the_same_weights_and_another_seed_others(trained: Done, gemma: Path, tmp_path: Path) -> None:
    assert weights_of(finish(spec(tmp_path / "again", gemma))) == weights_of(trained)
    assert weights_of(finish(spec(tmp_path / "other", gemma, seed=1))) != weights_of(trained)


@pytest.mark.parametrize("stop_after", [1, 5])
def test_stopped_and_resumed_run_ends_bitwise_where_the_uninterrupted_one_does(
    trained: Done, gemma: Path, tmp_path: Path, stop_after: int
) -> None:
    run = spec(tmp_path, gemma)
    watch = Watch(stop_after)
    assert train(run, watch.emit, watch.stop) == Stopped(step=stop_after)
    assert watch.count(Checkpoint) == 1
    resumed = Watch()
    done = finish(run, resumed)
    assert resumed.count(Progress) == trained.metrics.steps - stop_after
    assert weights_of(done) == weights_of(trained)
    assert not (run.output / "checkpoint.safetensors").exists()


def test_finished_run_started_again_answers_without_training(gemma: Path, tmp_path: Path) -> None:
    run = spec(tmp_path, gemma)
    first, watch = finish(run), Watch()
    assert finish(run, watch) == first
    assert watch.events == []


def test_folder_with_the_adapter_of_another_run_is_refused(gemma: Path, tmp_path: Path) -> None:
    finish(spec(tmp_path, gemma, epochs=1))
    with pytest.raises(Conflict, match="adapter of another run"):
        finish(spec(tmp_path, gemma, epochs=1, seed=9))


def test_adapter_stays_fp32_on_a_bf16_base(gemma: Path, tmp_path: Path) -> None:
    done = finish(spec(tmp_path, gemma, precision="bf16"))
    tensors = load_file(done.adapter / "adapter_model.safetensors")
    record = read_record(done.adapter)
    assert record is not None
    assert record.machine.dtype == "torch.bfloat16"
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert any((tensor != tensor.bfloat16().float()).any() for tensor in tensors.values())


def test_checkpoint_of_another_run_is_refused(gemma: Path, tmp_path: Path) -> None:
    watch = Watch(stop_after=1)
    train(spec(tmp_path, gemma), watch.emit, watch.stop)
    with pytest.raises(Conflict, match="checkpoint of another run"):
        finish(spec(tmp_path, gemma, seed=9))


def test_retrain_starts_at_its_parent_and_proves_it(trained: Done, gemma: Path, tmp_path: Path) -> None:
    watch = Watch()
    done = finish(child_of(tmp_path, gemma, (trained.adapter, 1.0)), watch)
    proof = watch.events[0]
    assert isinstance(proof, Proof)
    assert proof.tensors == 2 * len(read_adapter(trained.adapter).factors)
    assert proof.start_loss == pytest.approx(proof.parent_loss, abs=1e-6)
    assert done.metrics.proof == proof


def test_blended_parent_is_compressed_to_the_runs_rank_within_tolerance(
    trained: Done, gemma: Path, tmp_path: Path
) -> None:
    second = finish(child_of(tmp_path / "second", gemma, (trained.adapter, 1.0), peak_lr=5e-4))
    watch = Watch()
    finish(child_of(tmp_path / "third", gemma, (trained.adapter, 0.5), (second.adapter, 0.5)), watch)
    proof = watch.events[0]
    assert isinstance(proof, Proof)
    assert proof.start_loss == pytest.approx(proof.parent_loss, abs=0.02)


def test_resumed_retrain_keeps_its_proof_and_its_weights(trained: Done, gemma: Path, tmp_path: Path) -> None:
    whole = finish(child_of(tmp_path / "whole", gemma, (trained.adapter, 1.0)))
    run, watch = child_of(tmp_path / "cut", gemma, (trained.adapter, 1.0)), Watch(stop_after=5)
    train(run, watch.emit, watch.stop)
    resumed = finish(run)
    assert weights_of(resumed) == weights_of(whole)
    assert resumed.metrics.proof == whole.metrics.proof


@pytest.mark.parametrize(("all_layers", "trained_layers"), [(False, {"4", "5"}), (True, set("012345"))])
def test_refresh_keeps_the_parents_lower_layers_unless_all_are_asked_for(
    trained: Done, gemma: Path, tmp_path: Path, all_layers: bool, trained_layers: set[str]
) -> None:
    done = finish(child_of(tmp_path, gemma, (trained.adapter, 1.0), all_layers=all_layers))
    parent, child = read_adapter(trained.adapter).factors, read_adapter(done.adapter).factors
    changed = {name.split(".layers.")[1][0] for name in child if not torch.equal(child[name].b, parent[name].b)}
    assert changed == trained_layers


def test_parent_of_an_earlier_release_can_be_continued(trained: Done, gemma: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    copytree(trained.adapter, earlier)
    record = orjson.loads((earlier / "training.json").read_bytes())
    record["spec"] |= {"patience": 3, "top_layers": None}
    record["dev_curve"] = []
    (earlier / "training.json").write_bytes(orjson.dumps(record))
    assert finish(child_of(tmp_path, gemma, (earlier, 1.0))).metrics.proof is not None


def copy_of(folder: Path, original: Adapter, change: Callable[[str, Factors], Factors | None]) -> Path:
    changed = {name: change(name, factors) for name, factors in original.factors.items()}
    folder.mkdir()
    write_adapter(Adapter({n: f for n, f in changed.items() if f is not None}, original.rank, original.alpha), folder)
    return folder


def test_parent_without_one_layer_fails(trained: Done, gemma: Path, tmp_path: Path) -> None:
    missing = copy_of(
        tmp_path / "missing",
        read_adapter(trained.adapter),
        lambda name, factors: None if "layers.3.mlp.up_proj" in name else factors,
    )
    with pytest.raises(CorruptArtifact, match=r"1 layers are in only one of parent and base.*layers\.3\.mlp\.up_proj"):
        finish(child_of(tmp_path, gemma, (missing, 1.0)))


def test_parent_without_one_factor_fails(trained: Done, gemma: Path, tmp_path: Path) -> None:
    broken = copy_of(tmp_path / "broken", read_adapter(trained.adapter), lambda _, factors: factors)
    tensors = load_file(broken / "adapter_model.safetensors")
    del tensors[max(tensors)]
    save_file(tensors, broken / "adapter_model.safetensors")
    with pytest.raises(CorruptArtifact, match="lacks a factor"):
        finish(child_of(tmp_path, gemma, (broken, 1.0)))


def test_parent_of_other_shapes_fails(trained: Done, gemma: Path, tmp_path: Path) -> None:
    foreign = copy_of(tmp_path / "foreign", read_adapter(trained.adapter), lambda _, f: Factors(f.a[:, :-1], f.b))
    with pytest.raises(CorruptArtifact, match=r"in the base and .* in the parent"):
        finish(child_of(tmp_path, gemma, (foreign, 1.0)))


def test_parent_of_another_base_is_refused(trained: Done, gemma: Path, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="was trained on base 000000000000"):
        finish(child_of(tmp_path, gemma, (trained.adapter, 1.0), base_sha256="1" * 64))


def test_start_that_misses_its_parents_loss_fails_before_the_first_step(gemma: Path, tmp_path: Path) -> None:
    """Two unrelated adapters don't fit into one of their rank."""
    parts = []
    for seed in (1, 2):
        run = spec(tmp_path / str(seed), gemma, seed=seed, peak_lr=0.05, epochs=4)
        parts.append((finish(run).adapter, 1.0))
    watch = Watch()
    with pytest.raises(Conflict, match=r"dev loss .* its parent"):
        train(child_of(tmp_path, gemma, *parts, proof_tolerance=1e-4), watch.emit, watch.stop)
    assert watch.events == []


def test_loss_that_is_not_finite_fails_with_the_step(gemma: Path, tmp_path: Path) -> None:
    tensors = load_file(gemma / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    poisoned = tmp_path / "poisoned"
    poisoned.mkdir()
    for file in gemma.iterdir():
        if file.name != "model.safetensors":
            (poisoned / file.name).write_bytes(file.read_bytes())
    save_file(tensors, poisoned / "model.safetensors", {"format": "pt"})
    with pytest.raises(Diverged, match="step 1: loss nan"):
        finish(spec(tmp_path, poisoned))


def test_mean_of_the_weights_over_the_end_of_a_run_is_kept(gemma: Path, tmp_path: Path) -> None:
    run = spec(tmp_path, gemma, average_share=0.25, checkpoint_every=1)
    checkpoints = []

    def keep(event: Event) -> None:
        if isinstance(event, Checkpoint):
            checkpoints.append(load_file(run.output / "checkpoint.safetensors"))

    done = train(run, keep, lambda: False)
    assert isinstance(done, Done)
    last = len(checkpoints) // 4
    for name, factors in read_adapter(done.adapter).factors.items():
        weights = [tensors[f"weight/{name}.lora_B.default.weight"] for tensors in checkpoints]
        assert not torch.equal(factors.b, weights[-1])
        torch.testing.assert_close(factors.b, torch.stack(weights[-last:]).mean(dim=0))


def test_learning_rate_warms_up_then_falls_to_zero() -> None:
    rates = [learning_rate(step, 100, peak=1.0, warmup_share=0.1) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0.0)


def test_full_disk_fails_clearly_and_leaves_no_partial_file(gemma: Path, tmp_path: Path) -> None:
    run = spec(tmp_path, gemma)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OutOfSpace, match="no space left to write"):
            finish(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(run.output.iterdir()) == []
