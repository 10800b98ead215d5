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
    rows, columns, targets, weights = [], [], [], []
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
        self._model = base
        self._prefix = torch.tensor([prefix], dtype=torch.long, device=base.device)
        self._fast = is_verified(base)

    def __call__(self, batch: Batch) -> Tensor:
        """The weighted mean negative log-likelihood, in nats."""
        batch = batch.to(self._prefix.device)
        if not self._fast:
            return self._plain(batch)
        hidden = self._hidden(batch.tokens)[batch.rows, batch.columns]
        head = self._model.get_output_embeddings()
        nll = completion_nll(hidden, head.weight, batch.targets)
        return (nll * batch.weights).sum()

    def _hidden(self, tokens: Tensor) -> Tensor:
        """Hidden states [B, S, d] after the last norm."""
        decoder: Any = self._model.get_decoder()
        size, prefix = len(tokens), self._prefix
        if size == 1 or prefix.shape[1] < _SHORT_PREFIX:
            whole = torch.cat([prefix.expand(size, -1), tokens], dim=1)
            return decoder(whole, use_cache=False).last_hidden_state[:, prefix.shape[1] :]
        cache = DynamicCache(config=self._model.config)
        decoder(prefix, past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(size)
        return decoder(tokens, past_key_values=cache, use_cache=True).last_hidden_state

    def _plain(self, batch: Batch) -> Tensor:
        whole = torch.cat([self._prefix.expand(len(batch.tokens), -1), batch.tokens], dim=1)
        logits = self._model(whole, use_cache=False).logits[batch.rows, batch.columns + self._prefix.shape[1]]
        nll = functional.cross_entropy(logits.float(), batch.targets, reduction="none")
        return (nll * batch.weights).sum()


def is_verified(model: PreTrainedModel) -> bool:
    config = model.config
    return (
        config.model_type in VERIFIED
        and not getattr(config, "final_logit_softcapping", None)
        and not getattr(config, "use_bidirectional_attention", False)
        and model.get_output_embeddings().bias is None
    )
