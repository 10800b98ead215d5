"""Blends of adapters: exact by rank concatenation, and back to a given rank by truncated SVD."""

from collections.abc import Sequence

import torch

from tuneloop.kit.errors import CorruptArtifact, InvalidInput
from tuneloop_workers.training.adapter import Adapter, Factors


def blend(parts: Sequence[tuple[Adapter, float]]) -> Adapter:
    """The adapter whose update is exactly the sum of `scale * update` of the parts; ranks add up.

    Scales and each part's own alpha / rank are folded into b, so the result's scaling is one.
    """
    modules = set(parts[0][0].factors)
    if any(set(adapter.factors) != modules for adapter, _ in parts):
        raise CorruptArtifact("the parts of a blend adapt different layers; they are not of one base and recipe")
    factors = {
        name: Factors(
            torch.cat([adapter.factors[name].a for adapter, _ in parts], dim=0),
            torch.cat([adapter.factors[name].b * (scale * adapter.scaling) for adapter, scale in parts], dim=1),
        )
        for name in sorted(modules)
    }
    rank = sum(adapter.rank for adapter, _ in parts)
    return Adapter(factors, rank, alpha=float(rank))


def fit(adapter: Adapter, rank: int, alpha: float) -> Adapter:
    """The same update at `rank` and `alpha`: exact when the rank is unchanged, else the nearest of lower rank."""
    if adapter.rank < rank:
        raise InvalidInput(
            f"the parent has rank {adapter.rank}, the run asks for {rank}; ask for {adapter.rank} or train from_base",
            parent_rank=adapter.rank,
            rank=rank,
        )
    lower = adapter if adapter.rank == rank else compress(adapter, rank)
    factor = lower.scaling * rank / alpha
    return Adapter({name: Factors(f.a, f.b * factor) for name, f in lower.factors.items()}, rank, alpha)


def compress(adapter: Adapter, rank: int) -> Adapter:
    """Nearest adapter of a lower rank in the Frobenius norm, with scaling one (Eckart-Young).

    The SVD is taken of the small core between the factors' QR decompositions, never of the full update.
    """
    return Adapter({n: _truncate(f, adapter.scaling, rank) for n, f in adapter.factors.items()}, rank, float(rank))


def _truncate(factors: Factors, scaling: float, rank: int) -> Factors:
    left, left_core = torch.linalg.qr(factors.b.double() * scaling)
    right, right_core = torch.linalg.qr(factors.a.double().T)
    u, singular, v = torch.linalg.svd(left_core @ right_core.T)
    root = singular[:rank].sqrt()
    return Factors(
        a=(root.unsqueeze(1) * (v[:rank] @ right.T)).float().contiguous(),
        b=((left @ u[:, :rank]) * root).float().contiguous(),
    )
