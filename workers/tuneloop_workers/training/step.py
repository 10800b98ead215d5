"""One forward pass of a training step: the loss of a batch's completions, and nothing that does not reach it.

Exact savings over the usual causal-LM loss. Logits exist only where a completion token is predicted and, where labels
are chosen, only of the tokens that serving chooses between. No token is padding, and the prefix that all examples share
is run once for all of them. Layers below the trained ones are run once for each example, not once for each step.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from tuneloop_workers.training.base import output_head
from tuneloop_workers.training.chunked_cross_entropy import completion_nll
from tuneloop_workers.training.data import Encoded
from tuneloop_workers.training.decoder import PackedDecoder
from tuneloop_workers.training.label_set import LabelDecision, LabelSet

VERIFIED = frozenset({"gemma3_text", "llama", "qwen2", "qwen3"})
"""Architectures for which tests prove that the savings leave loss and gradients as they are."""

Depths = Sequence[Sequence[int]]
"""For each example, the numbers of answer tokens after which something is predicted."""


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
        self._causal_lm: Any = base
        decoder = base.get_decoder()  # type: ignore[no-untyped-call]
        self._packed = PackedDecoder(decoder, self._prefix) if is_verified(base) else None
        self._head = output_head(base).weight
        self._label_head = self._head[list(labels.vocabulary)]
        self._labels = labels

    def freeze_below(self, top_layers: int, examples: Sequence[Encoded]) -> None:
        """From now on only the last layers are run; `examples` are all that will be asked about."""
        if self._packed is not None:
            self._packed.freeze_below(top_layers, examples)

    def thaw(self) -> None:
        """Puts the whole model together again."""
        if self._packed is not None:
            self._packed.thaw()

    def served_loss(self, examples: Sequence[Encoded]) -> Tensor:
        """Of the labels as serving chooses between them, or of free answers."""
        return self.label_loss(examples) if self._labels.vocabulary else self.vocabulary_loss(examples)

    def vocabulary_loss(self, examples: Sequence[Encoded]) -> Tensor:
        """Mean negative log-likelihood of the completions' tokens among all tokens, in nats."""
        device = self._prefix.device
        targets = torch.tensor([token for e in examples for token in e.tokens[-e.answer_length :]], device=device)
        depths = [range(e.answer_length) for e in examples]
        if self._packed is not None:
            nll = completion_nll(self._hidden(self._packed, examples, depths), self._head, targets)
        else:
            logits = self._all_logits(examples, depths)
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
    def label_probabilities(self, examples: Sequence[Encoded]) -> tuple[Tensor, ...]:
        """Of each example's D decisions among the U tokens of the label set: [D, U], on the CPU."""
        if not examples:
            return ()
        probabilities = self._decide(examples).softmax(dim=-1).cpu()
        ends = list(itertools.accumulate(len(e.decisions) for e in examples))
        return torch.tensor_split(probabilities, ends[:-1])

    def _decide(self, examples: Sequence[Encoded]) -> Tensor:
        """Logits [P, U] in fp32 at every decision of every example, -inf for what is not allowed."""
        decisions = [decision for e in examples for decision in e.decisions]
        depths = [[len(d.path) for d in e.decisions] for e in examples]
        if self._packed is not None:
            logits = self._hidden(self._packed, examples, depths) @ self._label_head.T
        else:
            logits = self._all_logits(examples, depths)[:, list(self._labels.vocabulary)]
        forbidden = torch.ones(logits.shape, dtype=torch.bool)
        for row, decision in enumerate(decisions):
            forbidden[row, list(decision.allowed)] = False
        return logits.float().masked_fill(forbidden.to(logits.device), -torch.inf)

    def _spread(self, decisions: Sequence[LabelDecision], offsets: Mapping[tuple[int, ...], Tensor]) -> Tensor:
        """The offsets of each decision in its row [P, U]."""
        spread = torch.zeros(len(decisions), len(self._labels.vocabulary))
        for row, decision in enumerate(decisions):
            spread[row, list(decision.allowed)] = offsets[decision.path]
        return spread

    def _hidden(self, packed: PackedDecoder, examples: Sequence[Encoded], depths: Depths) -> Tensor:
        """Final hidden states [P, d] that predict what follows so many tokens of each example's answer."""
        lengths = _read(examples, depths)
        found = []
        for pack, states in packed.states(examples, lengths):
            members = zip(pack.starts, examples[pack.members], depths[pack.members], strict=True)
            found.append(states[[start + place for start, e, own in members for place in _places(e, own)]])
        return torch.cat(found)

    def _all_logits(self, examples: Sequence[Encoded], depths: Depths) -> Tensor:
        """The model's own logits [P, V] in fp32, by whatever its head does: of one example after the other."""
        found = []
        for example, length, own in zip(examples, _read(examples, depths), depths, strict=True):
            tokens = torch.tensor([example.tokens[:length]], device=self._prefix.device)
            logits = self._causal_lm(torch.cat([self._prefix, tokens], dim=1), use_cache=False).logits[0].float()
            found.append(logits[[self._prefix.shape[1] + place for place in _places(example, own)]])
        return torch.cat(found)


def _read(examples: Sequence[Encoded], depths: Depths) -> list[int]:
    """Tokens of each example that have to be read to predict after the deepest of these."""
    return [len(e.tokens) - e.answer_length + max(own) for e, own in zip(examples, depths, strict=True)]


def _places(example: Encoded, depths: Sequence[int]) -> list[int]:
    """Tokens of an example whose states predict what follows so many tokens of its answer."""
    return [len(example.tokens) - example.answer_length - 1 + depth for depth in depths]


def is_verified(model: PreTrainedModel) -> bool:
    config = model.config
    return (
        config.model_type in VERIFIED
        and not getattr(config, "final_logit_softcapping", None)
        and not getattr(config, "use_bidirectional_attention", False)
        and output_head(model).bias is None
    )
