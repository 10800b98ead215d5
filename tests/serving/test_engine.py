"""Many versions on one base: isolation, reuse, limits."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from tests.serving.conftest import REPLYING, SORTING, MakeEngine, answer_of, ask, probabilities_of
from tests.serving.lora_files import write_adapter
from tests.support.tiny_models import TinyPair
from tuneloop.kit.errors import CorruptArtifact, InvalidInput
from tuneloop.registry.contract import Contract, Decoding
from tuneloop_workers.serving.answer import Delta, EngineAnswer
from tuneloop_workers.serving.decoding import Options
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.serving.servable import LoraFile

TEXTS = [f"message {number}: where is order {number * 37}?" for number in range(8)]


def answers(engine: Engine) -> dict[int, EngineAnswer]:
    return {each.ticket: answer_of(each) for each in engine.run()}


def answer_alone(engine: Engine, contract: Contract, adapters: list[LoraFile], text: str) -> EngineAnswer:
    engine.submit(engine.prepare(contract, adapters), ask(text))
    [answer] = answers(engine).values()
    return answer


def assert_same(answer: EngineAnswer, expected: EngineAnswer) -> None:
    """Equal up to rounding; llama.cpp rounds by batch shape, so a greedy text may turn at a near-tie."""
    pairs = list(zip(answer.tokens, expected.tokens, strict=False))
    turned = [at for at, (token, other) in enumerate(pairs) if token.token != other.token]
    for token, other in pairs[: turned[0] if turned else None]:
        assert token.logprob == pytest.approx(other.logprob, abs=0.02)
    if turned:
        assert (expected.margin or 0.0) < 0.01
    else:
        assert answer.text == expected.text
        assert answer.confidence == pytest.approx(expected.confidence, abs=4e-3)


@pytest.mark.failure_case(19)
@pytest.mark.parametrize("contract", [SORTING, REPLYING], ids=["classify", "generate"])
def test_64_requests_over_8_adapters_answer_as_if_alone_whoever_cancels(
    make_engine: MakeEngine, adapters: list[LoraFile], contract: Contract
) -> None:
    busy, quiet = make_engine(adapters=3), make_engine(sequences=1)
    tickets = {
        busy.submit(busy.prepare(contract, [adapter]), ask(text)): (adapter, text)
        for text in TEXTS
        for adapter in adapters
    }
    dropped = [busy.submit(busy.prepare(contract, [adapter]), ask(TEXTS[0])) for adapter in adapters * 2]
    finished = [each for _ in range(4) for each in busy.step()]
    for ticket in dropped:
        busy.cancel(ticket)
    together = {each.ticket: answer_of(each) for each in finished + busy.run()}
    assert set(together) == set(tickets)
    alone = {ticket: answer_alone(quiet, contract, [adapter], text) for ticket, (adapter, text) in tickets.items()}
    for ticket, expected in alone.items():
        assert_same(together[ticket], expected)
    assert sum(together[ticket].text == expected.text for ticket, expected in alone.items()) >= 60
    assert len({answer.confidence for answer in alone.values()}) > 32


def test_a_version_applies_several_adapters_with_their_scales(engine: Engine, adapters: list[LoraFile]) -> None:
    first, second = adapters[:2]
    base = answer_alone(engine, SORTING, [], TEXTS[0])
    full = answer_alone(engine, SORTING, [first], TEXTS[0])
    nearly_base = answer_alone(engine, SORTING, [first._replace(scale=1e-6), second._replace(scale=1e-6)], TEXTS[0])
    halves = answer_alone(engine, SORTING, [first._replace(scale=0.5), first._replace(scale=0.5)], TEXTS[0])
    both = answer_alone(engine, SORTING, [second, first], TEXTS[0])
    assert nearly_base.probabilities == pytest.approx(base.probabilities, abs=1e-3)
    assert halves.probabilities == pytest.approx(full.probabilities, abs=1e-3)
    assert both.probabilities != pytest.approx(full.probabilities, abs=1e-2)
    assert both == replace(answer_alone(engine, SORTING, [first, second], TEXTS[0]), latency_ms=both.latency_ms)


@pytest.mark.parametrize("family", ["pair", "gemma"])
@pytest.mark.parametrize("contract", [SORTING, REPLYING], ids=["classify", "generate"])
def test_a_reused_prefix_changes_no_answer(
    make_engine: MakeEngine, contract: Contract, family: str, request: pytest.FixtureRequest
) -> None:
    base: TinyPair = request.getfixturevalue(family)
    long = contract.model_copy(update={"facts": "We ship to Portugal within 5 days. " * 12})
    reusing, plain = make_engine(base.gguf), make_engine(base.gguf, prefixes=0)
    for text in TEXTS[:3]:
        assert_same(answer_alone(reusing, long, [], text), answer_alone(plain, long, [], text))


@pytest.mark.failure_case(19)
def test_a_prefix_is_not_shared_between_adapter_sets(engine: Engine, adapters: list[LoraFile]) -> None:
    contract = SORTING.model_copy(update={"facts": "We ship to Portugal within 5 days. " * 4})
    first = answer_alone(engine, contract, adapters[:1], TEXTS[0])
    answer_alone(engine, contract, adapters[1:2], TEXTS[0])
    again = answer_alone(engine, contract, adapters[:1], TEXTS[0])
    assert again.probabilities == pytest.approx(first.probabilities, abs=1e-3)


def test_streamed_text_and_tokens_equal_the_answer(engine: Engine, adapters: list[LoraFile]) -> None:
    deltas: list[Delta] = []
    version = engine.prepare(REPLYING, adapters[:1])
    engine.submit(version, ask(TEXTS[0]), on_delta=deltas.append)
    [answer] = answers(engine).values()
    assert "".join(delta.text for delta in deltas) == answer.text
    assert tuple(token for delta in deltas for token in delta.tokens) == answer.tokens
    assert answer.completion_tokens == len(answer.tokens) > 1


def test_sampling_repeats_with_the_seed_and_greedy_takes_the_likeliest(engine: Engine) -> None:
    version = engine.prepare(REPLYING, [])

    def texts(options: Options) -> list[str]:
        for _ in range(2):
            engine.submit(version, ask(TEXTS[0]), options)
        return [answer.text for answer in answers(engine).values()]

    first, again = texts(Options(max_tokens=12, temperature=1.5, seed=1))
    other, _ = texts(Options(max_tokens=12, temperature=1.5, seed=2))
    assert first == again != other
    engine.submit(version, ask(TEXTS[0]), Options(max_tokens=12, alternatives=3))
    [greedy] = answers(engine).values()
    assert all(token.logprob == token.alternatives[0].logprob for token in greedy.tokens)
    assert greedy.min_logprob == min(token.logprob for token in greedy.tokens)


def test_the_same_evaluation_after_a_reset_is_identical(engine: Engine, adapters: list[LoraFile]) -> None:
    version = engine.prepare(SORTING, adapters[:1])

    def evaluate() -> list[dict[str, float]]:
        engine.reset()
        tickets = [engine.submit(version, ask(text)) for text in TEXTS * 3]
        done = answers(engine)
        return [probabilities_of(done[ticket]) for ticket in tickets]

    first = evaluate()
    answer_alone(engine, REPLYING, adapters[1:2], TEXTS[1])
    assert evaluate() == first


def test_least_recently_used_adapters_leave_and_come_back(make_engine: MakeEngine, adapters: list[LoraFile]) -> None:
    engine = make_engine(adapters=2)
    first = answer_alone(engine, SORTING, adapters[:1], TEXTS[0])
    for adapter in adapters[1:3]:
        answer_alone(engine, SORTING, [adapter], TEXTS[0])
    assert [adapter.sha256 in engine._adapters for adapter in adapters[:3]] == [False, True, True]
    assert_same(answer_alone(engine, SORTING, adapters[:1], TEXTS[0]), first)


def test_a_corrupt_adapter_is_refused_while_the_others_keep_serving(
    engine: Engine, adapters: list[LoraFile], tmp_path: Path
) -> None:
    before = answer_alone(engine, SORTING, adapters[:1], TEXTS[0])
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(adapters[1].path.read_bytes()[:-100] + bytes(100))
    good = engine.submit(engine.prepare(SORTING, adapters[:1]), ask(TEXTS[0]))
    bad = engine.submit(engine.prepare(SORTING, [LoraFile(adapters[1].sha256, broken)]), ask(TEXTS[0]))
    finished = {each.ticket: each for each in engine.run()}
    assert isinstance(finished[bad].outcome, CorruptArtifact)
    assert answer_of(finished[good]).probabilities == pytest.approx(before.probabilities, abs=1e-3)


@pytest.mark.parametrize("flaw", ["architecture", "not gguf", "truncated", "missing"])
def test_a_foreign_or_unreadable_adapter_is_a_corrupt_artifact(
    engine: Engine, pair: TinyPair, tmp_path: Path, flaw: str
) -> None:
    path = tmp_path / "adapter.gguf"
    adapter = write_adapter(path, pair.gguf, seed=1, architecture="qwen2" if flaw == "architecture" else "")
    if flaw == "not gguf":
        path.write_bytes(b"not a model")
    if flaw == "truncated":
        path.write_bytes(path.read_bytes()[:400])
    if flaw == "missing":
        path.unlink()
    else:
        adapter = LoraFile(sha256(path.read_bytes()).hexdigest(), path)
    engine.warm(engine.prepare(SORTING, [adapter]))
    [finished] = engine.run()
    assert isinstance(finished.outcome, CorruptArtifact)


def test_a_cancelled_request_frees_its_sequence(make_engine: MakeEngine) -> None:
    engine = make_engine(sequences=1)
    version = engine.prepare(REPLYING, [])
    deltas: list[Delta] = []
    dropped = engine.submit(version, ask(TEXTS[0]), Options(max_tokens=400), on_delta=deltas.append)
    while not deltas:
        assert engine.step() == []
    waiting = engine.submit(version, ask(TEXTS[1]))
    never = engine.submit(version, ask(TEXTS[2]))
    engine.cancel(dropped)
    engine.cancel(never)
    assert set(answers(engine)) == {waiting}


def test_a_prompt_longer_than_the_context_is_refused_with_counts(engine: Engine) -> None:
    version = engine.prepare(SORTING, [])
    with pytest.raises(InvalidInput, match="the context holds 1024") as refused:
        engine.submit(version, ask("where is it? " * 500))
    assert refused.value.details["prompt_tokens"] > 1024


def test_requests_beyond_the_memory_wait_for_their_turn(make_engine: MakeEngine, adapters: list[LoraFile]) -> None:
    engine = make_engine(context_tokens=256, sequences=8)
    contract = REPLYING.model_copy(update={"decoding": Decoding(max_tokens=48)})
    tickets = [
        engine.submit(engine.prepare(contract, [adapter]), ask(text)) for adapter in adapters[:4] for text in TEXTS[:3]
    ]
    assert sorted(answers(engine)) == tickets


def test_a_stop_string_ends_the_answer_before_it(engine: Engine) -> None:
    whole = answer_alone(engine, REPLYING, [], TEXTS[0]).text
    stop = whole[6:8]
    contract = REPLYING.model_copy(update={"decoding": Decoding(max_tokens=12, stop=(stop,))})
    cut = answer_alone(engine, contract, [], TEXTS[0])
    assert cut.text == whole[: whole.index(stop)].rstrip()
    assert cut.finish_reason == "stop"


def test_a_busy_version_does_not_starve_another(make_engine: MakeEngine, adapters: list[LoraFile]) -> None:
    engine = make_engine(sequences=2)
    busy, quiet = (engine.prepare(REPLYING, [adapter]) for adapter in adapters[:2])
    for _ in range(20):
        engine.submit(busy, ask(TEXTS[0]))
    single = engine.submit(quiet, ask(TEXTS[1]))
    order = [finished.ticket for finished in engine.run()]
    assert order.index(single) <= 3
