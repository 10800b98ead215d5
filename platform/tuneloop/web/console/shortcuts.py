"""Which key gives which answer: digits first, then letters that no command uses."""

from collections.abc import Sequence
from typing import Final, NamedTuple

COMMANDS: Final = "gosu"
KEYS: Final = "123456789" + "".join(letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter not in COMMANDS)


class AnswerChoice(NamedTuple):
    """`key` is None for all when there are too many for keys; the page then filters by what is typed."""

    text: str
    key: str | None


def choices(texts: Sequence[str]) -> list[AnswerChoice]:
    if len(texts) > len(KEYS):
        return [AnswerChoice(text, None) for text in texts]
    return [AnswerChoice(text, key) for text, key in zip(texts, KEYS, strict=False)]
