"""What people typed, from what Slack makes of it: `&`, `<`, `>` escaped; links and mentions in angle brackets.

https://docs.slack.dev/messaging/formatting-message-text#escaping
"""

import re

_MARKED = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")


def typed_text(sent: str) -> str:
    """Decode a message's or a command's text, once. Fields of modals come as they were typed."""
    plain = _MARKED.sub(lambda found: _typed(found[1], found[2]), sent)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _typed(target: str, label: str | None) -> str:
    """A link is its label, or its address; of a mention what it starts with, and the name if Slack gives it."""
    if target[0] in "@#!":
        return f"{target[0]}{label}" if label else target
    return label or target.removeprefix("mailto:")
