"""What Slack refuses: messages and views that are too long, ill-formed or that name a block twice."""

from collections.abc import Iterator
from typing import Any

from tuneloop_local.emulators.slack.shapes import BLOCKS, MESSAGE_BLOCKS, METADATA, TOTAL_TEXT, VIEW, items, typed


class Refused(Exception):
    """Slack's answer `{"ok": false, "error": code}`."""

    def __init__(self, code: str, *problems: str, **extra: Any) -> None:
        super().__init__(code)
        self.code = code
        self.problems = list(problems)
        self.extra = extra

    def body(self) -> dict[str, Any]:
        more = {"response_metadata": {"messages": [f"[ERROR] {each}" for each in self.problems]}}
        return {"ok": False, "error": self.code, **self.extra} | (more if self.problems else {})


def check_message(message: dict[str, Any], *, text_limit: int = 40_000) -> None:
    """Raises Refused for a message that Slack would not post."""
    blocks = message.get("blocks")
    if not message.get("text") and not blocks:
        raise Refused("no_text")
    if len(message.get("text") or "") > text_limit:
        raise Refused("msg_too_long")
    if blocks is not None:
        problems = items(typed(BLOCKS), MESSAGE_BLOCKS, least=0)(blocks, "/blocks")
        problems += _inputs_outside_modals(blocks) + _named_twice(blocks)
        if problems:
            raise Refused("invalid_blocks", *problems)
        if sum(len(each) for each in texts(blocks)) > TOTAL_TEXT:
            raise Refused("msg_blocks_too_long")
    if "metadata" in message and METADATA(message["metadata"], "/metadata"):
        raise Refused("invalid_metadata_format")


def check_view(view: Any) -> None:
    """Raises Refused for a view that Slack would not open."""
    problems = VIEW(view, "/view")
    if not problems:
        problems += _named_twice(view["blocks"])
        asks = any(block["type"] == "input" for block in view["blocks"])
        if view["type"] == "modal" and asks and "submit" not in view:
            problems.append("a modal with inputs needs submit: /view/submit")
    if problems:
        raise Refused("invalid_arguments", *problems)


def texts(value: Any) -> Iterator[str]:
    """Every piece of text in blocks."""
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def actions_of(blocks: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every block with each of its elements that a person can use."""
    for block in blocks:
        for element in (*block.get("elements", ()), block.get("accessory"), block.get("element")):
            if isinstance(element, dict) and "action_id" in element:
                yield block, element


def _inputs_outside_modals(blocks: list[Any]) -> list[str]:
    return [
        f"input blocks in messages are not used here: /blocks/{place}"
        for place, block in enumerate(blocks)
        if isinstance(block, dict) and block.get("type") == "input"
    ]


def _named_twice(blocks: list[Any]) -> list[str]:
    problems, seen = [], set()
    for place, block in enumerate(blocks):
        name = block.get("block_id")
        if name in seen:
            problems.append(f"block_id {name} is used twice: /blocks/{place}")
        seen.add(name or object())
        ids = [element["action_id"] for _, element in actions_of([block])]
        if len(ids) != len(set(ids)):
            problems.append(f"action_id is used twice in a block: /blocks/{place}")
    return problems
