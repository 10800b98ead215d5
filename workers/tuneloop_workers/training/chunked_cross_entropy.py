"""Cross-entropy through a frozen output head in memory that does not grow with vocabulary times positions.

The gradient of the hidden states is formed while a chunk's logits are at hand, so no logits outlive their chunk and
the backward pass costs nothing. Possible because the head itself needs no gradient.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_ROWS = 128


class FrozenHeadLoss(torch.autograd.Function):
    """hidden [P, d], head [V, d], targets [P] -> negative log-likelihood [P] in fp32."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        losses, gradients = [], []
        for rows, wanted in zip(torch.split(hidden, _ROWS), torch.split(targets, _ROWS), strict=True):
            log_probabilities = (rows @ head.T).float().log_softmax(dim=-1)
            index = wanted.unsqueeze(1)
            losses.append(-log_probabilities.gather(1, index).squeeze(1))
            if ctx.needs_input_grad[0]:
                residual = log_probabilities.exp_()
                residual.scatter_add_(1, index, torch.full_like(index, -1.0, dtype=residual.dtype))
                gradients.append(residual.to(head.dtype) @ head)
        if gradients:
            ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(losses)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_losses: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return (gradient.float() * grad_losses.unsqueeze(1)).to(gradient.dtype), None, None


def completion_nll(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood [P] of `targets` [P] given hidden states [P, d] and a head [V, d] that is not trained."""
    nll: Tensor = FrozenHeadLoss.apply(hidden, head, targets)  # type: ignore[no-untyped-call]
    return nll
