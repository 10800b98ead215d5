from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.serving.lora_files import write_adapter
from tests.support.tiny_models import build_tiny_pair
from tuneloop.evaluation.given import cache_key
from tuneloop.kit.errors import CorruptArtifact
from tuneloop.registry.contract import AdapterPart, BaseRef, Contract, Manifest, Task
from tuneloop.registry.templates import Message
from tuneloop_workers.evaluation.runner import LocalRunner
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.serving.servable import LoraFile

SORTING = Contract(task=Task.CLASSIFY, system_prompt="Sort.", labels=("delivery", "refund", "account"))


def ask(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


QUESTIONS = [ask(f"message {number}: where is order {number * 41}?") for number in range(40)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    pair = build_tiny_pair(tmp_path_factory.mktemp("tiny"), "qwen3")
    engine = Engine(pair.gguf, threads=1, context_tokens=2048, batch_tokens=64)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def adapter(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> LoraFile:
    folder = tmp_path_factory.mktemp("base")
    pair = build_tiny_pair(folder, "qwen3")
    return write_adapter(folder / "adapter.gguf", pair.gguf, seed=1)


def manifest(engine: Engine, *adapters: LoraFile) -> Manifest:
    parts = tuple(AdapterPart(sha256=adapter.sha256, scale=adapter.scale) for adapter in adapters)
    base = BaseRef(architecture="qwen3", quantisation="F32", gguf_sha256="0" * 64, weights_sha256="1" * 64)
    return Manifest(contract=SORTING, base=base, adapters=parts, engine=engine.identity)


def runner(engine: Engine, adapter: LoraFile) -> LocalRunner:
    return LocalRunner(engine, manifest(engine, adapter), {adapter.sha256: adapter.path})


def test_the_same_set_twice_gives_identical_numbers(engine: Engine, adapter: LoraFile) -> None:
    first = runner(engine, adapter).answer(QUESTIONS, lambda done, total: None)
    runner(engine, adapter._replace(scale=0.5)).answer(QUESTIONS[:7], lambda done, total: None)
    again = runner(engine, adapter).answer(QUESTIONS, lambda done, total: None)
    assert [answer.probabilities for answer in again] == [answer.probabilities for answer in first]


def test_answers_come_in_the_order_of_the_conversations(engine: Engine, adapter: LoraFile) -> None:
    steps: list[tuple[int, int]] = []
    together = runner(engine, adapter).answer(QUESTIONS[:20], lambda done, total: steps.append((done, total)))
    assert steps == [(done, 20) for done in range(1, 21)]
    for question, answer in zip(QUESTIONS[:3], together, strict=False):
        [alone] = runner(engine, adapter).answer([question], lambda done, total: None)
        assert answer.probabilities == pytest.approx(alone.probabilities, abs=4e-3)


def test_a_conversation_beyond_the_context_is_unanswered_with_the_reason_and_the_others_are_answered(
    engine: Engine, adapter: LoraFile
) -> None:
    asked = [QUESTIONS[0], ask("too long " * 900), QUESTIONS[1]]
    first, long, last = runner(engine, adapter).answer(asked, lambda done, total: None)
    assert (long.text, long.confidence) == ("", 0.0)
    assert long.problem.startswith("not answered: the prompt has ")
    assert {first.text, last.text} <= set(SORTING.labels)
    assert first.problem == last.problem == ""
    assert engine.unfinished == 0


def test_a_run_can_be_ended_from_its_progress(engine: Engine, adapter: LoraFile) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner(engine, adapter).answer(QUESTIONS, stop)
    assert engine.unfinished == 0


def test_a_corrupt_adapter_ends_the_run(engine: Engine, adapter: LoraFile, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(adapter.path.read_bytes()[:-1] + b"x")
    digest = sha256(b"what the manifest says").hexdigest()
    with pytest.raises(CorruptArtifact):
        runner(engine, LoraFile(digest, broken)).answer(QUESTIONS[:2], lambda done, total: None)


def test_the_cache_key_changes_with_the_version_and_with_every_turn() -> None:
    turn = ask("hello")
    keys = {
        cache_key("a" * 64, turn),
        cache_key("b" * 64, turn),
        cache_key("a" * 64, ask("hello!")),
        cache_key("a" * 64, [Message(role="system", content="hello")]),
        cache_key("a" * 64, turn + turn),
    }
    assert len(keys) == 5
    assert cache_key("a" * 64, ask("hello")) in keys
