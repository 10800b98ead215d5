"""`adapter_config.json` as PEFT, Unsloth, Axolotl, TRL and LLaMA-Factory write it, and what we can't take over."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tuneloop.kit.errors import CorruptArtifact

CONFIG_FILE = "adapter_config.json"
MAX_CONFIG_BYTES = 1024**2
MAX_RANK = 256

N = TypeVar("N", int, float)

_Rank = Annotated[int, Field(ge=1, le=MAX_RANK)]
_Alpha = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
_Pattern = Annotated[str, Field(max_length=500)]

_WHAT_TO_DO = {
    "use_dora": "DoRA scales whole columns beside the LoRA; train again with use_dora=False",
    "modules_to_save": "whole layers were trained beside the LoRA; train again without modules_to_save",
    "trainable_token_indices": "token embeddings were trained; train again without trainable_token_indices",
    "target_parameters": "parameters of experts were trained; train again on linear layers alone, by target_modules",
    "lora_bias": "the LoRA has biases; train again with lora_bias=False",
    "layer_replication": "layers are replicated, so it isn't an adapter for the base as it stands; train again without",
    "fan_in_fan_out": "it was made for layers of GPT-2's kind; train again on a base that is registered here",
}
_ONLY_LLAMA_CPP = (
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
    "use_bdlora",
    "use_qalora",
    "velora_config",
)
_CHANGE_THE_BASE = ("corda", "loftq", "lora_ga", "olora", "pissa")
"""These starts take something out of the base's weights, so that the adapter fits another base than the one here."""


class LoraConfig(BaseModel):
    """What decides the update: of a module it is alpha / rank * B A, or alpha / sqrt(rank) * B A with `use_rslora`.

    Patterns are regular expressions from outside; they are matched in confined processes only.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    peft_type: Literal["LORA"]
    r: _Rank
    lora_alpha: _Alpha
    bias: Literal["none"] = "none"
    use_rslora: bool | None = False
    rank_pattern: Annotated[dict[_Pattern, _Rank], Field(max_length=2000)] | None = None
    alpha_pattern: Annotated[dict[_Pattern, _Alpha], Field(max_length=2000)] | None = None
    base_model_name_or_path: Annotated[str, Field(max_length=300)] | None = None
    init_lora_weights: bool | str | None = True

    def rank_of(self, module: str) -> int:
        return _matched(self.rank_pattern, module, self.r)

    def scaling_of(self, module: str) -> float:
        rank = self.rank_of(module)
        alpha = _matched(self.alpha_pattern, module, self.lora_alpha)
        return alpha / (rank**0.5 if self.use_rslora else rank)


def _matched(pattern: dict[str, N] | None, module: str, otherwise: N) -> N:
    """As PEFT chooses: the first key that the end of the module's name matches."""
    return next((value for key, value in (pattern or {}).items() if re.match(rf"(.*\.)?({key})$", module)), otherwise)


def read_config(folder: Path) -> LoraConfig:
    """Raises CorruptArtifact, saying what to do, unless it describes a LoRA that can be served as it was trained."""
    path = folder / CONFIG_FILE
    if not path.is_file() or path.stat().st_size > MAX_CONFIG_BYTES:
        raise CorruptArtifact(f"there is no usable {CONFIG_FILE}; save the adapter with PEFT's save_pretrained")
    try:
        settings: Any = orjson.loads(path.read_bytes())
        if isinstance(settings, dict):
            _refuse_variants(settings)
        config = LoraConfig.model_validate(settings)
        for key in (*(config.rank_pattern or ()), *(config.alpha_pattern or ())):
            re.compile(key)
    except (orjson.JSONDecodeError, ValidationError, re.error) as error:
        raise CorruptArtifact(
            f"{CONFIG_FILE} doesn't describe a LoRA of rank 1 to {MAX_RANK}; train one without bias"
        ) from error
    return config


def _refuse_variants(settings: dict[str, Any]) -> None:
    for name, remedy in _WHAT_TO_DO.items():
        if settings.get(name):
            raise CorruptArtifact(f"this is no plain LoRA: {remedy}", setting=name)
    if extras := [name for name in _ONLY_LLAMA_CPP if settings.get(name)]:
        raise CorruptArtifact(f"the adapter uses {', '.join(extras)}, which llama.cpp can't serve; train a plain LoRA")
    start = settings.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_CHANGE_THE_BASE):
        raise CorruptArtifact(
            f"it started with init_lora_weights={start[:40]!r}, which changes the base's weights; save it again with "
            "save_pretrained(..., path_initial_model_for_weight_conversion=...), which makes a plain LoRA of it"
        )
