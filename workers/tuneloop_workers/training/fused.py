"""What a decoder layer does most, in one operation each: LoRA linear layers in the base's precision, and RMS norms.

PEFT casts every activation to fp32 and back for its two thin products. Here they run in the precision of the frozen
weight and accumulate into its output and input gradient, which saves a sixth of a bf16 step on a CPU. The adapter's
parameters and their gradients stay fp32; in fp32 the result is PEFT's. A norm written out takes eight passes over its
input and ten over its gradient; here four and five, as its weight is frozen.
"""

from functools import partial
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import Linear
from torch import Tensor
from torch.autograd.function import once_differentiable
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm


class FusedLoraLinear(torch.autograd.Function):
    """x [..., in], frozen weight [out, in] and bias [out], a [r, in], b [out, r] -> [..., out]."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scaling: float
    ) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        down, up = a.to(x.dtype), (b * scaling).to(x.dtype)
        inner = rows @ down.T
        out = rows @ weight.T if bias is None else torch.addmm(bias, rows, weight.T)
        out.addmm_(inner, up.T)
        ctx.save_for_backward(rows, weight, down, up, inner)
        ctx.scaling, ctx.shape = scaling, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None, Tensor, Tensor, None]:
        rows, weight, down, up, inner = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1])
        grad_inner = grad @ up
        grad_a = (grad_inner.T @ rows).float()
        grad_b = (grad.T @ inner).float().mul_(ctx.scaling)
        # The first layer's input is the frozen embedding: nobody asks for its gradient.
        grad_x = (grad @ weight).addmm_(grad_inner, down).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return grad_x, None, None, grad_a, grad_b, None


class FusedRmsNorm(torch.autograd.Function):
    """x [..., d] of root mean square one, times weight [d] in fp32, in the precision of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        wide = x.float()
        squares = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_()
        scale = squares.div_(x.shape[-1]).add_(epsilon).rsqrt_()
        normed = wide * scale
        ctx.save_for_backward(normed, scale, weight)
        out: Tensor = (normed * weight).to(x.dtype)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        normed, scale, weight = ctx.saved_tensors
        inner = grad.float() * weight
        along = (inner * normed).sum(dim=-1, keepdim=True).div_(normed.shape[-1])
        return inner.addcmul_(normed, along, value=-1).mul_(scale).to(grad.dtype), None, None


def fuse(model: PeftModel) -> None:
    """Replace the forward pass of LoRA layers and norms; the model then has exactly its `default` adapter active."""
    for layer in model.modules():
        if isinstance(layer, Linear):
            layer.forward = partial(_forward, layer)  # type: ignore[method-assign]
        elif isinstance(layer, Gemma3RMSNorm):
            layer.forward = partial(_normed, 1.0 + layer.weight.detach().float(), layer.eps)  # type: ignore[method-assign]
        elif isinstance(layer, LlamaRMSNorm | Qwen2RMSNorm | Qwen3RMSNorm):
            weight, epsilon = layer.weight.detach().float(), layer.variance_epsilon
            layer.forward = partial(_normed, weight, epsilon)  # type: ignore[method-assign]


def _normed(weight: Tensor, epsilon: float, x: Tensor) -> Tensor:
    out: Tensor = FusedRmsNorm.apply(x, weight, epsilon)  # type: ignore[no-untyped-call]
    return out


def _forward(layer: Linear, x: Tensor) -> Tensor:
    out: Tensor = FusedLoraLinear.apply(  # type: ignore[no-untyped-call]
        x,
        layer.base_layer.weight,
        layer.base_layer.bias,
        layer.lora_A["default"].weight,
        layer.lora_B["default"].weight,
        layer.scaling["default"],
    )
    return out
