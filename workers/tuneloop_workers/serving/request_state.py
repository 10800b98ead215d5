"""A request on its way through the engine."""

from dataclasses import dataclass
from typing import NamedTuple

from tuneloop.kit.errors import TuneloopError
from tuneloop_workers.serving.answer import EngineAnswer
from tuneloop_workers.serving.decoding import Decoder
from tuneloop_workers.serving.prefix import Prefix
from tuneloop_workers.serving.servable import Servable


class Finished(NamedTuple):
    """End of a request: an answer, the reason why there is none, or None for a warmed version."""

    ticket: int
    outcome: EngineAnswer | TuneloopError | None


@dataclass(eq=False)
class Run:
    """A request on its way; `pending` tokens come next, from `position` on. Without a decoder it only warms up."""

    ticket: int
    version: Servable
    suffix: tuple[int, ...]
    decoder: Decoder | None
    started: float
    sequence: int = -1
    prefix: Prefix | None = None
    position: int = 0
    pending: tuple[int, ...] = ()

    @property
    def prompt_tokens(self) -> int:
        return len(self.version.prefix) + len(self.suffix)

    @property
    def cells(self) -> int:
        """Memory that this request may fill, beside a shared prefix."""
        own_prefix = 0 if self.prefix else len(self.version.prefix)
        return own_prefix + len(self.suffix) + (self.decoder.longest if self.decoder else 0)
