"""The forms that a row may have, recognised by their keys: an object or the cells of a record to a `ParsedRow`."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tuneloop.datasets.chat_rows import MAX_LETTERS, chat_row, row_of, text_of
from tuneloop.datasets.columns import Columns, columns_of
from tuneloop.datasets.forms import Form
from tuneloop.datasets.row import Choice, ParsedRow, Record, RowProblem, problem
from tuneloop.kit.clean_text import clean, clean_name
from tuneloop.registry.templates import Message

LONGEST_CATEGORY: Final = 80
_NAMED: Final = (
    ({"chosen", "rejected"}, "preference pairs (DPO); choose the prompt as text and 'chosen' as answer"),
    ({"preferred_output"}, "OpenAI's preference pairs; write the preferred output as the assistant's last message"),
    ({"custom_id", "body"}, "requests of OpenAI's batch API, which hold no answers; import the file of their outputs"),
    ({"choices"}, "answers given elsewhere; import them with 'tuneloop prediction import'"),
    ({"contents"}, "Gemini's format; write 'messages' with role and content instead of 'contents' with parts"),
    ({"annotations", "data"}, "an export of Label Studio in JSON; export it as CSV"),
    ({"paragraphs"}, "a file of SQuAD; write one question with its answer per line"),
    ({"embedding"}, "embeddings; export the texts with their labels"),
)


class Parsed(NamedTuple):
    """`read` are the keys that were understood."""

    row: ParsedRow | RowProblem
    form: Form
    read: frozenset[str]


def parse(record: Record, choice: Choice) -> Parsed:
    """The row that the record's keys describe.

    Raises:
        Unclear: the columns have to be chosen.
    """
    line, values = record
    if choice.text is None and choice.answer is None:
        category, fault = _category(line, values.get("category"))
        if fault is not None and _CONVERSATIONS & values.keys():
            return Parsed(fault, Form.CHAT, frozenset(values))
        if "messages" in values:
            return Parsed(chat_row(line, values, values["messages"], category=category), Form.CHAT, _CHAT)
        if turns := values.get("conversations") or values.get("conversation"):
            return Parsed(chat_row(line, values, turns, category=category), Form.SHAREGPT, _CHAT)
        if isinstance(values.get("prompt"), list):
            turns = [*values["prompt"], *_listed(values.get("completion"))]
            return Parsed(chat_row(line, values, turns, category=category), Form.PROMPT_COMPLETION, _CHAT)
        if "instruction" in values and "output" in values:
            return Parsed(_alpaca(line, values, category), Form.ALPACA, _ALPACA)
        for keys, what in _NAMED:
            if keys <= values.keys():
                told = f"none of the known keys: this is {what}"
                return Parsed(problem(line, told), Form.COLUMNS, frozenset(values))
    columns = columns_of(values, choice)
    form = Form.PROMPT_COMPLETION if columns.answer.casefold() == "completion" else Form.COLUMNS
    return Parsed(_columns(line, values, columns), form, frozenset(filter(None, columns)))


_CONVERSATIONS: Final = frozenset({"messages", "conversations", "conversation"})
_ALPACA: Final = frozenset({"instruction", "input", "output", "system", "history", "category"})
_CHAT: Final = _CONVERSATIONS | {
    "category",
    "system",
    "tools",
    "functions",
    "parallel_tool_calls",
    "prompt",
    "completion",
}


def _alpaca(line: int, values: Mapping[str, Any], category: str | None) -> ParsedRow | RowProblem:
    """With an input, the instruction is what the system says of it; without one, it is what the user says."""
    instruction, given, output = (values.get(key) or "" for key in ("instruction", "input", "output"))
    turns: list[Any] = []
    if isinstance(values.get("system"), str) and values["system"].strip():
        turns.append({"role": "system", "content": values["system"]})
    if given:
        turns.append({"role": "system", "content": instruction})
    for pair in _listed(values.get("history")):
        if isinstance(pair, list) and len(pair) == 2:
            turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    turns += [{"role": "user", "content": given or instruction}, {"role": "assistant", "content": output}]
    return chat_row(line, {}, turns, category=category)


def _columns(line: int, values: Mapping[str, Any], columns: Columns) -> ParsedRow | RowProblem:
    text = text_of(values.get(columns.text))
    if text is None:
        return problem(line, f"{columns.text[:40]}: must be text")
    if len(text) > MAX_LETTERS:
        return problem(line, f"{columns.text[:40]}: at most {MAX_LETTERS} characters are read; shorten it")
    answer = values.get(columns.answer)
    if isinstance(answer, list) and len(answer) == 1:
        (answer,) = answer
    if isinstance(answer, list):
        told = f"{len(answer)} labels for one text; a model here gives one answer, so keep one label"
        return problem(line, f"{columns.answer[:40]}: {told}")
    if isinstance(answer, bool | int | float):
        answer = str(answer)
    if answer is not None and not isinstance(answer, str):
        return problem(line, f"{columns.answer[:40]}: must be text")
    if len(answer or "") > MAX_LETTERS:
        return problem(line, f"{columns.answer[:40]}: at most {MAX_LETTERS} characters are read; shorten it")
    category, fault = _category(line, values.get(columns.category) if columns.category else None)
    return fault or row_of(line, [Message(role="user", content=text)], answer or "", category)


def _category(line: int, value: Any) -> tuple[str | None, RowProblem | None]:
    if value is None or value == "":
        return None, None
    if not isinstance(value, str):
        return None, problem(line, "category: must be text")
    category = clean_name(value)
    if not 1 <= len(category) <= LONGEST_CATEGORY:
        return None, problem(line, f"category: must have 1 to {LONGEST_CATEGORY} characters")
    return category, None


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [{"role": "assistant", "content": clean(value)}]
    return value if isinstance(value, list) else []
