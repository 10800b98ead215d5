"""Calendar months in an agency's time zone, as half-open intervals of UTC: every moment is in exactly one."""

import re
from datetime import UTC, datetime
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlmodel import Session, select

from tuneloop.kit.errors import InvalidInput
from tuneloop.tables import BillingAccount

_TEXT = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


class TimeSpan(NamedTuple):
    """From `start` up to but not including `end`, both UTC."""

    start: datetime
    end: datetime


class Month(NamedTuple):
    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidInput unless `text` is like 2026-11."""
        found = _TEXT.fullmatch(text)
        if found is None or found[1] == "0000":
            raise InvalidInput(f"{text!r} is not a month; write it like 2026-11")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, moment: datetime, zone: ZoneInfo) -> Self:
        local = moment.astimezone(zone)
        return cls(local.year, local.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def next(self) -> "Month":
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def previous(self) -> "Month":
        return Month(self.year - (self.month == 1), (self.month - 2) % 12 + 1)

    def span(self, zone: ZoneInfo) -> TimeSpan:
        return TimeSpan(_midnight(self, zone), _midnight(self.next, zone))


def _midnight(month: Month, zone: ZoneInfo) -> datetime:
    """The first moment of the month. Where clocks skip midnight, `fold=0` names the moment at which they do."""
    return datetime(month.year, month.month, 1, tzinfo=zone).astimezone(UTC)


def zone_named(name: str) -> ZoneInfo:
    """Raises InvalidInput for a name that is not in the IANA time zone database."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"no time zone {name!r}; write it like Europe/Berlin") from error


def zone_of_agency(session: Session) -> ZoneInfo:
    """Of the session's agency; UTC until it has said otherwise."""
    name = session.exec(select(BillingAccount.timezone)).one_or_none()
    return ZoneInfo(name or "UTC")
