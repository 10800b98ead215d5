"""Checkable statements in a reply: links, phone numbers, dates, times, prices, percentages, codes, numbers, names.

Deterministic and explainable: every span says what it may mean. The patterns know English.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from tuneloop.evaluation.scorers.calendar_words import (
    DATES,
    TIMES,
    WEEKDAYS,
    Reading,
    date_readings,
    time_readings,
    weekday_readings,
)
from tuneloop.evaluation.scorers.names import names, words_of
from tuneloop.evaluation.scorers.numbers import NUMBER, readings


class Kind(StrEnum):
    EMAIL = "e-mail"
    URL = "url"
    DATE = "date"
    WEEKDAY = "weekday"
    TIME = "time"
    PRICE = "price"
    PERCENT = "percentage"
    PHONE = "phone number"
    CODE = "code"
    NUMBER = "number"
    NAME = "name"


class CriticalSpan(NamedTuple):
    """`readings` are the alternatives of what the text may mean, each a set of facts such as "day:3"."""

    kind: Kind
    text: str
    readings: tuple[Reading, ...]


_Meanings = Iterator[tuple[Reading, ...]]

_CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP", "dollar": "USD", "buck": "USD", "euro": "EUR", "pound": "GBP"}
_SPELLED = {
    word: value
    for value, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=1
    )
} | {"fourteen": 14, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "sixty": 60, "ninety": 90}
_CODES = "USD|EUR|GBP|CHF|CAD|AUD"
_UNIT = r"(?:(?:working|business|full)[\s-]+)?(?P<unit>minute|hour|day|week|month|year|point)s?\b"


def _fact(name: str, values: Iterable[object]) -> tuple[Reading, ...]:
    return tuple(frozenset([f"{name}:{value}"]) for value in values)


def amounts(number: str) -> tuple[Reading, ...]:
    """What a written number may mean."""
    return _fact("amount", (f"{value.normalize():f}" for value in sorted(readings(number))))


def _link(match: re.Match[str]) -> _Meanings:
    yield _fact("link", [re.sub(r"^(?:https?://)?(?:www\.)?", "", match[0].lower()).rstrip("/.,;:!?)'\"")])


def _price(match: re.Match[str]) -> _Meanings:
    written = match["currency"].lower()
    currency = _CURRENCIES.get(written.removesuffix("s"), written.upper())
    yield tuple(amount | {f"currency:{currency}"} for amount in amounts(match["number"]))


def _digits(match: re.Match[str]) -> _Meanings:
    yield _fact("digits", [re.sub(r"\D", "", match[0])])


def _code(match: re.Match[str]) -> _Meanings:
    yield _fact("code", [match[0].casefold()])


def _number(match: re.Match[str]) -> _Meanings:
    yield _measured(amounts(match["number"]), match)


def _percent(match: re.Match[str]) -> _Meanings:
    yield amounts(match["number"])


def _spelled(match: re.Match[str]) -> _Meanings:
    yield _measured(_fact("amount", [_SPELLED[match["word"].lower()]]), match)


def _measured(meaning: tuple[Reading, ...], match: re.Match[str]) -> tuple[Reading, ...]:
    unit = [f"unit:{match['unit'].lower()}"] if match["unit"] else []
    return tuple(reading | {*unit} for reading in meaning)


class _Rule(NamedTuple):
    """Earlier rules take their text away from later ones."""

    kind: Kind
    pattern: re.Pattern[str]
    meanings: Callable[[re.Match[str]], _Meanings]


def _rule(
    kind: Kind, pattern: str, meanings: Callable[[re.Match[str]], _Meanings], flags: int = re.IGNORECASE
) -> _Rule:
    return _Rule(kind, re.compile(pattern, flags), meanings)


_RULES = (
    _rule(Kind.EMAIL, r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+", _link),
    _rule(Kind.URL, r"(?:https?://|www\.)[^\s<>\"]+", _link),
    _rule(Kind.URL, r"\b(?:[\w-]{1,63}\.){1,5}(?:com|org|net|io|eu|co|shop|example)\b(?:/[^\s<>\"]*)?", _link),
    *(_Rule(Kind.DATE, pattern, date_readings) for pattern in DATES),
    _Rule(Kind.WEEKDAY, WEEKDAYS, weekday_readings),
    *(_Rule(Kind.TIME, pattern, time_readings) for pattern in TIMES),
    _rule(Kind.PRICE, rf"(?P<currency>[$€£]|\b(?:{_CODES}))\s?(?P<number>{NUMBER})", _price),
    _rule(
        Kind.PRICE,
        rf"(?<![\w.,])(?P<number>{NUMBER})\s?(?P<currency>[$€£]|(?:{_CODES}|dollars?|bucks|euros?|pounds?)\b)",
        _price,
    ),
    _rule(Kind.PERCENT, rf"(?<![\w.,])(?P<number>{NUMBER})\s?(?:%|per\s?cent\b)", _percent),
    _rule(Kind.PHONE, r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}(?!\d)", _digits),
    _rule(
        Kind.PHONE,
        r"(?<![\w.,])(?:1[ .-])?(?:\(\d{2,4}\)[ .-]?)?\d{3,5}(?:[ .-]\d{3,4}){1,3}(?!\d|[.,]\d)",
        _digits,
    ),
    _rule(Kind.CODE, r"\b[A-Z]{2,}-?\d[A-Z0-9-]*\b", _code, flags=0),
    _rule(
        Kind.NUMBER,
        rf"(?<![\w.,])(?P<number>{NUMBER})(?:(?=(?:\s*(?:-|\u2013|to|or)\s*{NUMBER})?[\s-]+{_UNIT}))?",
        _number,
    ),
    _rule(Kind.NUMBER, rf"\b(?P<word>{'|'.join(_SPELLED)})(?=[\s-]+{_UNIT})", _spelled),
)
_LIST_MARKER = re.compile(r"^\s*\d{1,2}[.)](?=\s)", re.MULTILINE)
_ANY_NUMBER = re.compile(NUMBER)
_TAKEN = "\0"


@lru_cache(maxsize=512)
def extract(text: str) -> tuple[CriticalSpan, ...]:
    """All spans of a text, by kind and then by position."""
    rest = _LIST_MARKER.sub(_blank, text)
    spans: list[CriticalSpan] = []
    for rule in _RULES:
        for match in rule.pattern.finditer(rest):
            spans += [CriticalSpan(rule.kind, match[0], meaning) for meaning in rule.meanings(match)]
        rest = rule.pattern.sub(_blank, rest)
    spans += [CriticalSpan(Kind.NAME, name, (words_of(name),)) for name in names(rest)]
    return tuple(spans)


@lru_cache(maxsize=512)
def numbers_anywhere(text: str) -> frozenset[Reading]:
    """Every written number of a text, also inside dates, times and prices, and phone numbers without their gaps."""
    gapless = [re.sub(r"\D", "", span.text) for span in extract(text) if span.kind is Kind.PHONE]
    return frozenset(reading for number in (*_ANY_NUMBER.findall(text), *gapless) for reading in amounts(number))


def _blank(match: re.Match[str]) -> str:
    return _TAKEN * len(match[0])
