"""What Slack makes of what a person typed, before an app hears it.

https://docs.slack.dev/messaging/formatting-message-text#escaping
"""

import re

_LINKED = re.compile(
    r"(?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)|(?P<url>https?://[^\s<>|]+)|(?P<domain>\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|example)\b)"
)


def as_sent(text: str) -> str:
    """Escaped, with addresses as links."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LINKED.sub(_link, escaped)


def _link(found: re.Match[str]) -> str:
    text = found[0]
    if found["mail"]:
        return f"<mailto:{text}|{text}>"
    return f"<{text}>" if found["url"] else f"<http://{text}|{text}>"
