"""Domain errors. Each carries a code for machines, a sentence that says what to do, and an HTTP status.

One mapper per edge (HTTP, CLI, worker) turns them into answers; nothing else catches them.
"""

from http import HTTPStatus
from typing import Any, ClassVar


class TuneloopError(Exception):
    """Base of every error we raise on purpose; `details` are ids and figures, safe to show to the caller."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "error"
    transient: ClassVar[bool] = False
    """Whether the same may work later although nobody changes anything: a job that meets it waits and tries again.

    Every class below this one says so for itself.
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidInput(TuneloopError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_input"
    transient = False


class TooLarge(TuneloopError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"
    transient = False


class TooSlow(TuneloopError):
    status = HTTPStatus.REQUEST_TIMEOUT
    code = "too_slow"
    transient = False


class TooManyAttempts(TuneloopError):
    """`retry_after_seconds` says when another one is worth while."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_attempts"
    transient = True


class NotAuthenticated(TuneloopError):
    status = HTTPStatus.UNAUTHORIZED
    code = "not_authenticated"
    transient = False


class NotAllowed(TuneloopError):
    """The caller may see the thing but not do this to it."""

    status = HTTPStatus.FORBIDDEN
    code = "not_allowed"
    transient = False


class NotFound(TuneloopError):
    """The thing does not exist, or belongs to somebody else: both answer alike."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"
    transient = False

    def __init__(self, kind: str, name: object) -> None:
        super().__init__(f"no {kind} {name!s}", kind=kind, name=str(name))


class Conflict(TuneloopError):
    """The request contradicts the current state."""

    status = HTTPStatus.CONFLICT
    code = "conflict"
    transient = False


class Unavailable(TuneloopError):
    """A part we need is down; trying again later may work."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
    transient = True


class CorruptArtifact(TuneloopError):
    """A file does not match its digest, its manifest or its base."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "corrupt_artifact"
    transient = False


class OutOfSpace(TuneloopError):
    status = HTTPStatus.INSUFFICIENT_STORAGE
    code = "out_of_space"
    transient = False
