"""The seam between the scheduler and the two ways to answer: what to decode next, given the last logits."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tuneloop_workers.llama import Logits
from tuneloop_workers.serving.answer import EngineAnswer


@dataclass(frozen=True)
class Options:
    """How a generated answer is decoded; labels are always scored exactly. Temperature 0 is greedy."""

    max_tokens: int
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    alternatives: int = 0


class Move(NamedTuple):
    """Keep the first `keep` tokens after the prompt, decode `tokens` behind them, and come back with the logits."""

    keep: int
    tokens: tuple[int, ...]


class Decoder(Protocol):
    """State of one answer in the making."""

    @property
    def opening(self) -> tuple[int, ...]:
        """Tokens decoded with the prompt, before the first decision."""

    @property
    def longest(self) -> int:
        """Most tokens that can stand behind the prompt at one time."""

    def advance(self, logits: Logits) -> Move | None:
        """Takes one decision; None when the answer is complete."""

    def answer(self, prompt_tokens: int, latency_ms: float) -> EngineAnswer: ...
