"""One forward pass of a training step: the loss of a batch's completions, and nothing that does not reach it.

Three exact savings over the usual causal-LM loss. Logits exist only where a completion token is predicted and, where
labels are chosen, only of the tokens that serving chooses between. The prompt prefix that all examples share is run
once, its keys and values kept in the graph and repeated over the batch, so gradients flow back into it. Layers below
the trained ones are run once for each example, not once for each step.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache, PreTrainedModel

from tuneloop_workers.training.base import output_head
from tuneloop_workers.training.data import Encoded, padded
from tuneloop_workers.training.head import completion_nll
from tuneloop_workers.training.label_set import Decision, LabelSet
from tuneloop_workers.training.lower_layers import LowerLayers

VERIFIED = frozenset({"gemma3_text", "llama", "qwen2", "qwen3"})
"""Architectures for which tests prove that the savings leave loss and gradients as they are."""

_SHORT_PREFIX = 16


class Places(NamedTuple):
    """P places of a batch at which something is predicted: `rows`, `columns` [P] of the states that predict it."""

    rows: Tensor
    columns: Tensor


class Kept(NamedTuple):
    """An example of which D decisions are to stay as they were among some of the U tokens of the label set.

    `probabilities` [D, U] are the former ones among these tokens, NaN for the others. A decision between fewer than two
    such tokens has nothing to keep: all its values are 0.
    """

    example: Encoded
    probabilities: Tensor


class CompletionLoss:
    """Losses of batches whose examples all follow `prefix`; unverified architectures take the plain full-logit path."""

    def __init__(self, model: PeftModel, prefix: Sequence[int], labels: LabelSet) -> None:
        base = model.get_base_model()
        if not isinstance(base, PreTrainedModel):
            raise TypeError(f"expected a transformers model, got {type(base).__name__}")
        self._prefix = torch.tensor([prefix], dtype=torch.long, device=base.device)
        self._verified = is_verified(base)
        self._causal_lm: Any = base
        self._decoder: Any = base.get_decoder()  # type: ignore[no-untyped-call]
        self._head = output_head(base).weight
        self._label_head = self._head[list(labels.vocabulary)]
        self._labels = labels
        self._lower: LowerLayers | None = None

    def freeze_below(self, top_layers: int, examples: Sequence[Encoded]) -> None:
        """From now on only the last layers are run; `examples` are all that will be asked about."""
        if self._verified:
            self._lower = LowerLayers(self._decoder, self._prefix, top_layers)
            self._lower.run(examples)

    def thaw(self) -> None:
        """Puts the whole model together again."""
        if self._lower is not None:
            self._lower.restore()
            self._lower = None

    def served_loss(self, examples: Sequence[Encoded]) -> Tensor:
        """Of the labels as serving chooses between them, or of free answers."""
        return self.label_loss(examples) if self._labels.vocabulary else self.vocabulary_loss(examples)

    def vocabulary_loss(self, examples: Sequence[Encoded]) -> Tensor:
        """Mean negative log-likelihood of the completions' tokens among all tokens, in nats."""
        device = self._prefix.device
        targets = torch.tensor([token for e in examples for token in e.tokens[-e.answer_length :]], device=device)
        places = _places(examples, [range(e.answer_length) for e in examples])
        depth = max(e.answer_length for e in examples) - 1
        if self._verified:
            nll = completion_nll(self._hidden(examples, places, depth), self._head, targets)
        else:
            logits = self._all_logits(examples, places, depth)
            nll = functional.cross_entropy(logits, targets, reduction="none")
        # Examples count alike, so a share of the batch is the same share of the gradient however long answers are.
        weights = torch.tensor([1 / e.answer_length for e in examples for _ in range(e.answer_length)], device=device)
        return (nll * weights).sum() / len(examples)

    def label_loss(
        self,
        examples: Sequence[Encoded],
        *,
        offsets: Mapping[tuple[int, ...], Tensor] | None = None,
        kept: Sequence[Kept] = (),
    ) -> Tensor:
        """Mean negative log-probability of the labels as serving computes it, in nats.

        `offsets` are added, by a decision's path, to these logits before they are compared with the label. With
        `kept`, plus the mean cross-entropy to what they keep.
        """
        decisions = [decision for e in examples for decision in e.decisions]
        logits = self._decide([*examples, *(each.example for each in kept)])
        own = logits[: len(decisions)]
        if offsets is not None:
            own = own + self._spread(decisions, offsets).to(logits.device)
        chosen = torch.tensor([[decision.chosen] for decision in decisions], device=logits.device)
        nll = -own.log_softmax(dim=-1).gather(1, chosen).squeeze(1)
        loss = nll.sum() / len(examples)
        if kept:
            former = torch.cat([each.probabilities for each in kept]).to(logits.device)
            found = logits[len(decisions) :].masked_fill(former.isnan(), -torch.inf).log_softmax(dim=-1)
            former = former.nan_to_num(0.0)
            loss = loss - (former * found.masked_fill(former == 0, 0.0)).sum() / len(kept)
        return loss

    @torch.no_grad()
    def label_probabilities(self, examples: Sequence[Encoded], *, rows: int = 32) -> list[Tensor]:
        """Of each example's D decisions among the U tokens of the label set: [D, U], on the CPU."""
        found: dict[int, Tensor] = {}
        order = sorted(range(len(examples)), key=lambda i: len(examples[i].tokens))
        for start in range(0, len(order), rows):
            chosen = [examples[i] for i in order[start : start + rows]]
            probabilities = self._decide(chosen).softmax(dim=-1).cpu()
            parts = torch.split(probabilities, [len(e.decisions) for e in chosen])
            found |= dict(zip(order[start : start + rows], parts, strict=True))
        return [found[i] for i in range(len(examples))]

    @property
    def _size(self) -> int:
        return len(self._labels.vocabulary)

    def _decide(self, examples: Sequence[Encoded]) -> Tensor:
        """Logits [P, U] in fp32 at every decision of every example, -inf for what is not allowed."""
        decisions = [decision for e in examples for decision in e.decisions]
        places = _places(examples, [[len(d.path) for d in e.decisions] for e in examples])
        depth = max(len(decision.path) for decision in decisions)
        if self._verified:
            logits = self._hidden(examples, places, depth) @ self._label_head.T
        else:
            logits = self._all_logits(examples, places, depth)[:, list(self._labels.vocabulary)]
        forbidden = torch.ones(logits.shape, dtype=torch.bool)
        for row, decision in enumerate(decisions):
            forbidden[row, list(decision.allowed)] = False
        return logits.float().masked_fill(forbidden.to(logits.device), -torch.inf)

    def _spread(self, decisions: Sequence[Decision], offsets: Mapping[tuple[int, ...], Tensor]) -> Tensor:
        """The offsets of each decision in its row [P, U]."""
        spread = torch.zeros(len(decisions), self._size)
        for row, decision in enumerate(decisions):
            spread[row, list(decision.allowed)] = offsets[decision.path]
        return spread

    def _hidden(self, examples: Sequence[Encoded], places: Places, depth: int) -> Tensor:
        """Final hidden states [P, d]; `depth` is the most answer tokens that any place comes after."""
        lengths = _lengths(examples, depth)
        size, shared = len(examples), self._prefix.shape[1]
        if self._lower is not None:
            inputs = {"inputs_embeds": self._lower.states(examples, lengths)}
            prefix = {"inputs_embeds": self._lower.prefix}
        elif size > 1 and shared >= _SHORT_PREFIX:
            inputs = {"input_ids": padded(examples, lengths).to(self._prefix.device)}
            prefix = {"input_ids": self._prefix}
        else:
            tokens = self._prefixed(examples, lengths)
            states: Tensor = self._decoder(tokens, use_cache=False).last_hidden_state
            return states[places.rows, places.columns + shared]
        cache = DynamicCache(config=self._decoder.config)
        self._decoder(**prefix, past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(size)
        states = self._decoder(**inputs, past_key_values=cache, use_cache=True).last_hidden_state
        return states[places.rows, places.columns]

    def _all_logits(self, examples: Sequence[Encoded], places: Places, depth: int) -> Tensor:
        """The model's own logits [P, V] in fp32, by whatever its head does."""
        logits = self._causal_lm(self._prefixed(examples, _lengths(examples, depth)), use_cache=False).logits
        chosen: Tensor = logits[places.rows, places.columns + self._prefix.shape[1]].float()
        return chosen

    def _prefixed(self, examples: Sequence[Encoded], lengths: Sequence[int]) -> Tensor:
        tokens = padded(examples, lengths).to(self._prefix.device)
        return torch.cat([self._prefix.expand(len(examples), -1), tokens], dim=1)


def _lengths(examples: Sequence[Encoded], depth: int) -> list[int]:
    """Tokens of each example that have to be read to predict after `depth` tokens of its answer."""
    return [len(e.tokens) - e.answer_length + min(depth, e.answer_length - 1) for e in examples]


def _places(examples: Sequence[Encoded], depths: Sequence[Sequence[int]]) -> Places:
    """One place for each depth of each example, in this order."""
    pairs = [
        (row, len(example.tokens) - example.answer_length - 1 + depth)
        for row, (example, wanted) in enumerate(zip(examples, depths, strict=True))
        for depth in wanted
    ]
    rows, columns = zip(*pairs, strict=True)
    return Places(torch.tensor(rows), torch.tensor(columns))


def is_verified(model: PreTrainedModel) -> bool:
    config = model.config
    return (
        config.model_type in VERIFIED
        and not getattr(config, "final_logit_softcapping", None)
        and not getattr(config, "use_bidirectional_attention", False)
        and output_head(model).bias is None
    )
