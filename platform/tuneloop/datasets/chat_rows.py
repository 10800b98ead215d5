"""Conversations as files for fine-tuning write them, read as the gateway reads them: OpenAI's chat and ShareGPT."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tuneloop.datasets.row import ParsedRow, RowProblem, problem
from tuneloop.kit.clean_text import clean
from tuneloop.registry.templates import Message

MAX_MESSAGES: Final = 1_000
MAX_LETTERS: Final = 200_000
TOOLS: Final = (
    "the row uses tools, and this model answers with text only; leave the row out, or replace the calls of tools by "
    "what the model should say"
)
_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_SHAREGPT_ROLES: Final = {
    **_ROLES,
    **dict.fromkeys(("human", "customer", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bot", "model", "bing", "bard", "claude"), "assistant"),
}
_TOOL_ROLES: Final = frozenset({"tool", "function", "function_call", "observation", "tool_call", "tool_response"})
_HARMLESS: Final = frozenset({"role", "content", "name", "weight", "id", "from", "value", "refusal", "annotations"})
_WITHOUT_CONTENT: Final = frozenset({"tool_calls", "function_call", "tool_call_id"})


class Turn(NamedTuple):
    """`learned` is False for an assistant's message that is context only."""

    message: Message
    learned: bool


def chat_row(line: int, values: Mapping[str, Any], turns: Any, *, category: str | None) -> ParsedRow | RowProblem:
    """The conversation up to its last answer that is to be learned; a weight of 0 makes an answer context."""
    if values.get("tools") or values.get("functions"):
        return problem(line, TOOLS)
    if not isinstance(turns, list):
        return problem(line, "messages: must be a list of objects with role and content")
    if len(turns) > MAX_MESSAGES:
        return problem(line, f"messages: {len(turns):,} of them, at most {MAX_MESSAGES:,} are read; shorten it")
    read: list[Turn] = []
    for place, each in enumerate(turns):
        turn = _turn(each)
        if isinstance(turn, str):
            return problem(line, turn if turn is TOOLS else f"messages.{place}{turn}")
        read.append(turn)
    system = values.get("system") or values.get("system_prompt")
    if isinstance(system, str) and system.strip() and not (read and read[0].message.role == "system"):
        read.insert(0, Turn(Message(role="system", content=clean(system)), learned=False))
    if not read or read[-1].message.role != "assistant":
        return problem(line, "the last message must be the assistant's; it is the answer to learn")
    last = next((place for place in reversed(range(len(read))) if read[place].learned), None)
    if last is None:
        return problem(line, "every answer has the weight 0, so there is nothing to learn; remove the row")
    return row_of(line, [turn.message for turn in read[:last]], read[last].message.content, category)


def row_of(line: int, messages: Sequence[Message], answer: str, category: str | None) -> ParsedRow | RowProblem:
    """Raises nothing: what is missing comes back as a problem."""
    expected = clean(answer).strip()
    if not expected:
        return problem(line, "the answer is empty; write the label or text that the model should give")
    if not any(message.role == "user" and message.content.strip() for message in messages):
        return problem(line, "the user's text is empty; write it or remove the row")
    return ParsedRow(line, tuple(messages), expected, category)


def text_of(content: Any) -> str | None:
    """A text, or the texts of OpenAI's parts joined; None for anything else."""
    if isinstance(content, str):
        return clean(content)
    if isinstance(content, list) and all(isinstance(part, dict) and _is_text(part) for part in content):
        return clean("".join(part["text"] for part in content))
    return None


def _is_text(part: Mapping[str, Any]) -> bool:
    return part.get("type") in {"text", "input_text", "output_text"} and isinstance(part.get("text"), str)


def _turn(each: Any) -> Turn | str:
    """The turn, or what is wrong with it, beginning with the field."""
    if not isinstance(each, dict):
        return ": must be an object with role and content"
    named = each.get("role", each.get("from"))
    role = _SHAREGPT_ROLES.get(named) if isinstance(named, str) else None
    if named in _TOOL_ROLES or any(each.get(key) for key in _WITHOUT_CONTENT):
        return TOOLS
    if role is None:
        return ".role: must be 'system', 'developer', 'user' or 'assistant' (ShareGPT: 'human' or 'gpt')"
    content = text_of(each.get("content", each.get("value")))
    if content is None:
        return ".content: must be text; images, audio and files are not read"
    if len(content) > MAX_LETTERS:
        return f".content: at most {MAX_LETTERS} characters are read; shorten it"
    if strange := next((key for key, value in each.items() if key not in _HARMLESS and value), None):
        return f".{strange[:40]}: is not read; remove it"
    weight = each.get("weight")
    if weight not in {None, 0, 1}:
        return ".weight: must be 0 or 1"
    return Turn(Message.model_validate({"role": role, "content": content}), role == "assistant" and weight != 0)
