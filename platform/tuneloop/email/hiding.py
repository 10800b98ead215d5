"""The tokens of a mail's links are for its recipient alone: a stored mail has placeholders where they were.

The tokens lie sealed beside it until it is sent, and are forgotten then. A placeholder is drawn at random, so that no
text from outside can ask for a token to be put somewhere else.
"""

import re
from secrets import token_hex
from typing import NamedTuple

import orjson

from tuneloop.kit.crypto import Vault
from tuneloop.kit.settings import Settings

TOKEN = re.compile(r"(?<![\w-])[\w-]{43,}(?![\w-])", re.ASCII)
"""Whatever is as long as one of our tokens (`new_token`, 256 bits). What is none is hidden too, and sent unchanged."""


class Hidden(NamedTuple):
    """`tokens`: what stood where, by placeholder."""

    text: str
    html: str
    tokens: dict[str, str]


def hide(text: str, html: str) -> Hidden:
    placeholders: dict[str, str] = {}

    def placeholder(found: re.Match[str]) -> str:
        return placeholders.setdefault(found[0], f"[hidden-{token_hex(8)}]")

    text, html = TOKEN.sub(placeholder, text), TOKEN.sub(placeholder, html)
    return Hidden(text, html, {place: token for token, place in placeholders.items()})


def put_back(text: str, tokens: dict[str, str]) -> str:
    for place, token in tokens.items():
        text = text.replace(place, token)
    return text


class Sealed(NamedTuple):
    """Everything secret about a mail that waits to be sent."""

    tokens: dict[str, str]
    unsubscribe: str | None


def seal(sealed: Sealed, settings: Settings) -> str | None:
    """None where there is nothing secret. Raises Unavailable without TUNELOOP_SECRET_KEY."""
    if not sealed.tokens and sealed.unsubscribe is None:
        return None
    return _vault(settings).seal(orjson.dumps(sealed._asdict()).decode())


def unseal(stored: str | None, settings: Settings) -> Sealed:
    """Raises Unavailable when the key has changed."""
    return Sealed(**orjson.loads(_vault(settings).open(stored))) if stored else Sealed({}, None)


def _vault(settings: Settings) -> Vault:
    return Vault(settings.secret_key.get_secret_value())
