"""Errors as pages for browsers, and as JSON for everybody else."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from litestar import Response
from litestar.exceptions import HTTPException
from sqlalchemy.exc import DataError

from tuneloop.gateway.error_answers import answer_elsewhere
from tuneloop.identity.request import SAFE_METHODS, SECOND_FACTOR_PAGE, HttpRequest
from tuneloop.identity.second_factor import SecondFactorMissing
from tuneloop.kit.errors import InvalidInput, NotAuthenticated, TuneloopError
from tuneloop.kit.http import answer_domain_error, answer_http_error, answer_unexpected, waiting
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.render import page

log = structlog.get_logger(__name__)

UNSTORABLE = "a value can't be stored: it holds a NUL character, or a number that is too large; take it out"
_MACHINES = ("/api/", "/v1/", "/schema")


def answer_domain(request: HttpRequest, error: TuneloopError) -> Response[Any]:
    """A browser without a session is asked to sign in; a form that was refused says why above the form."""
    if not _is_browser(request):
        return answer_domain_error(request, error)
    if isinstance(error, NotAuthenticated) and request.method in SAFE_METHODS:
        return back_to(f"/sign-in?next={quote(_address(request), safe='')}")
    if isinstance(error, SecondFactorMissing):
        return back_to(SECOND_FACTOR_PAGE)
    if request.method not in SAFE_METHODS and not isinstance(error, NotAuthenticated) and (came := _came_from(request)):
        return back_to(came, error.message, failed=True)
    answer = page(request, "failure.html", status=error.status, title=_title(error.status), message=error.message)
    answer.headers.update(waiting(error))
    return answer


def answer_http(request: HttpRequest, error: HTTPException) -> Response[Any]:
    if request.url.path.startswith("/v1/"):
        return answer_elsewhere(request, error)
    if not _is_browser(request):
        return answer_http_error(request, error)
    return page(request, "failure.html", status=error.status_code, title=_title(error.status_code), message="")


def answer_unstorable(request: HttpRequest, error: DataError) -> Response[Any]:
    """The database refused a value of the request: NUL among its characters, a number beyond 64 bits."""
    log.warning("unstorable_value", path=request.url.path, method=request.method, exc_info=error)
    return answer_domain(request, InvalidInput(UNSTORABLE))


def answer_other(request: HttpRequest, error: Exception) -> Response[Any]:
    if not _is_browser(request):
        return answer_unexpected(request, error)
    log.error("unhandled_error", path=request.url.path, method=request.method, exc_info=error)
    message = "Something went wrong on our side; it has been logged. Nothing was changed."
    return page(request, "failure.html", status=500, title="That did not work", message=message)


def _is_browser(request: HttpRequest) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_MACHINES)


def _address(request: HttpRequest) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


def _came_from(request: HttpRequest) -> str | None:
    """The page of ours that held the form."""
    referrer = urlsplit(request.headers.get("referer", ""))
    if referrer.netloc != request.url.netloc or not referrer.path:
        return None
    return referrer.path + (f"?{referrer.query}" if referrer.query else "")


def _title(status: int) -> str:
    return {404: "Not found", 403: "Not allowed", 401: "Please sign in again", 422: "Invalid input"}.get(
        status, HTTPStatus(status).phrase
    )
