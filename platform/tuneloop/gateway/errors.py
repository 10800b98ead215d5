"""What the gateway refuses, in the shape that OpenAI's client libraries understand."""

from http import HTTPStatus
from typing import Any

from tuneloop.kit.errors import NotAuthenticated, TuneloopError, Unavailable


class InvalidRequest(TuneloopError):
    status = HTTPStatus.BAD_REQUEST
    code = "invalid_value"
    transient = False


class UnsupportedParameter(InvalidRequest):
    code = "unsupported_parameter"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not supported by this model; leave it out", param=name)


class InvalidKey(NotAuthenticated):
    code = "invalid_api_key"

    def __init__(self) -> None:
        super().__init__("the API key is missing, unknown or revoked; send it as 'Authorization: Bearer tl_…'")


class ModelNotFound(TuneloopError):
    status = HTTPStatus.NOT_FOUND
    code = "model_not_found"
    transient = False

    def __init__(self, name: str) -> None:
        super().__init__(f"the model {name!r} does not exist or you may not call it", param="model")


class Busy(TuneloopError):
    """The agency has more requests in flight than its share."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "rate_limit_exceeded"
    transient = True


class EngineUnavailable(Unavailable):
    code = "engine_unavailable"


class EngineFailed(TuneloopError):
    status = HTTPStatus.BAD_GATEWAY
    code = "engine_error"
    transient = True


class EngineTimeout(TuneloopError):
    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "engine_timeout"
    transient = True


def error_body(status: int, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """OpenAI's error object."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        kind = "rate_limit_error"
    else:
        kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
