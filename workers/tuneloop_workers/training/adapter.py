"""LoRA adapters as values: their factors, read from and written to folders as PEFT lays them out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from peft import LoraConfig
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from tuneloop.kit.errors import CorruptArtifact

_CONFIG = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"
_A = ".lora_A.weight"
_B = ".lora_B.weight"


class Factors(NamedTuple):
    """The update of one linear layer is `scaling * b @ a`; a [rank, in], b [out, rank]."""

    a: Tensor
    b: Tensor


@dataclass(frozen=True)
class Adapter:
    """`factors` by PEFT's module name; all have the same rank."""

    factors: Mapping[str, Factors]
    rank: int
    alpha: float

    @property
    def scaling(self) -> float:
        return self.alpha / self.rank


class _PeftConfig(BaseModel):
    """The plain LoRA we train and export; every variant that changes the formula is refused."""

    model_config = ConfigDict(extra="ignore")

    peft_type: Literal["LORA"]
    r: int
    lora_alpha: float
    bias: Literal["none"] = "none"
    use_rslora: Literal[False] = False
    use_dora: Literal[False] = False
    modules_to_save: None = None
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}


def read_adapter(folder: Path) -> Adapter:
    """Raises CorruptArtifact when a file is missing or damaged, a factor lacks its partner or ranks disagree."""
    try:
        config = _PeftConfig.model_validate_json((folder / _CONFIG).read_bytes())
        tensors = load_file(folder / _WEIGHTS)
    except (OSError, ValidationError, SafetensorError) as error:
        raise CorruptArtifact(f"adapter {folder.name} can't be read: {error}", folder=str(folder)) from error
    factors = {}
    for name in tensors:
        if not name.endswith((_A, _B)):
            raise CorruptArtifact(f"adapter {folder.name} has a tensor that is not a LoRA factor: {name}", tensor=name)
        module = name.removesuffix(_A).removesuffix(_B)
        a, b = tensors.get(module + _A), tensors.get(module + _B)
        if a is None or b is None:
            raise CorruptArtifact(f"adapter {folder.name} lacks a factor of {module}", tensor=module)
        if a.shape[0] != config.r or b.shape[1] != config.r:
            raise CorruptArtifact(f"adapter {folder.name}: {module} is not of rank {config.r}", tensor=module)
        if not (a.isfinite().all() and b.isfinite().all()):
            raise CorruptArtifact(f"adapter {folder.name}: {module} holds values that are not finite", tensor=module)
        factors[module] = Factors(a.float(), b.float())
    if not factors or config.rank_pattern or config.alpha_pattern:
        raise CorruptArtifact(f"adapter {folder.name} is empty or has ranks per layer; train it again here")
    return Adapter(factors, config.r, config.lora_alpha)


def write_adapter(adapter: Adapter, folder: Path) -> None:
    """Write the two files of a PEFT adapter into an existing folder."""
    names = sorted(adapter.factors)
    config = LoraConfig(
        r=adapter.rank,
        # PEFT annotates an int but computes with any number, and a folded blend may need a fraction.
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]
        lora_dropout=0.0,
        target_modules=sorted({name.rpartition(".")[2] for name in names}),
        task_type="CAUSAL_LM",
        inference_mode=True,
    )
    config.save_pretrained(str(folder))
    tensors = {name + _A: adapter.factors[name].a.contiguous() for name in names}
    tensors |= {name + _B: adapter.factors[name].b.contiguous() for name in names}
    (folder / _WEIGHTS).write_bytes(save(tensors, {"format": "pt"}))
