"""How a command ends when it does not succeed: exit codes, and the one exception that carries them."""

from collections.abc import Mapping
from enum import IntEnum
from http import HTTPStatus
from typing import Any

from tuneloop.kit.api_client import ApiError
from tuneloop.kit.errors import TuneloopError


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_AUTHENTICATED = 3
    NOT_FOUND = 4
    CONFLICT = 5
    NOT_PROMOTE = 6
    JOB_FAILED = 7
    INTERRUPTED = 130


MEANING: Mapping[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "refused, or something failed",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.NOT_AUTHENTICATED: "no valid API key",
    ExitCode.NOT_FOUND: "no such thing",
    ExitCode.CONFLICT: "contradicts the current state",
    ExitCode.NOT_PROMOTE: "compare: the verdict is not 'promote'",
    ExitCode.JOB_FAILED: "the job or cycle that was followed failed",
    ExitCode.INTERRUPTED: "you pressed Ctrl-C",
}

_BY_STATUS = {
    HTTPStatus.UNAUTHORIZED: ExitCode.NOT_AUTHENTICATED,
    HTTPStatus.NOT_FOUND: ExitCode.NOT_FOUND,
    HTTPStatus.CONFLICT: ExitCode.CONFLICT,
}


class Failure(Exception):
    """Ends the command with a sentence that says what to do."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        exit_code: ExitCode = ExitCode.FAILED,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.exit_code = exit_code
        self.details = dict(details or {})

    def body(self) -> dict[str, Any]:
        """The API's error shape."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


def failure_of(error: TuneloopError | ApiError) -> Failure:
    code = ExitCode.USAGE if error.code == "usage" else exit_code_of(error.status)
    return Failure(error.code, error.message, exit_code=code, details=error.details)


def exit_code_of(status: HTTPStatus | None) -> ExitCode:
    return _BY_STATUS.get(status, ExitCode.FAILED) if status else ExitCode.FAILED
