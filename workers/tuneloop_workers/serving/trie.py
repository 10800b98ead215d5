"""Label sets as a tree of decisions: the places where the token sequences of the allowed labels part."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tuneloop.kit.errors import InvalidInput


class Branch(NamedTuple):
    """What a next token leads to: one label for certain (`next` is None) or a further choice among `labels`."""

    labels: tuple[int, ...]
    next: "Choice | None"


@dataclass(frozen=True, eq=False)
class Choice:
    """A decision between the next tokens `tokens`, taken after `path`, the answer tokens before it."""

    path: tuple[int, ...]
    tokens: npt.NDArray[np.int64]
    branches: tuple[Branch, ...]

    @property
    def longest_path(self) -> int:
        return max([len(self.path), *(branch.next.longest_path for branch in self.branches if branch.next)])


def build(labels: Mapping[str, Sequence[int]], end: int) -> Choice:
    """The first decision of a label set; tokens shared by all labels cost no decision.

    Every label is closed by `end`, so a label that begins another one competes with it at its end. Labels are numbered
    in the order given. Raises InvalidInput when two labels have the same tokens.
    """
    closed = [(*tokens, end) for tokens in labels.values()]
    for first, second in _duplicates(closed):
        names = list(labels)
        raise InvalidInput(
            f"the labels {names[first]!r} and {names[second]!r} are the same tokens to this base; rename one",
            labels=[names[first], names[second]],
        )
    return _part(closed, tuple(range(len(closed))), 0)


def _part(closed: Sequence[tuple[int, ...]], members: tuple[int, ...], depth: int) -> Choice:
    while len({closed[member][depth] for member in members}) == 1:
        depth += 1
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for member in members:
        groups[closed[member][depth]].append(member)
    branches = tuple(
        Branch(tuple(group), _part(closed, tuple(group), depth + 1) if len(group) > 1 else None)
        for group in groups.values()
    )
    return Choice(closed[members[0]][:depth], np.array(list(groups), dtype=np.int64), branches)


def _duplicates(closed: Sequence[tuple[int, ...]]) -> list[tuple[int, int]]:
    seen: dict[tuple[int, ...], int] = {}
    return [(seen[tokens], index) for index, tokens in enumerate(closed) if seen.setdefault(tokens, index) != index]
