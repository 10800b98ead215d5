"""Domain errors as HTTP answers: one mapper, one shape."""

from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException

from tuneloop.kit.errors import TuneloopError

log = structlog.get_logger(__name__)

AnyRequest = Request[Any, Any, State]


def error_body(code: str, message: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "details": details or {}}}


def answer_domain_error(_request: AnyRequest, error: TuneloopError) -> Response[dict[str, Any]]:
    return Response(
        error_body(error.code, error.message, error.details), status_code=error.status, headers=waiting(error)
    )


def waiting(error: TuneloopError) -> dict[str, str]:
    """The header that says when to come back, where the error does."""
    seconds = error.details.get("retry_after_seconds")
    return {} if seconds is None else {"Retry-After": str(seconds)}


def answer_http_error(_request: AnyRequest, error: HTTPException) -> Response[dict[str, Any]]:
    """Litestar's own errors; a validation error names each field and what is wrong with it."""
    details: dict[str, Any] = {}
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        details = {"fields": [{"field": e.get("key"), "problem": e.get("message")} for e in error.extra]}
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return Response(error_body(code, error.detail, details), status_code=error.status_code, headers=error.headers or {})


def answer_unexpected(request: AnyRequest, error: Exception) -> Response[dict[str, Any]]:
    """The last edge: log with the traceback, tell the caller nothing about the inside."""
    log.error("unhandled_error", path=request.url.path, method=request.method, exc_info=error)
    return Response(
        error_body("internal", "something went wrong on our side; it has been logged"),
        status_code=HTTPStatus.INTERNAL_SERVER_ERROR,
    )
