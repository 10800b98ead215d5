"""A release folder: everything needed to serve a version elsewhere, with a manifest that proves it whole.

adapter.gguf              GGUF LoRA for the base
model-<kind>.gguf         merged models, if any
peft/                     adapter as PEFT writes it
Modelfile README.md       for Ollama and for people
manifest.json             path, size and SHA-256 of every other file
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tuneloop.kit.storage import digest_file
from tuneloop.registry.adapters.config import CONFIG_FILE
from tuneloop.registry.adapters.folder import WEIGHTS_FILE
from tuneloop.registry.contract import Frozen, Manifest, Quantisation, Sha256
from tuneloop_workers.export.card import ModelCard, render_card
from tuneloop_workers.export.modelfile import modelfile
from tuneloop_workers.files import new_folder

MANIFEST_FILE = "manifest.json"
ADAPTER_FILE = "adapter.gguf"
BASE_FILE = "base.gguf"
_PREFERRED = (Quantisation.Q4_K_M, Quantisation.Q5_K_M, Quantisation.Q8_0, Quantisation.F16)


@dataclass(frozen=True)
class ReleaseFiles:
    """Finished files to put into a release; `merged` are whole models by quantisation."""

    adapter_folder: Path
    adapter_gguf: Path
    merged: Mapping[Quantisation, Path] = field(default_factory=dict)


class FileEntry(Frozen):
    path: str
    size: Annotated[int, Field(ge=0)]
    sha256: Sha256


class ReleaseManifest(Frozen):
    """`version` is what the files implement, and its digest is their identity."""

    digest: Sha256
    version: Manifest
    files: tuple[FileEntry, ...]


def write_bundle(out: Path, files: ReleaseFiles, version: Manifest, card: ModelCard) -> ReleaseManifest:
    """Writes `out`, whole or not at all; raises OutOfSpace on a full disk and Conflict when `out` exists.

    The Modelfile serves the smallest merged model, or the base, to be put beside it as base.gguf, with the adapter.
    """
    with new_folder(out) as draft:
        (draft / "peft").mkdir()
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            shutil.copyfile(files.adapter_folder / name, draft / "peft" / name)
        shutil.copyfile(files.adapter_gguf, draft / ADAPTER_FILE)
        for kind, path in files.merged.items():
            shutil.copyfile(path, draft / merged_file(kind))
        best = next((kind for kind in _PREFERRED if kind in files.merged), None)
        model, adapter = (BASE_FILE, ADAPTER_FILE) if best is None else (merged_file(best), None)
        (draft / "Modelfile").write_text(modelfile(version.contract, model=model, adapter=adapter))
        (draft / "README.md").write_text(render_card(card))
        manifest = ReleaseManifest(digest=version.digest, version=version, files=_entries(draft))
        (draft / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n")
    return manifest


def _entries(folder: Path) -> tuple[FileEntry, ...]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST_FILE)
    return tuple(
        FileEntry(path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=digest_file(path))
        for path in paths
    )


def merged_file(kind: Quantisation) -> str:
    return f"model-{kind}.gguf"
