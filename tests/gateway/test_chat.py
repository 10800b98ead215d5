"""Answers through OpenAI's own client library."""

from math import exp

from openai import OpenAI

from tests.gateway.world import QUESTION, World
from tests.support.upstream import ScriptedEngine


def test_whole_answer_names_version_and_digest(openai: OpenAI, world: World, engine: ScriptedEngine) -> None:
    answer = openai.chat.completions.create(model="acme/support", messages=QUESTION, user="u1")
    asked = engine.arrived.get(timeout=5)
    assert answer.choices[0].message.content == "order"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "acme/support@v1.0"
    assert answer.system_fingerprint == world.v10.digest[:16]
    assert answer.usage.total_tokens == 8
    assert asked["model"] == world.v10.digest
