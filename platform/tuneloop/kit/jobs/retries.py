"""When a job that failed is tried again."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from sqlalchemy.exc import InterfaceError, OperationalError

from tuneloop.kit.errors import TuneloopError

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=1)
LONGEST_WISH = timedelta(hours=1)
"""The longest wait that another service may ask for."""


def may_pass(error: BaseException) -> bool:
    """Whether the same may work later although nobody changes anything.

    Errors of ours say so; of others', those of connections, of the database server and of HTTP's 429 and 5xx may pass.
    """
    decided = getattr(error, "transient", None)
    if isinstance(decided, bool):
        return decided
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int) and (status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500):
        return True
    return isinstance(error, (ConnectionError, OperationalError, InterfaceError))


def back_off(failures: int) -> timedelta:
    """Full jitter: somewhere between nothing and twice as long each time, so that what failed together spreads out.

    Source: Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 30))
    return timedelta(seconds=random.uniform(0, longest.total_seconds()))  # noqa: S311  (no secret)


def wished_pause(error: BaseException) -> timedelta:
    """How long the other side asked us to wait, by `retry_after_seconds` or an answer's Retry-After; else nothing."""
    wish: object = None
    if isinstance(error, TuneloopError):
        wish = error.details.get("retry_after_seconds")
    headers = getattr(getattr(error, "response", None), "headers", None)
    if wish is None and headers is not None:
        wish = headers.get("Retry-After")
    return min(_seconds(wish), LONGEST_WISH)


def _seconds(wish: object) -> timedelta:
    """From seconds or an HTTP date (RFC 9110, 10.2.3)."""
    try:
        return max(timedelta(), timedelta(seconds=float(str(wish))))
    except (ValueError, OverflowError):
        pass
    try:
        return max(timedelta(), parsedate_to_datetime(str(wish)) - datetime.now(UTC))
    except (ValueError, TypeError):
        return timedelta()
