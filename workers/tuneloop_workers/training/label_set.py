"""Where the tokens of the allowed labels part: the decisions that serving takes, so that training is scored by them.

Serving renormalises over the allowed next tokens at each choice of the label tree and multiplies along the path. The
loss here is the negative logarithm of that product: it needs the output head's rows of a few tokens, not all of them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from tuneloop_workers.serving.trie import Choice, build


class LabelDecision(NamedTuple):
    """Taken after the tokens `path` of the answer: which of the `allowed` comes next, as places in the vocabulary.

    The path tells decisions apart: `card lost`, `card blocked` and `phone lost`, `phone blocked` allow the same twice.
    """

    path: tuple[int, ...]
    chosen: int
    allowed: tuple[int, ...]


class LabelSet(NamedTuple):
    """`vocabulary` are the tokens that any choice is between; `decisions` lead to each label."""

    vocabulary: tuple[int, ...] = ()
    decisions: Mapping[str, tuple[LabelDecision, ...]] = {}

    def leading_to(self, labels: Collection[str]) -> Mapping[tuple[int, ...], tuple[int, ...]]:
        """By the path of a decision, those allowed there by which one of these labels can still be reached."""
        reach: dict[tuple[int, ...], set[int]] = {}
        for label, decisions in self.decisions.items():
            for decision in decisions:
                reach.setdefault(decision.path, set())
                if label in labels:
                    reach[decision.path].add(decision.chosen)
        return {path: tuple(sorted(chosen)) for path, chosen in reach.items()}


def label_set(labels: Mapping[str, Sequence[int]], end: int) -> LabelSet:
    """Raises InvalidInput when two labels have the same tokens."""
    if len(labels) < 2:
        return LabelSet()
    first = build(labels, end)
    vocabulary = tuple(sorted({int(token) for choice in _choices(first) for token in choice.tokens}))
    places = {token: place for place, token in enumerate(vocabulary)}
    return LabelSet(vocabulary, {label: tuple(_path(first, index, places)) for index, label in enumerate(labels)})


def _choices(choice: Choice) -> Iterator[Choice]:
    yield choice
    for branch in choice.branches:
        if branch.next:
            yield from _choices(branch.next)


def _path(choice: Choice, label: int, places: Mapping[int, int]) -> Iterator[LabelDecision]:
    allowed = tuple(places[int(token)] for token in choice.tokens)
    for place, branch in zip(allowed, choice.branches, strict=True):
        if label in branch.labels:
            yield LabelDecision(tuple(map(int, choice.path)), place, allowed)
            if branch.next:
                yield from _path(branch.next, label, places)
