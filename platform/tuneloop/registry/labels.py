"""Labels as people write them: found however they are encoded or capitalised, and the closest for what is unknown."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache

from tuneloop.kit.clean_text import clean, clean_name, look, shown
from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.contract import Contract

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


def clean_contract(contract: Contract, *, kept: Sequence[str] = ()) -> Contract:
    """Texts and labels as they are stored. Labels that are `kept` stay as they are, since versions know them so.

    Raises:
        InvalidInput: a new label looks like another one.
    """
    names = {label: label if label in kept else clean_name(label) for label in contract.labels}
    seen = {look(label): label for label in kept if label in names}
    for given, label in names.items():
        if label in kept:
            continue
        if not label:
            raise InvalidInput(f"the label {shown(given)} cannot be seen; write another one", label=given)
        other = seen.setdefault(look(label), given)
        if other != given:
            raise InvalidInput(
                f"the labels {shown(other)} and {shown(given)} look alike; keep one of them", labels=[other, given]
            )
    return contract.model_copy(
        update={
            "system_prompt": clean(contract.system_prompt),
            "facts": clean(contract.facts),
            "labels": tuple(names.values()),
            "groups": {names[label]: clean_name(group) for label, group in contract.groups.items()},
        }
    )
