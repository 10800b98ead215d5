"""How the gateway answers what it refuses over HTTP."""

from http import HTTPStatus
from typing import Any

import structlog
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException

from tuneloop.gateway.errors import error_body
from tuneloop.kit.errors import TuneloopError
from tuneloop.kit.http import AnyRequest, waiting

log = structlog.get_logger(__name__)

_ELSEWHERE = {
    "/v1/completions": "send the prompt as a user's message to /v1/chat/completions",
    "/v1/responses": "send the input as messages to /v1/chat/completions",
    "/v1/embeddings": "these models answer and do not embed; ask a service for embeddings",
}
_EXTRA_FIELD = "Extra inputs are not permitted"


def answer_domain_error(_request: AnyRequest, error: TuneloopError) -> Response[dict[str, Any]]:
    body = error_body(error.status, error.code, error.message, error.details.get("param"))
    return Response(body, status_code=error.status, headers=waiting(error))


def answer_http_error(_request: AnyRequest, error: HTTPException) -> Response[dict[str, Any]]:
    """Litestar's own errors; of a body that does not validate, the first problem."""
    status, code, message, param = error.status_code, "invalid_request", error.detail, None
    if isinstance(error, ValidationException) and isinstance(error.extra, list) and error.extra:
        problem = error.extra[0]
        param, code = str(problem.get("key") or "") or None, "invalid_value"
        message = f"{param}: {problem.get('message')}" if param else str(problem.get("message"))
        if problem.get("message") == _EXTRA_FIELD:
            code, message = "unsupported_parameter", f"{param} is not supported by this model; leave it out"
    elif status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        code, message = "request_too_large", "the request body is larger than 1 MiB; send fewer or shorter messages"
    return Response(error_body(status, code, message, param), status_code=status, headers=error.headers or {})


def answer_elsewhere(request: AnyRequest, error: HTTPException) -> Response[dict[str, Any]]:
    """Addresses of OpenAI's API that are not served here."""
    if error.status_code != HTTPStatus.NOT_FOUND:
        return answer_http_error(request, error)
    path = request.url.path.removesuffix("/")
    advice = _ELSEWHERE.get(path, "use /v1/chat/completions or /v1/models")
    body = error_body(error.status_code, "unsupported_endpoint", f"{path[:100]} is not served here; {advice}")
    return Response(body, status_code=error.status_code)


def answer_unexpected(request: AnyRequest, error: Exception) -> Response[dict[str, Any]]:
    """The last edge: log with the traceback, tell the caller nothing about the inside."""
    log.error("unhandled_error", path=request.url.path, method=request.method, exc_info=error)
    body = error_body(500, "internal", "something went wrong on our side; it has been logged")
    return Response(body, status_code=HTTPStatus.INTERNAL_SERVER_ERROR)
