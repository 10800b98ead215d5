"""Dates, weekdays and times of day as English shop replies write them."""

import re
from collections.abc import Iterator, Sequence

Reading = frozenset[str]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b"
)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_LAST_DAY = r"(?P<last>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:\.?,?\s+(?P<year>\d{4})\b)?"
_TO = r"\s*(?:-|\u2013|\u2014|\bto\b|\btill\b|\buntil\b|\bthrough\b)\s*"
_TO_OR_AND = rf"(?:{_TO}|\s+and\s+)"
_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)"
_HOUR = r"(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?"

DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?P<year>\d{4})-(?P<number>\d{2})-(?P<day>\d{2})\b",
        r"(?<![\d.,])(?P<first>\d{1,2})[./](?P<second>\d{1,2})[./](?P<year>\d{4}|\d{2})\b",
        rf"\b{_DAY}(?:{_TO_OR_AND}{_LAST_DAY})?\s+(?:of\s+)?{_MONTH}{_YEAR}",
        rf"\b{_MONTH}\.?\s+{_DAY}(?!\d)(?:{_TO_OR_AND}{_LAST_DAY}(?!\d))?{_YEAR}",
        rf"\b{_MONTH}\.?\s+(?P<year>\d{{4}})\b",
        r"(?<=\bin )" + _MONTH,
        r"\b(?!may\b|march\b|jan\b|mar\b|dec\b|sep\b|oct\b|jun\b|apr\b|nov\b|aug\b|jul\b|feb\b)" + _MONTH,
    )
)
WEEKDAYS = re.compile(
    rf"\b(?P<from>{_WEEKDAY})(?:days?)?(?:{_TO}(?P<to>{_WEEKDAY})(?:days?)?)\b"
    rf"|\b(?P<one>{_WEEKDAY})days?\b"
    r"|\b(?-i:(?P<short>Mon|Tues?|Wed|Thu|Thurs?|Fri|Sat))\b"
    r"|\b(?P<group>weekdays?|weekends?)\b",
    re.IGNORECASE,
)
TIMES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_HOUR}(?={_TO}\d{{1,2}}(?:[:.]\d{{2}})?\s*[ap]\.?m\b)",
        rf"\b{_HOUR}\s*(?P<half>[ap])\.?m\b",
        r"\b(?P<hour>\d{1,2}):(?P<minute>\d{2})\b",
        r"\b(?P<hour>\d{1,2})\s+o['\u2019]?clock\b",
        r"\b(?P<word>noon|midday|midnight)\b",
    )
)


def date_readings(match: re.Match[str]) -> Iterator[tuple[Reading, ...]]:
    """For each date of the match, what it may mean; a range of days gives its first and its last."""
    found = match.groupdict()
    year = [f"year:{int(found['year']) % 100 + 2000}"] if found.get("year") else []
    if found.get("first"):
        first, second = int(found["first"]), int(found["second"])
        orders = {(day, month) for day, month in ((first, second), (second, first)) if 1 <= month <= 12}
        yield tuple(frozenset([f"day:{day}", f"month:{month}", *year]) for day, month in sorted(orders))
        return
    month = int(found["number"]) if found.get("number") else _MONTHS.index(found["month"][:3].lower()) + 1
    for day in [found.get("day"), found.get("last")] if found.get("last") else [found.get("day")]:
        yield (frozenset([*([f"day:{int(day)}"] if day else []), f"month:{month}", *year]),)


def weekday_readings(match: re.Match[str]) -> Iterator[tuple[Reading, ...]]:
    """One meaning for each weekday from the first to the last."""
    for day in _days(match.groupdict()):
        yield (frozenset([f"weekday:{day}"]),)


def time_readings(match: re.Match[str]) -> Iterator[tuple[Reading, ...]]:
    """Minutes since midnight; an hour up to 12 without am or pm may be either."""
    found = match.groupdict()
    if found.get("word"):
        yield (frozenset([f"minute:{0 if found['word'].lower() == 'midnight' else 720}"]),)
        return
    hour, minute = int(found["hour"]), int(found.get("minute") or 0)
    half = (found.get("half") or "").lower()
    either = [hour % 12, hour % 12 + 12] if hour <= 12 else [hour]
    hours = {"a": [hour % 12], "p": [hour % 12 + 12]}.get(half, either)
    yield tuple(frozenset([f"minute:{60 * each + minute}"]) for each in hours)


def _days(found: dict[str, str | None]) -> Sequence[int]:
    if group := found["group"]:
        return range(5) if group.lower().startswith("weekday") else (5, 6)
    if one := found["one"] or found["short"]:
        return [_WEEKDAYS.index(one[:3].lower())]
    first, last = (_WEEKDAYS.index(str(found[end])[:3].lower()) for end in ("from", "to"))
    return [(first + step) % 7 for step in range((last - first) % 7 + 1)]
