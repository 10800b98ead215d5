"""What the trained model answers: Hugging Face weights with PEFT adapters, in F32 on the CPU."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from peft.tuners.lora import LoraLayer, LoraModel
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel

BATCH = 8


def reference_logprobs(
    weights: Path,
    adapters: Sequence[tuple[Path, float]],
    prefix: Sequence[int],
    suffixes: Sequence[Sequence[int]],
    *,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Log-probabilities of the token after prefix + suffix, one row per suffix.

    `adapters` are PEFT folders with scales; several add up. The prefix is evaluated once.
    """
    model = _load(weights, adapters)
    # Batches of like length waste little on padding.
    order = sorted(range(len(suffixes)), key=lambda index: len(suffixes[index]))
    rows: dict[int, NDArray[np.float32]] = {}
    with torch.inference_mode(), _threads(threads):
        past = model(torch.tensor([list(prefix)]), use_cache=True, logits_to_keep=1).past_key_values if prefix else None
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            logprobs = _after(model, past, len(prefix), [suffixes[index] for index in batch])
            rows |= dict(zip(batch, logprobs, strict=True))
    return np.stack([rows[index] for index in range(len(suffixes))])


def _after(
    model: PreTrainedModel, past: DynamicCache | None, length: int, suffixes: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    cache = deepcopy(past)
    if cache is not None:
        cache.batch_repeat_interleave(len(suffixes))
    longest = max(map(len, suffixes))
    # Padding stands on the right, where causal attention never looks at it.
    tokens = torch.tensor([[*suffix, *[0] * (longest - len(suffix))] for suffix in suffixes])
    positions = torch.arange(length, length + longest).expand(len(suffixes), -1)
    hidden = model.base_model(tokens, past_key_values=cache, position_ids=positions, use_cache=cache is not None)
    last = hidden.last_hidden_state[torch.arange(len(suffixes)), torch.tensor([len(s) - 1 for s in suffixes])]
    head: torch.nn.Module = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    logprobs: torch.Tensor = head(last).log_softmax(-1)
    return np.asarray(logprobs)


def _load(weights: Path, adapters: Sequence[tuple[Path, float]]) -> PreTrainedModel:
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        weights, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
    )
    if not adapters:
        return model
    names = [f"part{index}" for index in range(len(adapters))]
    wrapped = PeftModel.from_pretrained(model, adapters[0][0], adapter_name=names[0])
    for name, (folder, _) in zip(names[1:], adapters[1:], strict=True):
        wrapped.load_adapter(folder, adapter_name=name)
    cast(LoraModel, wrapped.base_model).set_adapter(names)
    for layer in wrapped.modules():
        if isinstance(layer, LoraLayer):
            for name, (_, scale) in zip(names, adapters, strict=True):
                layer.set_scale(name, scale)
    # Adapters arrive in training mode, in which dropout would act.
    model.train(False)
    return model


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
