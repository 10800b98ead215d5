"""When two answers count as one: then nobody is asked which of them is right."""

import pytest

from tests.support.factories import SUPPORT
from tuneloop.evaluation.equality import same_answer
from tuneloop.registry.contract import Contract, Task

REPLY = Contract(task=Task.GENERATE, system_prompt="Reply.")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("We ship in 2 days.", "we ship in 2 days", True),
        ("We ship in 2 days.", "We ship in 3 days.", False),
        ("It costs 1.50.", "It costs 150.", False),
        ('{"a": 1, "b": [2]}', '{ "b": [2], "a": 1.0 }', False),
        ('{"a": 1, "b": [2]}', '{ "b": [2], "a": 1 }', True),
        ('{"a": true}', '{"a": 1}', False),
        ('{"a": 1}', "a 1", False),
        ("null", "Null.", True),
        ("", "", True),
        ("", "...", False),
        ("!", "?", False),
    ],
)
def test_texts_are_compared_by_what_they_say(first: str, second: str, same: bool) -> None:
    assert same_answer(REPLY, first, second) is same
    assert same_answer(REPLY, second, first) is same


def test_labels_are_compared_by_letter() -> None:
    assert same_answer(SUPPORT, "order ", "order")
    assert not same_answer(SUPPORT, "order", "Order")
