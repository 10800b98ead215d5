"""`training.json`: everything needed to say how an adapter came about, and to make it again."""

from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, NamedTuple

import orjson

from tuneloop.kit.storage import digest_file
from tuneloop.registry.contract import Frozen, Sha256
from tuneloop_workers.training.events import Metrics
from tuneloop_workers.training.spec import TrainSpec

_NAME = "training.json"
_LIBRARIES = ("torch", "transformers", "peft", "safetensors", "tokenizers", "numpy")
_LOCAL: dict[str, Any] = {
    "base_weights": True,
    "examples": True,
    "dev": True,
    "traffic": True,
    "output": True,
    "parent": {"__all__": {"folder"}},
    "device": True,
    "threads": True,
    "checkpoint_every": True,
}
"""Where a run happens, not what it is: a retry may find its files elsewhere."""


class Inputs(Frozen):
    """Digests of the files a spec names."""

    examples_sha256: Sha256
    dev_sha256: Sha256
    parent_sha256: tuple[Sha256, ...]
    traffic_sha256: Sha256 | None = None


class Machine(Frozen):
    device: str
    dtype: str
    threads: int


class Record(Frozen):
    run_sha256: Sha256
    spec: TrainSpec
    inputs: Inputs
    machine: Machine
    libraries: dict[str, str]
    metrics: Metrics
    loss_curve: tuple[float, ...]


class Identity(NamedTuple):
    inputs: Inputs
    run_sha256: str


def identify(spec: TrainSpec) -> Identity:
    """Equal for two specs exactly when they ask for the same weights."""
    inputs = Inputs(
        examples_sha256=digest_file(spec.examples),
        dev_sha256=digest_file(spec.dev),
        parent_sha256=tuple(digest_file(part.folder / "adapter_model.safetensors") for part in spec.parent),
        traffic_sha256=digest_file(spec.traffic) if spec.traffic else None,
    )
    what = {"spec": spec.model_dump(mode="json", exclude=_LOCAL), "inputs": inputs.model_dump(mode="json")}
    return Identity(inputs, sha256(orjson.dumps(what, option=orjson.OPT_SORT_KEYS)).hexdigest())


def libraries() -> dict[str, str]:
    return {"python": python_version(), **{name: version(name) for name in _LIBRARIES}}


def write_record(record: Record, folder: Path) -> None:
    (folder / _NAME).write_bytes(orjson.dumps(record.model_dump(mode="json"), option=orjson.OPT_INDENT_2))


def read_record(folder: Path) -> Record | None:
    """None where no run of this release has ended."""
    path = folder / _NAME
    return Record.model_validate_json(path.read_bytes()) if path.is_file() else None


def base_of(folder: Path) -> str | None:
    """Digest of the base that an adapter was trained on, by whatever release; None if it was not trained here."""
    path = folder / _NAME
    return str(orjson.loads(path.read_bytes())["spec"]["base_sha256"]) if path.is_file() else None
