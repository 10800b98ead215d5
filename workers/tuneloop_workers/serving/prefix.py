"""Prompt prefixes kept in the context's memory, evaluated once per adapter set and shared by every request."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tuneloop_workers.serving.servable import AdapterKey, Servable


@dataclass
class Prefix:
    """`evaluated` counts the tokens in memory so far; `users` the requests that stand on it."""

    servable: Servable
    sequence: int
    evaluated: int = 0
    users: int = 0

    @property
    def cells(self) -> int:
        return len(self.servable.prefix)

    @property
    def ready(self) -> bool:
        return self.evaluated == self.cells


class PrefixCache:
    """Prefixes by adapter set and tokens, least recently used first; `forget(sequence)` empties a slot."""

    def __init__(self, sequences: Iterable[int], forget: Callable[[int], None]) -> None:
        self._free = list(sequences)
        self._forget = forget
        self._prefixes: dict[tuple[AdapterKey, tuple[int, ...]], Prefix] = {}
        self.enabled = bool(self._free)

    def __iter__(self) -> Iterator[Prefix]:
        return iter(self._prefixes.values())

    def find(self, servable: Servable) -> Prefix | None:
        key = (servable.key, servable.prefix)
        if prefix := self._prefixes.pop(key, None):
            self._prefixes[key] = prefix
        return prefix

    def add(self, servable: Servable) -> Prefix | None:
        """None when every slot is in use."""
        if not self._free and not self.evict():
            return None
        prefix = self._prefixes[servable.key, servable.prefix] = Prefix(servable, self._free.pop())
        return prefix

    def evict(self) -> int:
        """Drops the prefix that nobody has used for longest; the cells it frees, 0 when all are in use."""
        for key, prefix in self._prefixes.items():
            if not prefix.users:
                del self._prefixes[key]
                self._forget(prefix.sequence)
                self._free.append(prefix.sequence)
                return prefix.cells
        return 0

    def clear(self) -> None:
        while self.evict():
            pass
