"""A base's own chat template, rendered so that texts stay apart from it.

The template is asked with holes in the place of every text, and only what it writes around them may be control tokens:
a text never goes through Jinja, and never becomes a control token. What comes out is, byte for byte, what transformers'
`apply_chat_template` makes of the same conversation, thinking switched off where the template can do that.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.contract import BaseChat

TODAY = datetime(2024, 7, 26, tzinfo=UTC)
"""What templates are told that ask for the date: a prompt that changes overnight is not the one that was judged."""

_STRIPPED = "\x0b"
"""White space that no template writes: gone after rendering where the template trims."""
_HOLE = re.compile(rf"({_STRIPPED}?)\ue000(\d+)\ue001({_STRIPPED}?)")

_REFUSALS = (jinja2.TemplateError, TypeError, ValueError)
"""What a template raises that does not take a conversation."""


class Turn(NamedTuple):
    """`role` is system, user or assistant."""

    role: str
    text: str


class Part(NamedTuple):
    """`special`: a control token. `hole` is the place of the turn whose text it is, None of what the template wrote."""

    text: str
    special: bool
    hole: int | None


def parts_of(chat: BaseChat, turns: Sequence[Turn]) -> list[Part]:
    """The prompt that asks for the next answer, without the BOS token that every prompt begins with.

    Raises:
        InvalidInput: the template does not take such a conversation.
    """
    try:
        return list(_parts(chat, turns, _filled(chat, turns)))
    except _REFUSALS as error:
        raise InvalidInput(f"the base's chat template refuses this conversation: {str(error)[:200]}") from error


@cache
def takes_system(chat: BaseChat) -> bool:
    """Whether it writes a system turn down."""
    return 0 in _holes(chat, [Turn("system", ""), Turn("user", "")])


@cache
def leads_with_system(chat: BaseChat) -> bool:
    """Whether a system turn stands at the beginning however long the conversation is; Mistral's goes to its end."""
    turns = [Turn(role, "") for role in ("system", "user", "assistant", "user")]
    return _holes(chat, turns)[:1] == [0]


def written_by(chat: BaseChat) -> str:
    """All that the template writes around texts, in conversations of the usual kinds."""
    found = []
    for roles in (("user",), ("system", "user"), ("user", "assistant"), ("user", "assistant", "user")):
        with suppress(*_REFUSALS):
            turns = [Turn(role, "") for role in roles]
            found += [_HOLE.sub("", _filled(chat, turns, asks=asks)) for asks in (True, False)]
    return "\n".join(found)


def end_of_turn(chat: BaseChat) -> str | None:
    """The control token that follows an answer; None where the template has none, or has something before it."""
    turns = [Turn("user", ""), Turn("assistant", "")]
    try:
        parts = list(_parts(chat, turns, _filled(chat, turns, asks=False)))
    except _REFUSALS:
        return None
    at = next((place for place, part in enumerate(parts) if part.hole == 1), None)
    after = parts[at + 1 :] if at is not None else []
    return after[0].text if after and after[0].special else None


def _holes(chat: BaseChat, turns: Sequence[Turn]) -> list[int]:
    """In the order in which they are written; none where the template refuses."""
    try:
        return [int(hole[2]) for hole in _HOLE.finditer(_filled(chat, turns))]
    except _REFUSALS:
        return []


def _parts(chat: BaseChat, turns: Sequence[Turn], text: str) -> Iterator[Part]:
    if chat.begins and chat.bos:
        text = text.removeprefix(chat.bos)
    position = 0
    for hole in _HOLE.finditer(text):
        yield from _literal(chat, text[position : hole.start()])
        position = hole.end()
        place = int(hole[2])
        content = turns[place].text
        content = content if hole[1] else content.lstrip()
        yield Part(content if hole[3] else content.rstrip(), special=False, hole=place)
    yield from _literal(chat, text[position:])


def _literal(chat: BaseChat, text: str) -> Iterator[Part]:
    """What the template wrote, control tokens apart from the words between them."""
    for place, piece in enumerate(_controls(chat.controls).split(text) if chat.controls else [text]):
        if piece:
            yield Part(piece, special=place % 2 == 1, hole=None)


@cache
def _controls(controls: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(controls, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})")


def _filled(chat: BaseChat, turns: Sequence[Turn], *, asks: bool = True) -> str:
    messages = [
        {"role": turn.role, "content": f"{_STRIPPED}{_hole(place)}{_STRIPPED}"} for place, turn in enumerate(turns)
    ]
    return _compiled(chat.template).render(
        messages=messages,
        tools=None,
        documents=None,
        add_generation_prompt=asks,
        bos_token=chat.bos,
        eos_token=chat.eos,
        enable_thinking=False,
        thinking=False,
    )


def _hole(place: int) -> str:
    return f"\ue000{place}\ue001"


class _Generation(Extension):
    """`{% generation %}` marks what a trainer learns from; here it is what it encloses."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


@cache
def _compiled(template: str) -> jinja2.Template:
    """With what transformers gives to templates. https://huggingface.co/docs/transformers/chat_templating_writing"""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = TODAY.strftime
    return environment.from_string(template)


def _to_json(value: Any, **options: Any) -> str:
    return json.dumps(value, **{"ensure_ascii": False, **options})


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)
