"""Whom the engine lets wait, in decodes: short work goes first, and memory is taken as it is used."""

from itertools import takewhile

import pytest

from tests.serving.conftest import REPLYING, SORTING, MakeEngine, answer_of, ask
from tests.serving.test_engine import answer_alone
from tuneloop_workers.serving.answer import EngineAnswer
from tuneloop_workers.serving.decoding import Options
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.serving.servable import LoraFile

pytestmark = pytest.mark.failure_case(25)


def _steps_until(engine: Engine, ticket: int) -> int:
    for steps in range(1, 2000):
        if ticket in {each.ticket for each in engine.step()}:
            return steps
    raise AssertionError("it never came to an end")


def _long(engine: Engine, adapter: LoraFile, text: str, *, tokens: int) -> int:
    return engine.submit(engine.prepare(REPLYING, [adapter]), ask(text), Options(max_tokens=tokens))


def test_a_label_waits_for_its_turn_and_not_for_the_end_of_long_answers(
    make_engine: MakeEngine, adapters: list[LoraFile]
) -> None:
    alone, busy = make_engine(context_tokens=1024), make_engine(context_tokens=1024)
    label = alone.submit(alone.prepare(SORTING, [adapters[2]]), ask("Where is it?"))
    needed = _steps_until(alone, label)
    for adapter in adapters[:2]:
        _long(busy, adapter, "Tell me everything.", tokens=480)
    for _ in range(8):
        busy.step()
    label = busy.submit(busy.prepare(SORTING, [adapters[2]]), ask("Where is it?"))
    assert _steps_until(busy, label) <= 3 * needed + 1
    assert busy.unfinished == 2


def test_labels_find_a_sequence_however_many_long_answers_there_are(
    make_engine: MakeEngine, adapters: list[LoraFile]
) -> None:
    engine = make_engine(context_tokens=4096, sequences=8)
    for number in range(40):
        _long(engine, adapters[0], f"Tell me everything about {number}.", tokens=400)
    for _ in range(30):
        engine.step()
    label = engine.submit(engine.prepare(SORTING, [adapters[2]]), ask("Where is it?"))
    assert _steps_until(engine, label) < 30
    assert engine.unfinished > 30


def test_answers_that_outgrow_the_memory_give_way_and_end_as_if_alone(
    make_engine: MakeEngine, adapters: list[LoraFile]
) -> None:
    tight, quiet = make_engine(context_tokens=320), make_engine(context_tokens=320, sequences=1)
    texts = [f"Tell me everything about {number}." for number in range(6)]
    tickets = {
        _long(tight, adapters[number % 3], text, tokens=150): (adapters[number % 3], text)
        for number, text in enumerate(texts)
    }
    together = {each.ticket: answer_of(each) for each in tight.run()}
    assert set(together) == set(tickets)
    contract = REPLYING.model_copy(update={"decoding": REPLYING.decoding.model_copy(update={"max_tokens": 150})})
    for ticket, (adapter, text) in tickets.items():
        _assert_close(together[ticket], answer_alone(quiet, contract, [adapter], text))


def _assert_close(answer: EngineAnswer, expected: EngineAnswer) -> None:
    """As far as both chose the same tokens they were as likely, up to rounding, which adds up over a long answer."""
    pairs = list(zip(answer.tokens, expected.tokens, strict=False))
    same = list(takewhile(lambda pair: pair[0].token == pair[1].token, pairs))
    assert len(same) == len(pairs) or (expected.margin or 0.0) < 0.02
    for token, other in same:
        assert token.logprob == pytest.approx(other.logprob, abs=0.06)


def test_a_prompt_that_finds_no_room_blocks_nobody_and_comes_in_at_last(
    make_engine: MakeEngine, adapters: list[LoraFile]
) -> None:
    engine = make_engine(context_tokens=512)
    first = _long(engine, adapters[0], "Tell me everything.", tokens=300)
    for _ in range(60):
        engine.step()
    large = _long(engine, adapters[1], "parcel " * 45, tokens=100)
    label = engine.submit(engine.prepare(SORTING, [adapters[2]]), ask("Where is it?"))
    assert _steps_until(engine, label) < 60
    assert {each.ticket for each in engine.run()} == {first, large}


def test_the_oldest_request_ends_though_short_ones_never_stop(
    make_engine: MakeEngine, adapters: list[LoraFile]
) -> None:
    engine = make_engine(context_tokens=320, sequences=8)
    oldest = _long(engine, adapters[0], "Tell me everything.", tokens=100)
    sorting = engine.prepare(SORTING, [adapters[1]])
    for step in range(3000):
        engine.submit(sorting, ask(f"Where is {step}?"))
        if oldest in {each.ticket for each in engine.step()}:
            return
    raise AssertionError("it starved")


def test_a_long_answer_begins_though_short_ones_take_every_sequence(
    make_engine: MakeEngine, adapters: list[LoraFile]
) -> None:
    engine = make_engine(sequences=1)
    sorting = engine.prepare(SORTING, [adapters[1]])
    for number in range(20):
        engine.submit(sorting, ask(f"Where is {number}?"))
    long = _long(engine, adapters[0], "Tell me everything.", tokens=100)
    for step in range(3000):
        engine.submit(sorting, ask(f"Where is {step}?"))
        if long in {each.ticket for each in engine.step()}:
            return
    raise AssertionError("it starved")
