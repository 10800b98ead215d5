"""The adapters and blends of a cycle, tried on the dev split by the engine that serves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneloop.evaluation.given import conversation_of
from tuneloop.evaluation.scoring import score
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.storage import digest_file
from tuneloop.registry.contract import AdapterPart, Manifest, Task
from tuneloop.registry.service import manifest_of
from tuneloop.retraining.model_selection import STRONG, TARGET, Dev, summarise
from tuneloop.retraining.recipe import Method
from tuneloop.tables import Example
from tuneloop_workers.evaluation.runner import LocalRunner
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.handlers.data import Split
from tuneloop_workers.handlers.engines import local_engine
from tuneloop_workers.handlers.training_inputs import Order
from tuneloop_workers.llama import identity
from tuneloop_workers.serving.answer import EngineAnswer
from tuneloop_workers.training.adapter import read_adapter, write_adapter
from tuneloop_workers.training.blend import blend, fit
from tuneloop_workers.training.spec import TrainSpec


@dataclass(frozen=True)
class TrainedAdapter:
    """One adapter in both forms, and the scale it is applied with."""

    folder: Path
    gguf: Path
    gguf_sha256: str
    scale: float

    def at(self, scale: float) -> "TrainedAdapter":
        return TrainedAdapter(self.folder, self.gguf, self.gguf_sha256, scale)


@dataclass(frozen=True)
class Trial:
    """One thing that could become the version: a trained adapter, alone or blended with the one it started from."""

    method: Method
    blend: float
    parts: tuple[TrainedAdapter, ...]
    trained: Path


def trials_of(folder: Path, method: Method, trained: Path, spec: TrainSpec, order: Order) -> list[Trial]:
    """Exports the adapter, and the one it started from if a blend needs it."""
    base = order.base_gguf
    new = _part(folder, "new", trained, base)
    shares = order.recipe.blends if method is Method.CONTINUE and spec.parent else (1.0,)
    start = _part(folder, "start", _start(spec, folder), base) if min(shares) < 1.0 else None
    return [
        Trial(method, share, (start.at(1.0 - share), new.at(share)) if start and share < 1.0 else (new,), trained)
        for share in shares
    ]


def try_all(context: JobContext, trials: Sequence[Trial], order: Order, split: Split) -> tuple[Dev, list[Dev]]:
    """Dev scores of production, and of each trial."""
    versions = [_manifest(order, trial.parts) for trial in trials]
    files = {part.gguf_sha256: part.gguf for trial in trials for part in trial.parts}
    if order.parent is not None:
        versions.insert(0, parent := manifest_of(order.parent))
        files |= {part.sha256: context.storage.path(part.sha256) for part in parent.adapters}
    with local_engine(context, order.base_gguf, context_tokens=order.base.context_length) as engine:
        found = []
        for place, manifest in enumerate(versions):
            runner = LocalRunner(engine, manifest, files)
            stage = f"trying on {len(split.dev)} dev examples, {place + 1} of {len(versions)}"
            found.append(_dev(context, runner, stage, order, split))
    return (found[0], found[1:]) if order.parent is not None else ({}, found)


def _manifest(order: Order, parts: Sequence[TrainedAdapter]) -> Manifest:
    adapters = tuple(AdapterPart(sha256=part.gguf_sha256, scale=part.scale) for part in parts)
    return Manifest(contract=order.contract, base=order.base_ref, adapters=adapters, engine=identity())


def _dev(context: JobContext, runner: LocalRunner, stage: str, order: Order, split: Split) -> Dev:
    def progress(done: int, wanted: int) -> None:
        context.report(stage=stage, step=done, steps=wanted)
        context.check()

    answers = runner.answer([conversation_of(example) for example in split.dev], progress)
    judged = [score(example, answer.text, order.contract) for example, answer in zip(split.dev, answers, strict=True)]
    return summarise(
        _strata(order, split),
        [each.correct for each in judged],
        [
            _fine(order, example, answer, each.value)
            for example, answer, each in zip(split.dev, answers, judged, strict=True)
        ],
    )


def _strata(order: Order, split: Split) -> list[str]:
    """What the retrain is for is told by category, or by age where no category is new or fallen."""
    aimed = [example.category in order.target for example in split.dev]
    if not any(aimed):
        aimed = [example.id in split.new for example in split.dev]
    return [TARGET if each else STRONG for each in aimed]


def _fine(order: Order, example: Example, answer: EngineAnswer, value: float) -> float:
    """Of a label the probability it was given, so that few examples tell more than right and wrong."""
    if order.contract.task is Task.CLASSIFY and answer.probabilities is not None:
        return answer.probabilities.get(example.expected, 0.0)
    return value


def _part(folder: Path, name: str, adapter: Path, base_gguf: Path) -> TrainedAdapter:
    gguf = folder / f"{name}.gguf"
    export_lora(adapter, base_gguf, gguf)
    return TrainedAdapter(adapter, gguf, digest_file(gguf), 1.0)


def _start(spec: TrainSpec, folder: Path) -> Path:
    """The adapter that training started from, as one PEFT folder."""
    if len(spec.parent) == 1 and read_adapter(spec.parent[0].folder).rank == spec.rank:
        return spec.parent[0].folder
    start = folder / "start-peft"
    start.mkdir(exist_ok=True)
    parts = [(read_adapter(part.folder), part.scale) for part in spec.parent]
    write_adapter(fit(blend(parts), spec.rank, spec.alpha), start)
    return start
