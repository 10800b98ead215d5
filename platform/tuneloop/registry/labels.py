"""Labels as people write them: found however they are encoded or capitalised, and the closest for what is unknown."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache

from tuneloop.kit.clean_text import look, shown
from tuneloop.kit.errors import InvalidInput

_DIVIDED = re.compile(r"[,;|]")
ALIKE = 0.6
"""How like a label a text must be to be taken for it when somebody asks for that; difflib's own default."""


class LabelIndex:
    """The labels of one contract. Building it once serves any number of texts."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._known = frozenset(labels)
        self._by_look: dict[str, str] = {}
        for label in labels:
            self._by_look.setdefault(look(label), label)

    def find(self, text: str) -> str | None:
        """The label that the text is, or looks like."""
        return text if text in self._known else self._by_look.get(look(text))

    def closest(self, text: str, *, alike: float = 0.0) -> str | None:
        """The label that is written most like the text, if it is at least so much `alike` (0 to 1)."""
        found = get_close_matches(look(text[:200]), self._by_look, n=1, cutoff=alike)
        return self._by_look[found[0]] if found else None

    def parts(self, text: str) -> list[str]:
        """The labels that a text names, divided by commas, semicolons or bars; none where it names something else."""
        named = [self.find(part) for part in _DIVIDED.split(text)] if _DIVIDED.search(text) else []
        labels = [label for label in named if label is not None]
        return labels if len(labels) == len(named) else []


@lru_cache(maxsize=64)
def index_of(labels: tuple[str, ...]) -> LabelIndex:
    return LabelIndex(labels)


def require_unlike(labels: Iterable[str]) -> None:
    """Raises InvalidInput when two labels look alike, with the code points that a reader cannot see."""
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(look(label), label)
        if other != label:
            raise InvalidInput(
                f"the labels {shown(other)} and {shown(label)} look alike; keep one of them", labels=[other, label]
            )
