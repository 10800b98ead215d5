"""What an account at OpenAI holds: its keys, its models with their last days, its limits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from threading import Lock
from typing import Any

from tuneloop.kit.clock import now

Answer = Callable[[Sequence[dict[str, Any]]], str]
"""From the messages of a request to the text of the answer."""


@dataclass
class HostedModel:
    """`shutdown_date` of a tuned model is often null though its base has one: it ends with its base.

    `logprob`: of every token it says. A `reasoning` model tells none, and knows `max_completion_tokens` only.
    """

    id: str
    answer: Answer
    owned_by: str = "system"
    shutdown_date: date | None = None
    created: int = 1_721_172_741
    logprob: float = -0.05
    reasoning: bool = False
    context_tokens: int = 128_000

    @property
    def base(self) -> str | None:
        """Of `ft:BASE:ORGANISATION:NAME:ID`."""
        return self.id.split(":")[1] if self.id.startswith("ft:") else None


@dataclass
class Account:
    """One account. `requests_per_minute`: of a key, refilled in steps as the real one does; None for no limit.

    `failure` answers everything in place of the models while it is set: status and OpenAI's error object.
    """

    keys: set[str] = field(default_factory=lambda: {"sk-emulator"})
    models: dict[str, HostedModel] = field(default_factory=dict)
    today: Callable[[], date] = field(default=lambda: now().astimezone(UTC).date())
    requests_per_minute: int | None = None
    credit: bool = True
    failure: tuple[int, dict[str, Any]] | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    used: list[datetime] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def add(self, model: HostedModel) -> HostedModel:
        self.models[model.id] = model
        return model

    def last_day(self, model: HostedModel) -> date | None:
        """Of the model or of its base, whichever is first."""
        base = self.models.get(model.base or "")
        ends = [model.shutdown_date, base.shutdown_date if base else None]
        return min(filter(None, ends), default=None)

    def is_dark(self, model: HostedModel) -> bool:
        """On its last day it answers no more."""
        last = self.last_day(model)
        return last is not None and self.today() >= last
