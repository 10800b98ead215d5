"""The pieces that messages are made of.

Two kinds of text: ours, which may use mrkdwn, and everybody else's, which goes into plain text objects (Slack
formats nothing there) or through `code`, which leaves nothing for Slack to interpret.
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tuneloop_bot.action_ids import Act, Ref

Block = dict[str, Any]

SECTION, HEADER, FIELD, BUTTON, OPTION = 3000, 150, 2000, 75, 75
ELLIPSIS = "…"


def visible(text: str) -> str:
    """Text without characters that hide or reorder others: they are written as their code points."""
    return "".join(
        char if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs") else f"\\u{ord(char):04x}"
        for char in text
    )


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def escape(text: str) -> str:
    """For mrkdwn and for a message's fallback text: no mention, channel, link or date can begin."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str, limit: int = 300) -> str:
    """Somebody else's words within our mrkdwn."""
    return f"`{escape(cut(text, limit)).replace('`', chr(39)).replace(chr(10), ' ')}`"


def plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": cut(visible(text), limit) or ELLIPSIS, "emoji": False}


def mrkdwn(text: str, limit: int = SECTION) -> Block:
    return {"type": "mrkdwn", "text": cut(text, limit), "verbatim": True}


def header(text: str) -> Block:
    return {"type": "header", "text": plain(text, HEADER)}


def ours(text: str) -> Block:
    """A section of our own words."""
    return {"type": "section", "text": mrkdwn(text)}


def theirs(text: str, limit: int = SECTION) -> Block:
    """A section of somebody's literal words."""
    return {"type": "section", "text": plain(text, limit)}


def pairs(rows: Sequence[tuple[str, str]]) -> list[Block]:
    """Titles (mrkdwn) with what is said about them, two columns; ten to a section."""
    fields = [mrkdwn(f"{title}\n{value}", FIELD) for title, value in rows]
    return [{"type": "section", "fields": fields[at : at + 10]} for at in range(0, len(fields), 10)]


def context(*lines: str) -> Block:
    return {"type": "context", "elements": [mrkdwn(line) for line in lines[:10]]}


def divider() -> Block:
    return {"type": "divider"}


def buttons(*elements: Block | None) -> list[Block]:
    shown = [element for element in elements if element is not None]
    return [{"type": "actions", "elements": shown}] if shown else []


def button(
    text: str, act: Act, ref: Ref, *, style: str | None = None, confirm: Block | None = None, place: str = ""
) -> Block:
    """`place` tells apart buttons of one message that do the same to different things."""
    made = {
        "type": "button",
        "text": plain(text, BUTTON),
        "action_id": f"{act}{':' if place else ''}{place}",
        "value": ref.value(),
    }
    return made | ({"style": style} if style else {}) | ({"confirm": confirm} if confirm else {})


def link(text: str, url: str) -> Block:
    return {"type": "button", "text": plain(text, BUTTON), "action_id": f"{Act.OPEN}:{cut(text, 40)}", "url": url}


def menu(placeholder: str, act: Act, options: Sequence[tuple[str, str]]) -> Block:
    """A select of (text, value); over a hundred options are grouped."""
    made: list[Block] = [{"text": plain(text, OPTION), "value": value} for text, value in options]
    shown: Block = {"type": "static_select", "action_id": str(act), "placeholder": plain(placeholder, 150)}
    if len(made) <= 100:
        return shown | {"options": made}
    chunks = [made[at : at + 100] for at in range(0, len(made), 100)]
    groups = [{"label": plain(f"{part[0]['text']['text']} …", 75), "options": part} for part in chunks]
    return shown | {"option_groups": groups}


def confirm(title: str, text: str, yes: str, *, danger: bool = False) -> Block:
    asked = {"title": plain(title, 100), "text": plain(text, 300), "confirm": plain(yes, 30), "deny": plain("Back", 30)}
    return asked | ({"style": "danger"} if danger else {"style": "primary"})


def when(moment: datetime) -> str:
    """In the reader's own time zone."""
    fallback = f"{moment:%Y-%m-%d %H:%M} UTC"
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{fallback}>"


def counted(number: int, what: str, many: str | None = None) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {many or f'{what}s'}"
