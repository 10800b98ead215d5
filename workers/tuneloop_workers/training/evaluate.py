"""Dev loss: mean negative log-likelihood of the answers, overall and by stratum."""

from collections.abc import Sequence

import torch

from tuneloop_workers.training.data import Encoded
from tuneloop_workers.training.spec import Group
from tuneloop_workers.training.step import CompletionLoss

_ROWS = 32


def dev_loss(loss: CompletionLoss, examples: Sequence[Encoded]) -> dict[Group, float]:
    """Mean over the examples of each stratum that has any, in nats: of labels, or per token of free answers."""
    strata = {group: [e for e in examples if e.group is group] for group in Group}
    return {group: mean_loss(loss, members) for group, members in strata.items() if members}


@torch.no_grad()
def mean_loss(loss: CompletionLoss, examples: Sequence[Encoded]) -> float:
    total = 0.0
    for start in range(0, len(examples), _ROWS):
        rows = examples[start : start + _ROWS]
        total += loss.served_loss(rows).item() * len(rows)
    return total / len(examples)
