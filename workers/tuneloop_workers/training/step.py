"""One forward pass of a training step: the loss of a batch's completions, and nothing that does not reach it.

Two exact savings over the usual causal-LM loss. Logits exist only where a completion token is predicted, and their
gradient is taken chunk by chunk, so the vocabulary never meets the prompt. The prompt prefix that all examples share
is run once, its keys and values kept in the graph and repeated over the batch, so gradients flow back into it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache, PreTrainedModel

from tuneloop_workers.training.base import output_head
from tuneloop_workers.training.data import Encoded
from tuneloop_workers.training.head import completion_nll

VERIFIED = frozenset({"gemma3_text", "llama", "qwen2", "qwen3"})
"""Architectures for which tests prove that the savings leave loss and gradients as they are."""

_SHORT_PREFIX = 16


class Batch(NamedTuple):
    """B right-padded rows of S tokens and the P places where a completion token is predicted.

    `tokens` [B, S]; `rows`, `columns` [P]: the positions whose hidden state predicts `targets` [P];
    `weights` [P] sum to one: every example counts alike and, within it, every token, so a share of the batch is the
    same share of the gradient however long its answers are.
    """

    tokens: Tensor
    rows: Tensor
    columns: Tensor
    targets: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> "Batch":
        if device.type == "cpu":
            return self
        return Batch(*(tensor.pin_memory().to(device, non_blocking=True) for tensor in self))


def collate(examples: Sequence[Encoded]) -> Batch:
    # Right padding with causal attention needs no mask: no real token can see a pad.
    tokens = torch.zeros(len(examples), max(len(e.tokens) for e in examples), dtype=torch.long)
    rows: list[int] = []
    columns: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    for row, example in enumerate(examples):
        length, answer = len(example.tokens), example.answer_length
        tokens[row, :length] = torch.tensor(example.tokens)
        rows += [row] * answer
        columns += range(length - answer - 1, length - 1)
        targets += example.tokens[length - answer :]
        weights += [1.0 / (answer * len(examples))] * answer
    return Batch(tokens, torch.tensor(rows), torch.tensor(columns), torch.tensor(targets), torch.tensor(weights))


class CompletionLoss:
    """Loss of batches whose examples all follow `prefix`; unverified architectures take the plain full-logit path."""

    def __init__(self, model: PeftModel, prefix: Sequence[int]) -> None:
        base = model.get_base_model()
        if not isinstance(base, PreTrainedModel):
            raise TypeError(f"expected a transformers model, got {type(base).__name__}")
        self._prefix = torch.tensor([prefix], dtype=torch.long, device=base.device)
        self._verified = is_verified(base)
        self._config = base.config
        self._causal_lm: Any = base
        self._decoder: Any = base.get_decoder()  # type: ignore[no-untyped-call]
        self._head = output_head(base).weight

    def __call__(self, batch: Batch) -> Tensor:
        """The weighted mean negative log-likelihood, in nats."""
        batch = batch.to(self._prefix.device)
        nll = self._nll(batch) if self._verified else self._plain_nll(batch)
        return (nll * batch.weights).sum()

    def _nll(self, batch: Batch) -> Tensor:
        size, length = len(batch.tokens), self._prefix.shape[1]
        if size > 1 and length >= _SHORT_PREFIX:
            cache = DynamicCache(config=self._config)
            self._decoder(self._prefix, past_key_values=cache, use_cache=True)
            cache.batch_repeat_interleave(size)
            states = self._decoder(batch.tokens, past_key_values=cache, use_cache=True)
            hidden = states.last_hidden_state[batch.rows, batch.columns]
        else:
            states = self._decoder(self._prefixed(batch), use_cache=False)
            hidden = states.last_hidden_state[batch.rows, batch.columns + length]
        return completion_nll(hidden, self._head, batch.targets)

    def _plain_nll(self, batch: Batch) -> Tensor:
        logits = self._causal_lm(self._prefixed(batch), use_cache=False).logits
        chosen = logits[batch.rows, batch.columns + self._prefix.shape[1]].float()
        return functional.cross_entropy(chosen, batch.targets, reduction="none")

    def _prefixed(self, batch: Batch) -> Tensor:
        return torch.cat([self._prefix.expand(len(batch.tokens), -1), batch.tokens], dim=1)


def is_verified(model: PreTrainedModel) -> bool:
    config = model.config
    return (
        config.model_type in VERIFIED
        and not getattr(config, "final_logit_softcapping", None)
        and not getattr(config, "use_bidirectional_attention", False)
        and output_head(model).bias is None
    )
