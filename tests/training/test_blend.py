"""Blends are exact sums of updates; compression is the best approximation of its rank."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tuneloop.kit.errors import CorruptArtifact, InvalidInput
from tuneloop_workers.training.adapter import Adapter, Factors, read_adapter, write_adapter
from tuneloop_workers.training.blend import blend, compress, fit

MODULE = "base_model.model.model.layers.0.mlp.up_proj"


def adapter(seed: int, rank: int = 4, alpha: float = 8.0) -> Adapter:
    generator = torch.Generator().manual_seed(seed)
    factors = Factors(torch.randn(rank, 12, generator=generator), torch.randn(10, rank, generator=generator))
    return Adapter({MODULE: factors}, rank, alpha)


def update(value: Adapter) -> Tensor:
    factors = value.factors[MODULE]
    return value.scaling * factors.b @ factors.a


def test_blend_is_the_scaled_sum_of_the_updates() -> None:
    first, second = adapter(1), adapter(2, rank=3, alpha=5.0)
    blended = blend([(first, 0.3), (second, 0.7)])
    assert blended.rank == 7
    torch.testing.assert_close(update(blended), 0.3 * update(first) + 0.7 * update(second))


def test_fit_to_the_same_rank_changes_no_update() -> None:
    torch.testing.assert_close(update(fit(adapter(1), rank=4, alpha=3.0)), update(adapter(1)))


def test_single_parent_keeps_its_factors_bit_for_bit() -> None:
    parent = adapter(1)
    loaded = fit(blend([(parent, 1.0)]), rank=4, alpha=8.0)
    assert torch.equal(loaded.factors[MODULE].a, parent.factors[MODULE].a)
    assert torch.equal(loaded.factors[MODULE].b, parent.factors[MODULE].b)


def test_compress_equals_the_truncated_svd_of_the_full_update() -> None:
    whole = blend([(adapter(1), 0.5), (adapter(2), 0.5)])
    u, singular, v = torch.linalg.svd(update(whole))
    best = (u[:, :4] * singular[:4]) @ v[:4]
    torch.testing.assert_close(update(compress(whole, 4)), best, rtol=1e-5, atol=1e-5)


def test_compress_of_one_lineage_is_exact() -> None:
    parent = adapter(1)
    whole = blend([(parent, 0.5), (parent, 0.5)])
    torch.testing.assert_close(update(compress(whole, 4)), update(parent), rtol=1e-5, atol=1e-5)


def test_parent_of_lower_rank_is_refused() -> None:
    with pytest.raises(InvalidInput, match="rank 4, the run asks for 8"):
        fit(adapter(1), rank=8, alpha=16.0)


def test_parts_of_different_layers_are_refused() -> None:
    other = Adapter({"base_model.model.model.layers.1.mlp.up_proj": adapter(2).factors[MODULE]}, 4, 8.0)
    with pytest.raises(CorruptArtifact, match="different layers"):
        blend([(adapter(1), 0.5), (other, 0.5)])


def test_adapter_survives_the_disk(tmp_path: Path) -> None:
    write_adapter(adapter(1), tmp_path)
    found = read_adapter(tmp_path)
    assert (found.rank, found.alpha) == (4, 8.0)
    assert torch.equal(found.factors[MODULE].b, adapter(1).factors[MODULE].b)


def test_adapter_with_values_that_are_not_finite_is_refused(tmp_path: Path) -> None:
    broken = adapter(1)
    broken.factors[MODULE].a[0, 0] = float("nan")
    write_adapter(broken, tmp_path)
    with pytest.raises(CorruptArtifact, match="not finite"):
        read_adapter(tmp_path)


def test_truncated_adapter_is_refused(tmp_path: Path) -> None:
    write_adapter(adapter(1), tmp_path)
    weights = tmp_path / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CorruptArtifact, match="can't be read"):
        read_adapter(tmp_path)


def test_adapter_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifact, match="can't be read"):
        read_adapter(tmp_path)
