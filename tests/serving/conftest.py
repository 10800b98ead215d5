from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict, Unpack

import pytest

from tests.serving.lora_files import write_adapter
from tests.support.tiny_models import TinyPair, build_tiny_pair
from tuneloop.registry.contract import Contract, Decoding, Task, Template
from tuneloop.registry.templates import Message
from tuneloop_workers.serving.answer import EngineAnswer
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.serving.request_state import Finished
from tuneloop_workers.serving.servable import LoraFile

LABELS = ("delivery", "delivery late", "delete", "refund", "refusal", "re", "account")
SORTING = Contract(task=Task.CLASSIFY, system_prompt="Sort the message by topic.", labels=LABELS)
REPLYING = Contract(
    task=Task.GENERATE,
    system_prompt="Reply to the message.",
    template=Template.CHATML,
    decoding=Decoding(max_tokens=12),
)


def ask(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> TinyPair:
    return build_tiny_pair(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture(scope="session")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> TinyPair:
    """A base whose layers see a sliding window of 32 tokens."""
    return build_tiny_pair(tmp_path_factory.mktemp("gemma"), "gemma3")


@pytest.fixture(scope="session")
def adapters(pair: TinyPair, tmp_path_factory: pytest.TempPathFactory) -> list[LoraFile]:
    folder = tmp_path_factory.mktemp("adapters")
    return [write_adapter(folder / f"{seed}.gguf", pair.gguf, seed=seed) for seed in range(8)]


MakeEngine = Callable[..., Engine]


class EngineSettings(TypedDict, total=False):
    threads: int
    context_tokens: int
    sequences: int
    batch_tokens: int
    adapters: int
    prefixes: int


SMALL: EngineSettings = {"threads": 1, "context_tokens": 2048, "batch_tokens": 64}


def answer_of(finished: Finished) -> EngineAnswer:
    assert isinstance(finished.outcome, EngineAnswer)
    return finished.outcome


def probabilities_of(answer: EngineAnswer) -> dict[str, float]:
    assert answer.probabilities is not None
    return dict(answer.probabilities)


@pytest.fixture
def make_engine(pair: TinyPair) -> Iterator[MakeEngine]:
    """Engines of the tiny base that are closed after the test."""
    engines: list[Engine] = []

    def make(base: Path = pair.gguf, **settings: Unpack[EngineSettings]) -> Engine:
        chosen: EngineSettings = {**SMALL, **settings}
        engines.append(Engine(base, **chosen))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    return make_engine()
