"""The form of blocks and views: which fields there are, and how long each may be.

Limits are those of docs.slack.dev/reference/block-kit; a field that is not there is an error, as it is at Slack.
"""

from collections.abc import Callable
from typing import Any

Check = Callable[[Any, str], list[str]]

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
TOTAL_TEXT = 13_200
"""Undocumented: above about this much text in all blocks together Slack answers msg_blocks_too_long."""


def string(limit: int, *, least: int = 1) -> Check:
    def check(value: Any, path: str) -> list[str]:
        if not isinstance(value, str):
            return [f"must be a string: {path}"]
        if not least <= len(value) <= limit:
            return [f"must be between {least} and {limit} characters, has {len(value)}: {path}"]
        return []

    return check


def one_of(*values: object) -> Check:
    return lambda value, path: [] if value in values else [f"must be one of {values}: {path}"]


def boolean(value: Any, path: str) -> list[str]:
    return [] if isinstance(value, bool) else [f"must be a boolean: {path}"]


def anything(_value: Any, _path: str) -> list[str]:
    return []


def whole(low: int, high: int) -> Check:
    def check(value: Any, path: str) -> list[str]:
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return [] if good else [f"must be a whole number from {low} to {high}: {path}"]

    return check


def items(check: Check, limit: int, *, least: int = 1) -> Check:
    def check_all(value: Any, path: str) -> list[str]:
        if not isinstance(value, list):
            return [f"must be a list: {path}"]
        if not least <= len(value) <= limit:
            return [f"must have {least} to {limit} items, has {len(value)}: {path}"]
        return [problem for place, each in enumerate(value) for problem in check(each, f"{path}/{place}")]

    return check_all


def fields(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    known = required | (optional or {})

    def check(value: Any, path: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"must be an object: {path}"]
        problems = [f"missing required field: {path}/{name}" for name in required if name not in value]
        problems += [f"unknown field: {path}/{name}" for name in value if name not in known]
        for name, each in value.items():
            if name in known:
                problems += known[name](each, f"{path}/{name}")
        return problems

    return check


def typed(shapes: dict[str, Check]) -> Check:
    def check(value: Any, path: str) -> list[str]:
        kind = value.get("type") if isinstance(value, dict) else None
        if kind not in shapes:
            return [f"unsupported type {kind!r}: {path}"]
        return shapes[kind]({name: each for name, each in value.items() if name != "type"}, path)

    return check


def plain(limit: int) -> Check:
    return typed({"plain_text": fields({"text": string(limit)}, {"emoji": boolean})})


def text(limit: int) -> Check:
    body = {"text": string(limit)}
    return typed({"plain_text": fields(body, {"emoji": boolean}), "mrkdwn": fields(body, {"verbatim": boolean})})


ID = {"block_id": string(255)}
ACTION = {"action_id": string(255)}
OPTION = fields({"text": text(75), "value": string(150)}, {"description": text(75)})
GROUP = fields({"label": plain(75), "options": items(OPTION, 100)})
CONFIRM = fields(
    {"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)},
    {"style": one_of("primary", "danger")},
)
SLACK_FILE = fields({}, {"id": string(64), "url": string(3000)})
IMAGE = {"image_url": string(3000), "slack_file": SLACK_FILE}
MENU = ACTION | {"placeholder": plain(150), "confirm": CONFIRM, "focus_on_load": boolean}
CHOICES = {"options": items(OPTION, 100), "option_groups": items(GROUP, 100)}

ELEMENTS: dict[str, Check] = {
    "button": fields(
        {"text": plain(75)},
        ACTION
        | {
            "value": string(2000),
            "url": string(3000),
            "style": one_of("primary", "danger"),
            "confirm": CONFIRM,
            "accessibility_label": string(75),
        },
    ),
    "static_select": fields({}, MENU | CHOICES | {"initial_option": OPTION}),
    "multi_static_select": fields({}, MENU | CHOICES | {"max_selected_items": whole(1, 100)}),
    "users_select": fields({}, MENU | {"initial_user": string(32)}),
    "conversations_select": fields({}, MENU | {"initial_conversation": string(32)}),
    "overflow": fields({"options": items(OPTION, 5)}, ACTION | {"confirm": CONFIRM}),
    "radio_buttons": fields({"options": items(OPTION, 10)}, ACTION | {"initial_option": OPTION, "confirm": CONFIRM}),
    "checkboxes": fields(
        {"options": items(OPTION, 10)}, ACTION | {"initial_options": items(OPTION, 10), "confirm": CONFIRM}
    ),
    "plain_text_input": fields(
        {},
        ACTION
        | {
            "placeholder": plain(150),
            "initial_value": string(3000, least=0),
            "multiline": boolean,
            "min_length": whole(0, 3000),
            "max_length": whole(1, 3000),
            "focus_on_load": boolean,
        },
    ),
    "image": fields({"alt_text": string(2000)}, IMAGE),
}
CLICKABLE = {"button", "static_select", "users_select", "overflow", "radio_buttons", "checkboxes"}
INPUTS = {"plain_text_input", "static_select", "multi_static_select", "users_select", "radio_buttons", "checkboxes"}
INPUTS |= {"conversations_select"}


def _pick(*kinds: str) -> Check:
    return typed({kind: ELEMENTS[kind] for kind in sorted(kinds)})


def _context(value: Any, path: str) -> list[str]:
    kind = value.get("type") if isinstance(value, dict) else None
    return _pick("image")(value, path) if kind == "image" else text(3000)(value, path)


def _section(value: dict[str, Any], path: str) -> list[str]:
    if "text" not in value and "fields" not in value:
        return [f"section needs text or fields: {path}"]
    shape = {"text": text(3000), "fields": items(text(2000), 10), "accessory": _pick(*CLICKABLE, "image")}
    return fields({}, ID | shape | {"expand": boolean})(value, path)


def _image(value: dict[str, Any], path: str) -> list[str]:
    if ("image_url" in value) == ("slack_file" in value):
        return [f"image needs either image_url or slack_file: {path}"]
    return fields({"alt_text": string(2000)}, ID | IMAGE | {"title": plain(2000)})(value, path)


BLOCKS: dict[str, Check] = {
    "section": _section,
    "divider": fields({}, ID),
    "header": fields({"text": plain(150)}, ID),
    "context": fields({"elements": items(_context, 10)}, ID),
    "actions": fields({"elements": items(_pick(*CLICKABLE, "conversations_select"), 25)}, ID),
    "image": _image,
    "input": fields(
        {"label": plain(2000), "element": _pick(*INPUTS)},
        ID | {"hint": plain(2000), "optional": boolean, "dispatch_action": boolean},
    ),
}
MODAL = fields(
    {"title": plain(24), "blocks": items(typed(BLOCKS), VIEW_BLOCKS)},
    {
        "close": plain(24),
        "submit": plain(24),
        "private_metadata": string(3000, least=0),
        "callback_id": string(255),
        "external_id": string(255),
        "clear_on_close": boolean,
        "notify_on_close": boolean,
    },
)
HOME = fields(
    {"blocks": items(typed(BLOCKS), VIEW_BLOCKS)},
    {"private_metadata": string(3000, least=0), "callback_id": string(255), "external_id": string(255)},
)
VIEW = typed({"modal": MODAL, "home": HOME})
METADATA = fields(
    {"event_type": string(255), "event_payload": lambda value, path: [] if isinstance(value, dict) else [path]}
)
