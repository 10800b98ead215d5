"""A sentence shown once on the next page: what was done, or why not."""

from typing import Any, NamedTuple

import orjson
from litestar import Response
from litestar.datastructures import Cookie
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from tuneloop.identity.request import HttpRequest

COOKIE = "tuneloop_note"
LONGEST = 600


class Note(NamedTuple):
    text: str
    failed: bool = False


def back_to(path: str, text: str = "", *, failed: bool = False) -> Redirect:
    """See `path` next, with a sentence about what happened."""
    answer = Redirect(path, status_code=HTTP_303_SEE_OTHER)
    if text:
        value = orjson.dumps({"text": text[:LONGEST], "failed": failed}).hex()
        answer.set_cookie(Cookie(key=COOKIE, value=value, max_age=60, httponly=True, samesite="lax", path="/"))
    return answer


def take(request: HttpRequest) -> Note | None:
    """The note that the browser brought; a malformed one is none."""
    try:
        found = orjson.loads(bytes.fromhex(request.cookies.get(COOKIE, "")))
        return Note(str(found["text"]), bool(found["failed"]))
    except (ValueError, KeyError, TypeError):
        return None


def forget(answer: Response[Any]) -> None:
    answer.delete_cookie(COOKIE, path="/")
