"""What the trained model answers: Hugging Face weights with PEFT adapters, in F32 on the CPU."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
BATCH_TOKENS = 512


class Reference:
    """`adapters` are PEFT folders with scales; several add up."""

    def __init__(self, weights: Path, adapters: Sequence[tuple[Path, float]] = (), *, threads: int = 1) -> None:
        self._model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            weights, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
        )
        self._tuned = _wrapped(self._model, adapters) if adapters else None
        self._threads = threads

    def logprobs(
        self,
        prefix: Sequence[int],
        suffixes: Sequence[Sequence[int]],
        *,
        plain: bool = False,
        tick: Callable[[int], None] | None = None,
    ) -> NDArray[np.float32]:
        """Log-probabilities of the token after prefix + suffix, (suffixes, vocabulary); the prefix is evaluated once.

        With `plain` the adapters are left out. `tick` hears how many suffixes each batch has answered; what it raises
        ends the work.
        """
        rows: dict[int, NDArray[np.float32]] = {}
        with torch.inference_mode(), _using(self._threads), self._without_adapters() if plain else nullcontext():
            past = None
            if prefix:
                past = self._model(torch.tensor([list(prefix)]), use_cache=True, logits_to_keep=1).past_key_values
            for batch in _batches(suffixes):
                logprobs = self._after(past, len(prefix), [suffixes[index] for index in batch])
                rows |= dict(zip(batch, logprobs, strict=True))
                if tick is not None:
                    tick(len(batch))
        return np.stack([rows[index] for index in range(len(suffixes))])

    def _without_adapters(self) -> AbstractContextManager[None]:
        return nullcontext() if self._tuned is None else self._tuned.disable_adapter()

    def _after(self, past: DynamicCache | None, length: int, suffixes: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        cache = deepcopy(past)
        if cache is not None:
            cache.batch_repeat_interleave(len(suffixes))
        longest = max(map(len, suffixes))
        # Padding stands on the right, where causal attention never looks at it.
        tokens = torch.tensor([[*suffix, *[0] * (longest - len(suffix))] for suffix in suffixes])
        positions = torch.arange(length, length + longest).expand(len(suffixes), -1)
        hidden = self._model.base_model(
            tokens, past_key_values=cache, position_ids=positions, use_cache=cache is not None
        )
        last = hidden.last_hidden_state[torch.arange(len(suffixes)), torch.tensor([len(s) - 1 for s in suffixes])]
        head: torch.nn.Module = self._model.get_output_embeddings()  # type: ignore[no-untyped-call]
        logits: torch.Tensor = head(last)
        # Gemma 2 bends its logits, so that they stay below a number.
        cap = getattr(self._model.config, "final_logit_softcapping", None)
        if cap is not None:
            logits = cap * torch.tanh(logits / cap)
        return np.asarray(logits.log_softmax(-1))


def _batches(suffixes: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Indexes, of like length together so that little is padding; a long prompt is a batch of its own."""
    batch: list[int] = []
    for index in sorted(range(len(suffixes)), key=lambda index: len(suffixes[index])):
        if batch and (len(batch) == BATCH or (len(batch) + 1) * len(suffixes[index]) > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(index)
    yield batch


def _wrapped(model: PreTrainedModel, adapters: Sequence[tuple[Path, float]]) -> PeftModel:
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
    return wrapped


@contextmanager
def _using(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
