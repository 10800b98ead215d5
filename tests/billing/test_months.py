"""Every moment is in exactly one month, in any time zone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.clients.months import Month, zone_named
from tuneloop.kit.errors import InvalidInput

pytestmark = pytest.mark.failure_case(12)

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Asuncion",
    "Asia/Beirut",
]
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@settings(max_examples=300)
@given(moment=moments, name=st.sampled_from(ZONES))
def test_a_moment_is_in_the_span_of_its_month_and_of_no_neighbour(moment: datetime, name: str) -> None:
    zone = zone_named(name)
    month = Month.of(moment, zone)
    inside = [
        each for each in (month.previous, month, month.next) if each.span(zone).start <= moment < each.span(zone).end
    ]
    assert inside == [month]


@pytest.mark.parametrize("name", ZONES)
def test_months_join_without_gap_or_overlap(name: str) -> None:
    zone, month = zone_named(name), Month(1999, 12)
    for _ in range(400):
        assert month.span(zone).end == month.next.span(zone).start
        assert month.next.previous == month
        month = month.next


@pytest.mark.parametrize(
    ("name", "text", "start", "hours"),
    [
        ("UTC", "2028-02", "2028-02-01T00:00+00:00", 29 * 24),
        ("UTC", "2100-02", "2100-02-01T00:00+00:00", 28 * 24),
        ("Europe/Berlin", "2026-03", "2026-02-28T23:00+00:00", 31 * 24 - 1),
        ("Europe/Berlin", "2026-10", "2026-09-30T22:00+00:00", 31 * 24 + 1),
        ("America/New_York", "2026-12", "2026-12-01T05:00+00:00", 31 * 24),
    ],
)
def test_leap_years_and_daylight_saving(name: str, text: str, start: str, hours: int) -> None:
    span = Month.parse(text).span(zone_named(name))
    assert span.start == datetime.fromisoformat(start)
    assert span.end - span.start == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "26-1", "2026-1", "0000-01", "next", "2026-01-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="write it like 2026-11"):
        Month.parse(text)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="write it like Europe/Berlin"):
        zone_named(name)
