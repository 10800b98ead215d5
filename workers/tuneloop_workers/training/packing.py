"""Examples in one row: behind the prefix that they share, each sees the prefix and itself, as if it were alone.

Nothing is padded, and the prefix is read once for a whole row with gradients flowing back into it. The price is that
attention is computed between examples and then masked, which is why a row holds so many tokens and no more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

TOKENS = 512
"""Of examples in one row, but for an example that has more by itself."""


@dataclass(frozen=True)
class Pack:
    """One row of T tokens: the prefix, then the first `lengths` tokens of consecutive examples from `first` on."""

    prefix: int
    first: int
    lengths: tuple[int, ...]

    @property
    def members(self) -> slice:
        return slice(self.first, self.first + len(self.lengths))

    @property
    def positions(self) -> Tensor:
        """Of each token in what it sees [T]: every example goes on where the prefix ends."""
        return torch.cat([torch.arange(self.prefix), *(torch.arange(n) + self.prefix for n in self.lengths)])

    @property
    def starts(self) -> list[int]:
        """Column of each member's first token."""
        starts, column = [], self.prefix
        for length in self.lengths:
            starts.append(column)
            column += length
        return starts

    def visible(self, window: int | None = None) -> Tensor:
        """Which tokens [T, T] each token sees, at most `window` back including itself."""
        owners = torch.repeat_interleave(
            torch.arange(len(self.lengths) + 1), torch.tensor([self.prefix, *self.lengths])
        )
        back = self.positions[:, None] - self.positions[None, :]
        seen = ((owners[None, :] == owners[:, None]) | (owners[None, :] == 0)) & (back >= 0)
        return seen if window is None else seen & (back < window)


def packs(prefix: int, lengths: Sequence[int]) -> Iterator[Pack]:
    """Examples of these lengths in their order, in as few rows as `TOKENS` allows."""
    first = 0
    while first < len(lengths):
        last, tokens = first + 1, lengths[first]
        while last < len(lengths) and tokens + lengths[last] <= TOKENS:
            tokens += lengths[last]
            last += 1
        yield Pack(prefix, first, tuple(lengths[first:last]))
        first = last
