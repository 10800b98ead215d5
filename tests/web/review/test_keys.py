"""Which key gives which answer."""

from tuneloop.web.console.shortcuts import COMMANDS, KEYS, choices


def test_digits_come_first_and_no_command_is_taken() -> None:
    assert [choice.key for choice in choices([f"label {n}" for n in range(11)])] == [*"123456789", "a", "b"]
    assert not set(KEYS) & set(COMMANDS)


def test_more_labels_than_keys_are_filtered_by_typing() -> None:
    many = choices([f"label {n}" for n in range(len(KEYS) + 1)])
    assert {choice.key for choice in many} == {None}
