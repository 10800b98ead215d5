"""MinHash sketches: candidates for near-duplicates without comparing every pair of texts.

A sketch holds 64 minima over the words of a text and, for short texts, 64 over its letters. Two sketches are a
candidate when three minima in a row agree (21 bands of 3) and at least half of all do. At an overlap of 0.75 a pair
is missed once in 100,000 by the bands and once in 1,000,000 by the count.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tuneloop.datasets.similarity import Multiset, Shingles

PERMUTATIONS = 64
BAND_ROWS = 3
BANDS = PERMUTATIONS // BAND_ROWS
LEAST_MATCHES = PERMUTATIONS // 2
_MINIMUM = np.dtype("<u4")
_PART_BYTES = PERMUTATIONS * _MINIMUM.itemsize
_RANDOM = np.random.RandomState(1)
_ODD = _RANDOM.randint(0, 1 << 31, PERMUTATIONS, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
_SHIFT = _RANDOM.randint(0, 1 << 32, PERMUTATIONS, dtype=np.uint32)
"""[64] each: x -> odd * x + shift permutes 32-bit numbers."""
_MIX = np.uint64(0x9E3779B97F4A7C15)
_PAIRS_AT_ONCE = 20_000
_ITEMS_AT_ONCE = 4_096

Minima = NDArray[np.uint32]
Indexes = NDArray[np.intp]


def sketch(shingles: Shingles) -> bytes:
    """256 bytes for a long text, 512 for a short one; the same on every machine."""
    return _minima(shingles.words) + (b"" if shingles.letters is None else _minima(shingles.letters))


def candidates(left: Sequence[bytes], right: Sequence[bytes]) -> set[tuple[int, int]]:
    """Pairs (index in left, index in right) that may be near-duplicates. Memory grows with len(left) * len(right)."""
    found: set[tuple[int, int]] = set()
    for part in range(2):
        left_index, left_minima = _part(left, part)
        right_index, right_minima = _part(right, part)
        rows, columns = np.nonzero(_band_hits(left_minima, right_minima))
        for start in range(0, len(rows), _PAIRS_AT_ONCE):
            r, c = rows[start : start + _PAIRS_AT_ONCE], columns[start : start + _PAIRS_AT_ONCE]
            close = (left_minima[r] == right_minima[c]).sum(axis=1) >= LEAST_MATCHES
            found.update(zip(left_index[r[close]].tolist(), right_index[c[close]].tolist(), strict=True))
    return found


def _minima(items: Multiset) -> bytes:
    """The least of each permutation over the items' hashes."""
    hashes = _mixed(np.array([crc32(item.encode()) for item in items], dtype=np.uint32))
    minima = np.full(PERMUTATIONS, np.iinfo(np.uint32).max, dtype=np.uint32)
    for start in range(0, len(hashes), _ITEMS_AT_ONCE):
        permuted = hashes[start : start + _ITEMS_AT_ONCE, None] * _ODD + _SHIFT
        np.minimum(minima, permuted.min(axis=0), out=minima)
    return minima.astype(_MINIMUM).tobytes()


def _mixed(hashes: Minima) -> Minima:
    """MurmurHash3's last step, since a checksum is linear: https://github.com/aappleby/smhasher"""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashes = (hashes ^ (hashes >> np.uint32(shift))) * np.uint32(factor)
    return hashes ^ (hashes >> np.uint32(16))


def _part(sketches: Sequence[bytes], part: int) -> tuple[Indexes, Minima]:
    """Indexes of the sketches that have this part, and their minima [n, 64]."""
    index = [i for i, each in enumerate(sketches) if len(each) >= (part + 1) * _PART_BYTES]
    joined = b"".join(sketches[i][part * _PART_BYTES : (part + 1) * _PART_BYTES] for i in index)
    return np.array(index, dtype=np.intp), np.frombuffer(joined, dtype=_MINIMUM).reshape(-1, PERMUTATIONS)


def _band_hits(left: Minima, right: Minima) -> NDArray[np.bool_]:
    """[n, m], true where any band agrees."""
    hits = np.zeros((len(left), len(right)), dtype=np.bool_)
    for start in range(0, BANDS * BAND_ROWS, BAND_ROWS):
        keys = _band_keys(left, start)
        order = np.argsort(keys)
        wanted = _band_keys(right, start)
        first = np.searchsorted(keys, wanted, side="left", sorter=order)
        counts = np.searchsorted(keys, wanted, side="right", sorter=order) - first
        columns = np.repeat(np.arange(len(right)), counts)
        offsets = np.arange(len(columns)) - np.repeat(np.cumsum(counts) - counts, counts)
        hits[order[np.repeat(first, counts) + offsets], columns] = True
    return hits


def _band_keys(minima: Minima, start: int) -> NDArray[np.uint64]:
    keys = np.zeros(len(minima), dtype=np.uint64)
    for column in range(start, start + BAND_ROWS):
        keys = (keys ^ minima[:, column]) * _MIX
    return keys
