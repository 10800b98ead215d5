"""Prompt rendering: the one place that turns messages into the text a model reads.

Training, evaluation and serving tokenise the same pieces one by one, so a prompt has the same token ids
everywhere and user text can never become a control token.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.chat_template import Part, Turn, leads_with_system, parts_of, takes_system
from tuneloop.registry.contract import BaseChat, Contract, Template


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str = Field(max_length=200_000)


class Piece(NamedTuple):
    """Text to tokenise on its own; only `special` pieces may yield control tokens."""

    text: str
    special: bool = False


class Prompt(NamedTuple):
    """`prefix` is the same for every request of a contract, so it is computed once; `suffix` is the request."""

    prefix: tuple[Piece, ...]
    suffix: tuple[Piece, ...]


class _Chat(NamedTuple):
    start: str
    after_role: str
    end: str
    assistant: str
    system: str


_CHAT = {
    Template.GEMMA: _Chat("<start_of_turn>", "\n", "<end_of_turn>", assistant="model", system="user"),
    Template.CHATML: _Chat("<|im_start|>", "\n", "<|im_end|>", assistant="assistant", system="system"),
    Template.LLAMA3: _Chat(
        "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", assistant="assistant", system="system"
    ),
}
_PLAIN_ROLES = {"system": "Context", "user": "Message", "assistant": "Answer"}


def render(contract: Contract, messages: Sequence[Message]) -> Prompt:
    """Pieces of the prompt that asks for the next assistant message.

    System messages equal to the contract's own system prompt are dropped; others stay as context of the request.
    """
    opening = contract.system_prompt + (f"\n\n{contract.facts}" if contract.facts else "")
    turns = [m for m in messages if not (m.role == "system" and m.content.strip() == contract.system_prompt.strip())]
    if contract.template is Template.BASE:
        return _by_the_base(_own(contract), opening, turns)
    chat = _CHAT.get(contract.template)
    if chat is None:
        body = "".join(f"{_PLAIN_ROLES[m.role]}: {m.content}\n" for m in turns)
        return Prompt((Piece(f"{opening}\n\n"),), (Piece(f"{body}Answer:"),))
    suffix: list[Piece] = []
    for message in turns:
        role = chat.assistant if message.role == "assistant" else message.role
        suffix += _turn(chat, chat.system if message.role == "system" else role, message.content)
    suffix += [*_opening(chat, chat.assistant)]
    return Prompt(tuple(_turn(chat, chat.system, opening)), tuple(suffix))


def render_answer(contract: Contract, answer: str) -> tuple[Piece, ...]:
    """Pieces of the assistant's answer, without the token that ends it."""
    return (Piece(f" {answer}" if contract.template is Template.PLAIN else answer),)


def end_of_answer(contract: Contract) -> str | None:
    """Control token that ends an answer; None stands for the model's own end-of-sequence token."""
    if contract.template is Template.BASE:
        return _own(contract).end
    chat = _CHAT.get(contract.template)
    return None if chat is None else chat.end


def _own(contract: Contract) -> BaseChat:
    if contract.chat is None:
        raise InvalidInput("this base has no chat template of its own; choose another template for the model")
    return contract.chat


def _by_the_base(chat: BaseChat, opening: str, turns: Sequence[Message]) -> Prompt:
    """The prefix ends with the contract's own text, or before the first turn where that goes to the end."""
    spoken = _alternating(turns) or [Turn("user", "")]
    if not opening:
        parts = parts_of(chat, spoken)
        cut = next((place for place, part in enumerate(parts) if part.hole is not None), 0)
        return _prompt(parts, _after_control(parts, cut))
    if not takes_system(chat):
        opening, (role, text) = opening.strip(), spoken[0]
        parts = parts_of(chat, [Turn(role, f"{opening}\n\n{text}"), *spoken[1:]])
        first = next((place for place, part in enumerate(parts) if part.hole == 0), 0)
        rest = parts[first]._replace(text=parts[first].text.removeprefix(opening))
        return _prompt([*parts[:first], parts[first]._replace(text=opening), rest, *parts[first + 1 :]], first + 1)
    parts = parts_of(chat, [Turn("system", opening), *spoken])
    first = next((place for place, part in enumerate(parts) if part.hole is not None), 0)
    return _prompt(parts, first + 1 if leads_with_system(chat) else _after_control(parts, first))


def _alternating(turns: Sequence[Message]) -> list[Turn]:
    """As templates want them: context that came with the request is told in the user's turn."""
    spoken: list[Turn] = []
    for message in turns:
        role = "assistant" if message.role == "assistant" else "user"
        if spoken and spoken[-1].role == role:
            spoken[-1] = Turn(role, f"{spoken[-1].text}\n\n{message.content}")
        else:
            spoken.append(Turn(role, message.content))
    return spoken


def _after_control(parts: Sequence[Part], before: int) -> int:
    return next((place + 1 for place in range(before - 1, -1, -1) if parts[place].special), 0)


def _prompt(parts: Sequence[Part], cut: int) -> Prompt:
    return Prompt(_pieces(parts[:cut]), _pieces(parts[cut:]))


def _pieces(parts: Sequence[Part]) -> tuple[Piece, ...]:
    """Words that stand together are read together, as they were in training."""
    pieces: list[Piece] = []
    for part in parts:
        if pieces and not pieces[-1].special and not part.special:
            pieces[-1] = Piece(pieces[-1].text + part.text)
        elif part.text:
            pieces.append(Piece(part.text, part.special))
    return tuple(pieces)


def tokenise(pieces: Sequence[Piece], encode: Callable[[str, bool], list[int]]) -> list[int]:
    """Token ids of the pieces; `encode(text, special)` must add neither BOS nor EOS."""
    return [token for piece in pieces for token in encode(piece.text, piece.special)]


def _opening(chat: _Chat, role: str) -> list[Piece]:
    if chat.after_role == "\n":
        return [Piece(chat.start, special=True), Piece(f"{role}\n")]
    return [Piece(chat.start, special=True), Piece(role), Piece(chat.after_role, special=True), Piece("\n\n")]


def _turn(chat: _Chat, role: str, content: str) -> list[Piece]:
    newline = [] if chat.after_role != "\n" else [Piece("\n")]
    return [*_opening(chat, role), Piece(content), Piece(chat.end, special=True), *newline]
