"""Which examples form which batch: decided before the first step, as a pure function of the seed."""

from collections.abc import Iterator, Sequence
from itertools import islice
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from tuneloop_workers.training.data import Encoded
from tuneloop_workers.training.spec import Group

Batch = tuple[int, ...]


def plan_batches(
    examples: Sequence[Encoded], *, epochs: int, batch_size: int, new_share: float | None, seed: int
) -> list[Batch]:
    """Batches of indices into `examples`.

    With a `new_share`, every batch holds that share of new examples (rounded so that the run's total is exact), and
    an epoch is the fewest batches in which each example appears; the smaller group repeats.
    """
    rng = np.random.default_rng(seed)
    old = [i for i, example in enumerate(examples) if example.group is Group.OLD]
    new = [i for i, example in enumerate(examples) if example.group is Group.NEW]
    if new_share is None or not old or not new:
        steps = ceil(epochs * len(examples) / batch_size)
        return list(_cut(range(len(examples)), [batch_size] * steps, rng))
    fresh = batch_size * new_share
    steps = ceil(epochs * max(len(old) / (batch_size - fresh), len(new) / fresh))
    # The small constant keeps a product such as 5 * 0.6 from losing a whole example to rounding.
    quotas = [floor((step + 1) * fresh + 1e-9) - floor(step * fresh + 1e-9) for step in range(steps)]
    parts = _cut(new, quotas, rng), _cut(old, [batch_size - quota for quota in quotas], rng)
    return [first + second for first, second in zip(*parts, strict=True)]


def _cut(indices: Sequence[int], quotas: Sequence[int], rng: np.random.Generator) -> Iterator[Batch]:
    """An endless shuffled stream of the indices, so many of it for each batch."""
    stream = _shuffled(np.asarray(indices), rng)
    return (tuple(islice(stream, quota)) for quota in quotas)


def _shuffled(indices: NDArray[np.int64], rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(indices).tolist()
