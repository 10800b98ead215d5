"""From a trained adapter to a servable version: export, blend, parity, bundle, manifest, all in the object store."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuneloop.evaluation.given import conversation_of
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.storage import pack_folder
from tuneloop.registry.contract import AdapterPart, Manifest, Quantisation
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.export.bundle import ReleaseFiles, write_bundle
from tuneloop_workers.export.card import ModelCard
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.export.merge import ScaledUpdate, merge
from tuneloop_workers.export.parity import AdapterPair, Bases, Parity, parity
from tuneloop_workers.export.quantise import dequantised, quantise
from tuneloop_workers.export.reading import Prompt
from tuneloop_workers.export.validate import read_adapter as read_checked
from tuneloop_workers.handlers.candidate_selection import TrainedAdapter, Trial
from tuneloop_workers.handlers.training_inputs import Order
from tuneloop_workers.llama import identity
from tuneloop_workers.training.adapter import read_adapter, write_adapter
from tuneloop_workers.training.blend import blend
from tuneloop_workers.training.record import read_record

PARITY_PROMPTS = 24


@dataclass(frozen=True)
class Release:
    manifest: Manifest
    parts: list[dict[str, Any]]
    parity: dict[str, Any]
    files: list[dict[str, Any]]


def make_release(context: JobContext, trial: Trial, *, number: str, order: Order) -> Release:
    """Prove that the exported form answers like the trained one, and store everything.

    Raises:
        Conflict: the parity check failed. CorruptArtifact: the adapter does not fit the base.
    """
    folder = context.workspace / "release"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    manifest = Manifest(
        contract=order.contract,
        base=order.base_ref,
        adapters=tuple(AdapterPart(sha256=part.gguf_sha256, scale=part.scale) for part in trial.parts),
        engine=identity(),
    )
    figures = _parity(context, trial, order)
    context.check()
    context.report(stage="packing")
    parts = [_stored(context, folder, part) for part in trial.parts]
    bundle = _bundle(context, folder, trial.parts, manifest, number, order)
    stored = context.storage.put_bytes(manifest.canonical())
    assert stored == manifest.digest
    return Release(
        manifest=manifest,
        parts=parts,
        parity=asdict(figures),
        files=[
            {
                "name": path.relative_to(bundle).as_posix(),
                "size": path.stat().st_size,
                "sha256": context.storage.put_file(path),
            }
            for path in sorted(bundle.rglob("*"))
            if path.is_file()
        ],
    )


def store_parts(context: JobContext, trials: Sequence[Trial]) -> list[list[dict[str, Any]]]:
    """The adapters of each trial in the object store, as `Release.parts`; what trials share is stored once."""
    folder = context.workspace / "kept"
    folder.mkdir(exist_ok=True)
    context.report(stage="packing")
    known: dict[Path, dict[str, Any]] = {}
    for part in (part for trial in trials for part in trial.parts):
        if part.folder not in known:
            known[part.folder] = _stored(context, folder, part)
    return [[known[part.folder] | {"scale": part.scale} for part in trial.parts] for trial in trials]


def _parity(context: JobContext, trial: Trial, order: Order) -> Parity:
    """On examples of the golden set, which messages name by their ids."""
    context.report(stage="checking parity")
    plain = context.settings.unpacked / f"{order.base.gguf_sha256}-F16.gguf"
    record = read_record(trial.trained)

    def progress(done: int, wanted: int) -> None:
        context.report(stage="checking parity", step=done, steps=wanted)
        context.check()

    return parity(
        Bases(order.base_weights, order.base_gguf, dequantised(order.base_gguf, plain)),
        [AdapterPair(part.folder, part.gguf, part.scale) for part in trial.parts],
        order.contract,
        [Prompt(f"golden example {each.id}", conversation_of(each)) for each in order.golden[:PARITY_PROMPTS]],
        trained_for=record.spec.contract if record else None,
        context_tokens=order.base.context_length,
        threads=context.settings.cpu_threads,
        progress=progress,
    )


def _stored(context: JobContext, folder: Path, part: TrainedAdapter) -> dict[str, Any]:
    packed = pack_folder(part.folder, folder / "part.tar")
    return {
        "peft_sha256": context.storage.put_file(packed),
        "gguf_sha256": context.storage.put_file(part.gguf),
        "scale": part.scale,
    }


def _bundle(
    context: JobContext, folder: Path, parts: Sequence[TrainedAdapter], manifest: Manifest, number: str, order: Order
) -> Path:
    """Files for use elsewhere: a blend becomes one adapter of the summed rank, which is the same update."""
    adapter, gguf = parts[0].folder, parts[0].gguf
    if len(parts) > 1:
        adapter, gguf = folder / "folded", folder / "folded.gguf"
        adapter.mkdir()
        write_adapter(blend([(read_adapter(part.folder), part.scale) for part in parts]), adapter)
        export_lora(adapter, order.base_gguf, gguf)
    merged = _merged(context, folder, adapter, order.base_gguf, order.quantisation)
    card = ModelCard(
        name=order.name,
        version=f"v{number}",
        digest=manifest.digest,
        licence=order.base.licence,
        base_model=order.base.name,
        task=order.contract.task,
        description=order.contract.system_prompt,
        measures=(),
        training_examples=len(order.examples) or None,
        parent=f"{order.name}@v{order.parent.number}" if order.parent else None,
    )
    out = folder / "bundle"
    write_bundle(out, ReleaseFiles(adapter, gguf, merged), manifest, card)
    return out


def _merged(
    context: JobContext, folder: Path, adapter: Path, base_gguf: Path, smallest: Quantisation | None
) -> dict[Quantisation, Path]:
    """Whole models at F16 and every quantisation down to `smallest`."""
    if smallest is None:
        return {}
    context.report(stage="merging")
    files = {Quantisation.F16: folder / "merged-F16.gguf"}
    base = GgufFile.open(base_gguf)
    merge(base_gguf, [ScaledUpdate(read_checked(adapter, base), 1.0)], files[Quantisation.F16])
    kinds = list(Quantisation)
    for kind in kinds[1 : kinds.index(smallest) + 1]:
        context.check()
        context.report(stage=f"quantising to {kind}")
        files[kind] = folder / f"merged-{kind}.gguf"
        quantise(files[Quantisation.F16], files[kind], kind, threads=context.settings.threads or None)
    return files
