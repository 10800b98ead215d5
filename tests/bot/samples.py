"""Blocks that Slack takes, and blocks that it refuses; those marked `sdk` are refused by slack_sdk's models too."""

from typing import Any

Block = dict[str, Any]


def section(text: str, **more: Any) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}} | more


def button(text: str = "Approve", action: str = "approve", **more: Any) -> Block:
    return {"type": "button", "text": {"type": "plain_text", "text": text}, "action_id": action} | more


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


def context(count: int) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * count}


def _menu(count: int) -> Block:
    options = [{"text": {"type": "plain_text", "text": f"o{each}"}, "value": f"{each}"} for each in range(count)]
    return {"type": "static_select", "action_id": "pick", "options": options}


BLOCKS: list[Block] = [
    header("x" * 150),
    section("x" * 3000),
    section("x", fields=[{"type": "mrkdwn", "text": "y"}] * 10),
    {"type": "divider"},
    context(10),
    actions(button(value="v" * 2000, style="primary"), _menu(100)),
]
BROKEN: dict[str, list[Block]] = {
    "sdk: section over 3,000": [section("x" * 3001)],
    "sdk: eleven fields": [section("x", fields=[{"type": "mrkdwn", "text": "y"}] * 11)],
    "sdk: header over 150": [header("x" * 151)],
    "sdk: eleven context elements": [context(11)],
    "sdk: 26 actions": [actions(*(button(action=f"a{each}") for each in range(26)))],
    "sdk: button over 75": [actions(button("x" * 76))],
    "sdk: 101 options": [actions(_menu(101))],
    "51 blocks": [{"type": "divider"}] * 51,
    "unknown block": [{"type": "marquee"}],
    "unknown field": [section("x", colour="red")],
    "empty text": [section("")],
    "same action twice": [actions(button(), button())],
    "same block id twice": [section("x", block_id="b"), section("y", block_id="b")],
    "too much text": [section("x" * 2900)] * 5,
    "button without a text": [actions({"type": "button", "action_id": "a"})],
}
