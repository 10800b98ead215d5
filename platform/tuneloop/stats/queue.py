"""In which order people label the answers in which two versions differ.

A gate waits longest for the proof about strong categories. Where neither answer is of a target category the query is
nearly always of a strong one; where one is, it is mostly the gain that everybody expects, and now and then a strong
answer lost to the target. So the first kind is labelled at twice the rate of the second. Within each kind the order is
random, so both are random samples, and each label weighs as much as the differences it stands for.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_RATE = 2

T = TypeVar("T")


def in_order(shuffled: Sequence[T], near: Sequence[bool]) -> list[T]:
    """Pairs in random order, as they are to be labelled; `near` says of each whether it is near a target category."""
    kinds = [[pair for pair, close in zip(shuffled, near, strict=True) if close == kind] for kind in (False, True)]
    waiting = [iter(kind) for kind in kinds]
    return [next(waiting[kind]) for kind in order(*map(len, kinds))]


def order(apart: int, near: int) -> NDArray[np.int_]:
    """Which kind comes when: (apart + near,) of 0 for a pair apart from the target categories and 1 for one near them.

    At each point twice as large a part of the first kind is done, until it is finished.
    """
    turns = np.concatenate([(np.arange(apart) + 0.5) / max(apart, 1) / _RATE, (np.arange(near) + 0.5) / max(near, 1)])
    kinds = np.repeat([0, 1], [apart, near])
    return kinds[np.argsort(turns, kind="stable")]
