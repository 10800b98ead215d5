"""The frozen base model: where it runs, in which precision, and its tokenizer."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tuneloop.kit.errors import InvalidInput, Unavailable
from tuneloop_workers.training.spec import Device, Precision


class Placement(NamedTuple):
    device: torch.device
    dtype: torch.dtype


class Base(NamedTuple):
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_tokens: int


def place(device: Device, precision: Precision) -> Placement:
    """bf16 only on a GPU or a processor with AMX: elsewhere fp32 is more exact, and faster.

    Measured with torch 2.13 on matrices of a 270 M model, GFLOP/s a core: 165 in fp32 and 95 in bf16 with AVX512-BF16,
    100 and 16 with AVX2, which emulates it.
    """
    if device is Device.CUDA and not torch.cuda.is_available():
        raise Unavailable("this run asks for a GPU and there is none here; use device auto or cpu")
    chosen = torch.device("cuda" if device is not Device.CPU and torch.cuda.is_available() else "cpu")
    if precision is Precision.AUTO:
        return Placement(chosen, torch.bfloat16 if _has_bf16(chosen) else torch.float32)
    return Placement(chosen, torch.bfloat16 if precision is Precision.BF16 else torch.float32)


def load_base(weights: Path, placement: Placement) -> Base:
    """The model in eval mode with every weight frozen; safetensors only, no code from the folder."""
    if not (weights / "config.json").is_file():
        raise InvalidInput(f"{weights} holds no model (config.json is missing)", folder=str(weights))
    model: nn.Module = AutoModelForCausalLM.from_pretrained(
        weights, dtype=placement.dtype, use_safetensors=True, trust_remote_code=False, local_files_only=True
    )
    tokenizer = AutoTokenizer.from_pretrained(weights, trust_remote_code=False, local_files_only=True)
    model.to(placement.device).eval().requires_grad_(False)
    if not isinstance(model, PreTrainedModel):
        raise TypeError(f"expected a transformers model, got {type(model).__name__}")
    return Base(model, tokenizer, int(model.config.get_text_config().max_position_embeddings))


def output_head(model: PreTrainedModel) -> nn.Linear:
    head: nn.Module = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if not isinstance(head, nn.Linear):
        raise InvalidInput(f"{model.config.model_type} has no linear output head; choose another base")
    return head


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))
