"""Which examples form which batch: decided before the first step, as a pure function of the seed."""

from collections.abc import Iterator, Sequence
from itertools import islice
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from tuneloop_workers.training.data import Encoded
from tuneloop_workers.training.spec import Group

Batch = tuple[int, ...]

_WINDOW = 4
"""Batches whose examples are sorted by length together, to save padding.

Batches of like length are less of a random sample: a window of 16 cost 5 points of accuracy on Banking77.
"""


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
        pools = [_Pool(examples, range(len(examples)), [batch_size] * steps, rng)]
    else:
        fresh = batch_size * new_share
        steps = ceil(epochs * max(len(old) / (batch_size - fresh), len(new) / fresh))
        # The small constant keeps a product such as 5 * 0.6 from losing a whole example to rounding.
        quotas = [floor((step + 1) * fresh + 1e-9) - floor(step * fresh + 1e-9) for step in range(steps)]
        pools = [_Pool(examples, new, quotas, rng), _Pool(examples, old, [batch_size - quota for quota in quotas], rng)]
    batches: list[Batch] = []
    for start in range(0, steps, _WINDOW):
        parts = [pool.window(start, start + _WINDOW) for pool in pools]
        window = [sum(groups, ()) for groups in zip(*parts, strict=True)]
        batches += [window[i] for i in rng.permutation(len(window))]
    return batches


class _Pool:
    """One group's endless shuffled stream, cut into its share of each batch."""

    def __init__(
        self, examples: Sequence[Encoded], indices: Sequence[int], quotas: Sequence[int], rng: np.random.Generator
    ) -> None:
        self._examples = examples
        self._quotas = quotas
        self._stream = _shuffled(np.asarray(indices), rng)

    def window(self, start: int, stop: int) -> list[Batch]:
        quotas = self._quotas[start:stop]
        drawn = sorted(islice(self._stream, sum(quotas)), key=lambda i: len(self._examples[i].tokens))
        ordered = iter(drawn)
        return [tuple(islice(ordered, quota)) for quota in quotas]


def _shuffled(indices: NDArray[np.int64], rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(indices).tolist()
