"""Sentences, dates and numbers in the language of a report."""

import tomllib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal, format_percent

from tuneloop_reports.content import Average, Difference, ReportRate
from tuneloop_reports.style import Language

TO = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
LOCALES = {Language.ENGLISH: Locale("en", "GB"), Language.GERMAN: Locale("de", "DE")}


@cache
def sentences(language: Language) -> Mapping[str, str]:
    """By `section.name`."""
    text = files("tuneloop_reports").joinpath("languages", f"{language}.toml").read_text("utf-8")
    return {
        f"{section}.{name}": sentence
        for section, table in tomllib.loads(text).items()
        for name, sentence in table.items()
    }


class Translator:
    """Writes in one language and time zone. Rates never come without n and range."""

    def __init__(self, language: Language, zone: str) -> None:
        self.language = language
        self.locale = LOCALES[language]
        self._zone = ZoneInfo(zone)
        self._sentences = sentences(language)

    def __call__(self, key: str, **values: Any) -> str:
        """The sentence `key`; numbers among `values` are written as the language writes them."""
        shown = {name: self.number(value) if isinstance(value, int) else value for name, value in values.items()}
        return self._sentences[key].format(**shown)

    def counted(self, key: str, n: int, **values: Any) -> str:
        return self(f"{key}_{'one' if n == 1 else 'other'}", n=n, **values)

    def number(self, value: int) -> str:
        return str(format_decimal(value, locale=self.locale))

    def percent(self, value: float, digits: int = 0) -> str:
        pattern = {Language.ENGLISH: "0{}%", Language.GERMAN: "0{}\u00a0%"}[self.language]
        decimals = "." + "0" * digits if digits else ""
        return str(format_percent(value, format=pattern.format(decimals), locale=self.locale))

    def share(self, figure: ReportRate | Average, digits: int = 0) -> str:
        """The value alone, for places whose range and n stand beside it."""
        return self("tile.not_measured") if figure.value is None else self.percent(figure.value, digits)

    def range(self, figure: ReportRate | Average, digits: int = 0) -> str:
        low, high = self.percent(figure.low, digits), self.percent(figure.high, digits)
        return f"{low.rstrip('%').rstrip()}{TO}{high}"

    def rate(self, figure: ReportRate | Average, digits: int = 0) -> str:
        """Value, range and n."""
        if figure.value is None:
            return self("tile.not_measured")
        return f"{self.share(figure, digits)} ({self.range(figure, digits)}, {self('figure.n', n=figure.n)})"

    def points(self, value: float, digits: int = 0, *, sign: bool = True) -> str:
        """Percentage points, with their sign."""
        rounded = round(100 * value, digits)
        text = str(format_decimal(abs(rounded), format=f"0.{'0' * digits}" if digits else "0", locale=self.locale))
        before = "+" if rounded > 0 else MINUS if rounded < 0 else PLUS_MINUS
        return before + text if sign else text

    def difference(self, difference: Difference, digits: int = 0) -> str:
        span = self("figure.range", low=self.points(difference.low, digits), high=self.points(difference.high, digits))
        return f"{self.points(difference.value, digits)} ({span})"

    def day(self, moment: datetime | date) -> str:
        local = moment.astimezone(self._zone).date() if isinstance(moment, datetime) else moment
        return format_date(local, format="long", locale=self.locale)

    def last_day(self, end: datetime) -> str:
        """The last day of a period, whose end is the midnight after it or, closed early, a moment in it."""
        return self.day(end - timedelta(microseconds=1))

    def short_day(self, moment: datetime) -> str:
        return format_date(moment.astimezone(self._zone).date(), format="d MMM", locale=self.locale)

    def month(self, month: str) -> str:
        """ "January 2026"."""
        year, number = month.split("-")
        return format_date(date(int(year), int(number), 1), format="MMMM y", locale=self.locale)

    def list(self, items: list[str]) -> str:
        return ", ".join(items)
