"""What browsers are told with every answer, also with errors: nothing is guessed, framed, leaked or kept.

An answer that says more about itself, such as a page with its style, keeps what it says.
"""

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

CLOSED: Final = "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
DEFAULTS: Final = {
    "Content-Security-Policy": CLOSED,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
YEAR: Final = "max-age=31536000"


def style_source(page: str) -> str:
    """The style sheets that stand in this page, and no others, for its `style-src`."""
    sheets = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(sha256(sheet.encode()).digest()).decode()}'" for sheet in sheets) or "'none'"


def security_headers(*, tls: bool) -> Callable[[Message, Scope], Awaitable[None]]:
    """A `before_send` hook. `tls`: browsers reach us by https, and are told never to do without."""
    added = DEFAULTS | ({"Strict-Transport-Security": YEAR} if tls else {})

    async def add(message: Message, scope: Scope) -> None:
        del scope
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            headers = MutableScopeHeaders.from_message(message)
            for name, value in added.items():
                headers.setdefault(name, value)

    return add
