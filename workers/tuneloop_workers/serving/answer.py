"""What an engine gives back: the answer with everything that monitoring and the gate need to know about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

FinishReason = Literal["stop", "length"]


class Alternative(NamedTuple):
    text: str
    logprob: float


class TokenLogprob(NamedTuple):
    """One generated token, its natural log-probability before temperature, and the likeliest tokens in its place."""

    token: int
    text: str
    logprob: float
    alternatives: tuple[Alternative, ...] = ()


class Delta(NamedTuple):
    """Text that became final since the last delta, with the tokens that made it."""

    text: str
    tokens: tuple[TokenLogprob, ...]


@dataclass(frozen=True)
class EngineAnswer:
    """`confidence`: of a label its probability among the allowed labels, of a text the geometric mean of its token
    probabilities, None where a server tells none. `margin`: distance in probability to the second best, for a text at
    its least certain token.
    `probabilities`: by label, summing to one; None for a text. `problem`: why there is no answer; empty where there is.
    """

    text: str
    confidence: float | None
    margin: float | None
    probabilities: Mapping[str, float] | None
    tokens: tuple[TokenLogprob, ...]
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float
    min_logprob: float
    problem: str = ""
