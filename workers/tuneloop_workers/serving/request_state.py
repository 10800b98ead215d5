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


SHORT_TOKENS = 64
GROWTH_TOKENS = 32


@dataclass(eq=False)
class Run:
    """A request on its way; `pending` tokens come next, from `position` on. Without a decoder it only warms up.

    `behind`: the tokens after the prompt, from which it can go on after its memory was taken away. `passed` and
    `waited`: in how many decodes it found no memory, and no sequence.
    """

    ticket: int
    version: Servable
    suffix: tuple[int, ...]
    decoder: Decoder | None
    started: float
    sequence: int = -1
    prefix: Prefix | None = None
    position: int = 0
    pending: tuple[int, ...] = ()
    behind: tuple[int, ...] = ()
    passed: int = 0
    waited: int = 0

    @property
    def prompt_tokens(self) -> int:
        return len(self.version.prefix) + len(self.suffix)

    @property
    def short(self) -> bool:
        """Labels and brief texts: they go first, since nobody waits long for them."""
        return self.decoder is None or self.decoder.longest <= SHORT_TOKENS

    @property
    def cells(self) -> int:
        """Memory that this request fills now, beside a shared prefix; a short one counts with its end."""
        ahead = self.decoder.longest if self.decoder and self.short else 0
        return max(self.position + len(self.pending), self.prompt_tokens + ahead) - self._shared

    @property
    def cells_to_begin(self) -> int:
        """What must be free to let it in, beside a shared prefix; a long one may grow for a while."""
        longest = self.decoder.longest if self.decoder else 0
        ahead = longest if self.short else min(longest, len(self.behind) + GROWTH_TOKENS)
        return self.prompt_tokens + ahead - self._shared

    @property
    def _shared(self) -> int:
        return self.prefix.cells if self.prefix else 0

    def give_up_memory(self) -> None:
        """It begins anew where it stood, once there is room."""
        self.sequence, self.prefix, self.position, self.pending = -1, None, 0, ()
