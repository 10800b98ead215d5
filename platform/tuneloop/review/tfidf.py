"""Texts as TF-IDF vectors by feature hashing, and a diverse choice among them. Pure numpy, deterministic."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import log
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tuneloop.datasets.similarity import canonical

DIMENSIONS = 2_048

Vectors = NDArray[np.float32]
Floats = NDArray[np.floating]


def vectors(texts: Sequence[str]) -> Vectors:
    """[n, DIMENSIONS], rows of unit length; words and word pairs, weighted by how rare they are among the texts."""
    found = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for row, text in enumerate(texts):
        columns, weights = _terms(text)
        found[row, columns] = weights
    spread = (found > 0).sum(axis=0)
    found *= np.log((1 + len(texts)) / (1 + spread)).astype(np.float32) + 1
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    found /= np.where(norms > 0, norms, 1)
    return found


@lru_cache(maxsize=8_192)
def _terms(text: str) -> tuple[NDArray[np.intp], Vectors]:
    """Columns and weights of one text: who labels meets the same ones with every next item."""
    words = canonical(text).split(" ")
    weights: dict[int, float] = defaultdict(float)
    for term, n in Counter([*words, *(f"{left} {right}" for left, right in pairwise(words))]).items():
        weights[crc32(term.encode()) % DIMENSIONS] += 1 + log(n)
    return np.fromiter(weights, dtype=np.intp), np.fromiter(weights.values(), dtype=np.float32)


def k_centre(points: Vectors, weights: Floats, k: int, *, taken: Vectors | None = None) -> list[int]:
    """Indexes of at most k rows, each the one with the largest weight times distance from all chosen before.

    Greedy k-centre (Gonzalez 1985), weighted so that among equally new texts the most uncertain is first.
    """
    reach = np.full(len(points), 2.0)
    if taken is not None and len(taken):
        reach = 1 - (points @ taken.T).max(axis=1)
    chosen: list[int] = []
    for _ in range(min(k, len(points))):
        score = np.where(reach < 0, -1.0, weights * np.maximum(reach, 1e-6))
        best = int(score.argmax())
        chosen.append(best)
        reach = np.minimum(reach, 1 - points @ points[best])
        reach[chosen] = -1.0
    return chosen
