"""What is tried again, and when."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from tuneloop.kit.errors import InvalidInput, OutOfSpace, Unavailable
from tuneloop.kit.jobs.retries import LONGEST_PAUSE, back_off, may_pass, wished_pause


def _answered(status: int, **headers: str) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "http://host")
    response = httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return httpx.HTTPStatusError("refused", request=request, response=response)


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("away"),
        _answered(503),
        _answered(429),
        ConnectionResetError(),
        OperationalError("select 1", {}, Exception("the server closed the connection")),
    ],
    ids=repr,
)
def test_what_is_away_may_come_back(error: Exception) -> None:
    assert may_pass(error)


@pytest.mark.parametrize("error", [InvalidInput("no"), OutOfSpace("full"), _answered(404), KeyError("x")], ids=repr)
def test_what_is_wrong_stays_wrong(error: Exception) -> None:
    assert not may_pass(error)


def test_pauses_grow_up_to_a_cap_and_differ() -> None:
    for failures in (1, 5, 40, 10_000):
        pauses = [back_off(failures) for _ in range(200)]
        assert len(set(pauses)) > 100
        assert timedelta() <= min(pauses)
        assert max(pauses) <= min(LONGEST_PAUSE, timedelta(seconds=2 ** min(failures, 30)))
    assert max(back_off(40) for _ in range(200)) > LONGEST_PAUSE / 2


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Unavailable("away", retry_after_seconds=7), 7),
        (Unavailable("away", retry_after_seconds=None), 0),
        (_answered(429, Retry_After="20"), 20),
        (_answered(429, Retry_After="soon"), 0),
        (_answered(429, Retry_After="999999999"), 3600),
        (KeyError("x"), 0),
    ],
)
def test_the_other_side_s_wish_is_honoured(error: Exception, seconds: int) -> None:
    assert wished_pause(error) == timedelta(seconds=seconds)


def test_a_wish_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert timedelta(seconds=60) < wished_pause(_answered(503, Retry_After=later)) <= timedelta(seconds=100)
