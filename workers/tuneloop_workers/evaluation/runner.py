"""Runs an evaluation set against the artifact that ships, or against any OpenAI-compatible server."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tuneloop.evaluation.given import Conversation
from tuneloop.evaluation.service import UNANSWERED
from tuneloop.kit.errors import InvalidInput, TuneloopError
from tuneloop.registry.contract import Manifest
from tuneloop_workers.serving.answer import EngineAnswer
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.serving.servable import LoraFile

Progress = Callable[[int, int], None]
"""Called with the number of answers so far and the number wanted; what it raises ends the run."""


class Runner(Protocol):
    def answer(self, conversations: Sequence[Conversation], progress: Progress) -> list[EngineAnswer]:
        """One answer per conversation, in the same order; `unanswered` for one that cannot be asked."""


def unanswered(reason: str) -> EngineAnswer:
    """Stands for an answer where there is none, so that a set is evaluated whatever one of its items is."""
    return EngineAnswer("", 0.0, 0.0, None, (), "stop", 0, 0, 0.0, float("-inf"), problem=f"{UNANSWERED}{reason}")


class LocalRunner:
    """Answers with the GGUF artifact itself.

    The engine starts from empty memory and forms its batches from the order of the conversations alone, so the same
    set gives bitwise the same numbers again. The engine must be idle and belong to the calling thread.
    """

    def __init__(self, engine: Engine, manifest: Manifest, files: Mapping[str, Path]) -> None:
        """`files`: local path by sha256 of every adapter of the manifest."""
        self._engine = engine
        adapters = [LoraFile(part.sha256, files[part.sha256], part.scale) for part in manifest.adapters]
        self._version = engine.prepare(manifest.contract, adapters)

    def answer(self, conversations: Sequence[Conversation], progress: Progress) -> list[EngineAnswer]:
        """A conversation longer than the context is unanswered; raises CorruptArtifact for a bad adapter."""
        self._engine.reset()
        tickets: dict[int, int] = {}
        answers: dict[int, EngineAnswer] = {}
        try:
            for index, conversation in enumerate(conversations):
                try:
                    tickets[self._engine.submit(self._version, conversation)] = index
                except InvalidInput as problem:
                    answers[index] = unanswered(problem.message)
            while self._engine.unfinished:
                for finished in self._engine.step():
                    if isinstance(finished.outcome, TuneloopError):
                        raise finished.outcome
                    if finished.outcome:
                        answers[tickets.pop(finished.ticket)] = finished.outcome
                        progress(len(answers), len(conversations))
        finally:
            for ticket in tickets:
                self._engine.cancel(ticket)
        return [answers[index] for index in range(len(conversations))]
