"""What a training step minimises: the loss of the answers, and how far others move that are to stay as they are."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from tuneloop_workers.training.data import Encoded, Encoder
from tuneloop_workers.training.spec import Group, TrainSpec
from tuneloop_workers.training.step import CompletionLoss, Kept

VOCABULARY_EVERY = 4
"""Of so many steps, one takes its loss over the whole vocabulary instead of the labels.

Serving only ever chooses between labels, but an exported adapter also runs where nothing holds it to them: trained on
label losses alone, a model answered none of 40 messages freely with a label.
"""

TRAFFIC_SHARE = 0.5
"""Messages of traffic for each example of a batch."""


class Objective:
    """Loss of the batch of a step, as a pure function of its number and the seed.

    `examples` are all that the run trains on. `traffic` are messages with what the parent answered, right or wrong;
    between the labels that are to stay, the model keeps the parent's preferences on them (self-distillation). Made
    while the model still is its parent.
    """

    def __init__(
        self,
        loss: CompletionLoss,
        spec: TrainSpec,
        encode: Encoder,
        examples: Sequence[Encoded],
        traffic: Sequence[Encoded] = (),
    ) -> None:
        self._loss = loss
        self._chooses = bool(examples[0].decisions)
        self._offsets = _offsets(examples, spec.new_share, spec.strictness) if self._chooses else {}
        staying = encode.labels.leading_to(spec.staying)
        self._kept = [
            Kept(message, among(probabilities, [staying[d.path] for d in message.decisions]))
            for message, probabilities in zip(traffic, loss.label_probabilities(traffic), strict=True)
        ]
        self._many = round(spec.batch_size * TRAFFIC_SHARE)
        self._seed = spec.seed

    def comparable(self, step: int) -> bool:
        """Whether the loss of a step is of the same kind as that of the first."""
        return not self._chooses or step % VOCABULARY_EVERY != VOCABULARY_EVERY - 1

    def __call__(self, step: int, batch: Sequence[Encoded]) -> Tensor:
        if not (self._chooses and self.comparable(step)):
            return self._loss.vocabulary_loss(batch)
        return self._loss.label_loss(batch, offsets=self._offsets, kept=self._drawn(step))

    def _drawn(self, step: int) -> list[Kept]:
        """The step's part of an endless stream of passes over the traffic, each in an order of its own."""
        found = []
        for place in range(step * self._many, (step + 1) * self._many if self._kept else 0):
            turn, index = divmod(place, len(self._kept))
            order = np.random.default_rng((self._seed, turn)).permutation(len(self._kept))
            found.append(self._kept[order[index]])
        return found


def among(probabilities: Tensor, staying: Sequence[Sequence[int]]) -> Tensor:
    """Probabilities [D, U] renormalised over the tokens that stay, as `Kept` wants them."""
    kept = torch.full_like(probabilities, torch.nan)
    for row, tokens in enumerate(staying):
        if len(tokens) < 2:
            kept[row] = 0.0
        else:
            chosen = probabilities[row, list(tokens)]
            kept[row, list(tokens)] = chosen / chosen.sum()
    return kept


def _offsets(
    examples: Sequence[Encoded], new_share: float | None, strictness: float
) -> Mapping[tuple[int, ...], Tensor]:
    """By the path of a decision, the log of how much more often batches show each that is allowed than the data does.

    Added to the logits while training, so that a category which fills a tenth of the batches is not answered more
    often for that afterwards (logit adjustment: Menon et al. 2021). With a `strictness` above 1 it has to be surer.
    """
    sizes = Counter(example.group for example in examples)
    weights = dict.fromkeys(Group, 1.0)
    if new_share is not None and len(sizes) > 1:
        shares = {Group.NEW: new_share, Group.OLD: 1 - new_share}
        weights = {group: shares[group] * len(examples) / sizes[group] for group in Group}
    allowed: dict[tuple[int, ...], tuple[int, ...]] = {}
    shown: dict[tuple[int, ...], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    there: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for example in examples:
        for path, chosen, possible in example.decisions:
            allowed[path] = possible
            shown[path][chosen] += weights[example.group]
            there[path][chosen] += 1
    return {
        path: strictness
        * torch.tensor([math.log(shown[path][token] / n) if (n := seen[token]) else 0.0 for token in allowed[path]])
        for path, seen in there.items()
    }
