"""Billing periods: months from an anchor, in UTC, as Stripe counts them."""

from calendar import monthrange
from datetime import UTC, datetime


def add_months(moment: int, months: int, *, anchor: int | None = None) -> int:
    """On the anchor's day of the month, or the last one where the month is shorter."""
    start = datetime.fromtimestamp(moment, UTC)
    day = datetime.fromtimestamp(anchor, UTC).day if anchor is not None else start.day
    years, month = divmod(start.month - 1 + months, 12)
    year, month = start.year + years, month + 1
    return int(start.replace(year=year, month=month, day=min(day, monthrange(year, month)[1])).timestamp())
