"""Calendar months in a client's time zone, as half-open periods: every moment lies in exactly one."""

from calendar import monthrange
from datetime import UTC, date, datetime
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tuneloop.kit.errors import InvalidInput


class Period(NamedTuple):
    """From `start` (included) to `end` (not included), in UTC."""

    start: datetime
    end: datetime


class Month(NamedTuple):
    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `2026-02`.

        Raises:
            InvalidInput: it is no month.
        """
        try:
            year, number = (int(part) for part in text.split("-"))
            date(year, number, 1)
        except ValueError as error:
            raise InvalidInput(f"{text!r} is no month; write 2026-02") from error
        return cls(year, number)

    @classmethod
    def of(cls, moment: datetime, zone: str) -> Self:
        local = moment.astimezone(time_zone(zone))
        return cls(local.year, local.month)

    def plus(self, months: int) -> "Month":
        year, zero = divmod(self.year * 12 + self.number - 1 + months, 12)
        return Month(year, zero + 1)

    def period(self, zone: str) -> Period:
        """Midnight to midnight where the client lives; an hour longer or shorter when clocks change."""
        following = self.plus(1)
        local = time_zone(zone)
        return Period(
            datetime(self.year, self.number, 1, tzinfo=local).astimezone(UTC),
            datetime(following.year, following.number, 1, tzinfo=local).astimezone(UTC),
        )

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last_day(self) -> date:
        return date(self.year, self.number, monthrange(self.year, self.number)[1])

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


def time_zone(name: str) -> ZoneInfo:
    """Raises InvalidInput for an unknown name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidInput(f"{name!r} is no time zone; write one such as Europe/Berlin") from error
