"""An alias flip under traffic: no request fails, and no answer is of two versions."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from openai import OpenAI

from tests.gateway.waiting import eventually
from tests.gateway.world import QUESTION, World
from tests.support.upstream import ScriptedEngine


def test_flip_under_traffic_fails_nothing_and_mixes_nothing(
    openai: OpenAI, world: World, engine: ScriptedEngine
) -> None:
    engine.answers = {world.v10.digest: "old old old", world.v11.digest: "new new new"}
    expected = {"acme/support@v1.0": "old old old", "acme/support@v1.1": "new new new"}
    flipped, done = Event(), Event()
    seen: list[tuple[str, str]] = []

    def ask_until_done(stream: bool) -> None:
        while not done.is_set():
            if stream:
                chunks = list(openai.chat.completions.create(model="acme/support", messages=QUESTION, stream=True))
                text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
                seen.append((chunks[0].model, text))
            else:
                answer = openai.chat.completions.create(model="acme/support", messages=QUESTION)
                seen.append((answer.model, answer.choices[0].message.content or ""))
            if flipped.is_set() and seen[-1][0] == "acme/support@v1.1":
                done.set()

    with ThreadPoolExecutor(4) as pool:
        askers = [pool.submit(ask_until_done, stream) for stream in (False, True, False, True)]
        eventually(lambda: len(seen) > 20)
        world.promote(world.v11)
        flipped.set()
        for asker in askers:
            asker.result(timeout=30)
    assert {model for model, _ in seen} == set(expected)
    assert all(text == expected[model] for model, text in seen)


def test_request_keeps_the_version_it_began_with(openai: OpenAI, world: World, engine: ScriptedEngine) -> None:
    engine.answers = {world.v10.digest: "old old", world.v11.digest: "new new"}
    engine.gate_after = 1
    engine.gate.clear()
    stream = iter(openai.chat.completions.create(model="acme/support", messages=QUESTION, stream=True))
    first = next(stream)
    world.promote(world.v11)
    eventually(lambda: _fingerprint(openai) == world.v11.digest[:16])
    engine.gate.set()
    rest = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in [first, *rest]) == "old old"
    assert {chunk.model for chunk in [first, *rest]} == {"acme/support@v1.0"}


def test_rollback_is_a_flip_back(openai: OpenAI, world: World, engine: ScriptedEngine) -> None:
    for version in (world.v11, world.v10):
        world.promote(version)
        eventually(lambda digest=version.digest: _fingerprint(openai) == digest[:16])  # type: ignore[misc]
    assert _fingerprint(openai) == world.v10.digest[:16]


def _fingerprint(openai: OpenAI) -> str | None:
    return openai.chat.completions.create(model="acme/support", messages=QUESTION).system_fingerprint
