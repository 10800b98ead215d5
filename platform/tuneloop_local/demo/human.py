"""The people's part of the demo, counted while it is done, and how long people take for it.

The demo's people are programs, so their own seconds say nothing. What is counted is what a person would have read,
decided, typed and clicked, taken at the usual speeds: silent reading of 238 words a minute (Brysbaert 2019), and the
keystroke-level model's 1.35 s for a decision, 0.28 s for a key, 1.3 s to point and click (Card, Moran and Newell 1980).
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

WORDS_A_MINUTE = 238.0
DECISION, KEY, CLICK = 1.35, 0.28, 1.3
"""Seconds."""

WEEKS_A_MONTH = 365.25 / 12 / 7
ARTICLE_MINUTES = (120, 180)
AIM_MINUTES = 10

COLLECT, COMPARE, DEPLOY, REPORT = "collect", "compare", "deploy", "report"


@dataclass(frozen=True)
class HumanEffort:
    """What people did: words read, keys typed, and of the labels and clicks their number."""

    labels: int = 0
    clicks: int = 0
    words: int = 0
    keys: int = 0

    def __add__(self, other: "HumanEffort") -> "HumanEffort":
        return HumanEffort(
            self.labels + other.labels, self.clicks + other.clicks, self.words + other.words, self.keys + other.keys
        )

    @property
    def seconds(self) -> float:
        decided = (self.labels + self.clicks) * DECISION
        return self.words / WORDS_A_MINUTE * 60 + decided + self.keys * KEY + self.clicks * CLICK


class Ledger:
    """The work of one client's people, by what it was for: that of `weeks` weeks, and what comes once a month."""

    def __init__(self) -> None:
        self._weekly: dict[str, HumanEffort] = defaultdict(HumanEffort)
        self._monthly: dict[str, HumanEffort] = defaultdict(HumanEffort)
        self.weeks = 0

    def week(self, labels: dict[str, HumanEffort]) -> None:
        """A week's labels, by activity."""
        self.weeks += 1
        for activity, work in labels.items():
            self._weekly[activity] += work

    def once(self, labels: dict[str, HumanEffort]) -> None:
        """Labels that a retrain takes, or a test."""
        for activity, work in labels.items():
            self._monthly[activity] += work

    def click(self, activity: str, words: int) -> None:
        """A button, after reading so many words beside it."""
        self._monthly[activity] += HumanEffort(clicks=1, words=words)

    def a_month(self) -> dict[str, HumanEffort]:
        """By activity, for as many weeks as a month has."""
        share = WEEKS_A_MONTH / self.weeks if self.weeks else 0.0
        weekly = {activity: _scaled(work, share) for activity, work in self._weekly.items()}
        names = sorted({*weekly, *self._monthly})
        return {name: weekly.get(name, HumanEffort()) + self._monthly.get(name, HumanEffort()) for name in names}


def label(read: str, *, typed: int) -> HumanEffort:
    """An answer given in the review queue, `typed` keys long."""
    return HumanEffort(labels=1, words=len(read.split()), keys=typed)


def total(month: dict[str, HumanEffort]) -> HumanEffort:
    return sum(month.values(), HumanEffort())


def described(month: dict[str, HumanEffort]) -> dict[str, Any]:
    """As the summary keeps it."""
    whole = total(month)
    return {
        **_row(whole),
        "activities": {activity: _row(work) for activity, work in month.items()},
        "aim_minutes": AIM_MINUTES,
        "article_minutes": list(ARTICLE_MINUTES),
        "counted_with": {
            "words_a_minute": WORDS_A_MINUTE,
            "seconds_a_decision": DECISION,
            "seconds_a_key": KEY,
            "seconds_a_click": CLICK,
            "weeks_a_month": WEEKS_A_MONTH,
        },
    }


def in_words(month: dict[str, HumanEffort]) -> list[str]:
    whole = total(month)
    apart = ", ".join(f"{activity} {work.seconds / 60:.1f}" for activity, work in month.items())
    least, most = (minutes // 60 for minutes in ARTICLE_MINUTES)
    summary = (
        f"People's work for this client in a month: {whole.labels} labels and {whole.clicks} clicks, "
        f"{whole.seconds / 60:.0f} minutes ({apart}). By hand it is {least} to {most} hours; the aim is "
        f"{AIM_MINUTES} minutes."
    )
    counted = (
        f"Counted: {whole.words:,} words read at {WORDS_A_MINUTE:.0f} a minute, {DECISION} s a decision, "
        f"{KEY} s a key, {CLICK} s to point and click."
    )
    return [summary, counted]


def _scaled(work: HumanEffort, share: float) -> HumanEffort:
    return replace(work, **{name: round(value * share) for name, value in vars(work).items()})


def _row(work: HumanEffort) -> dict[str, Any]:
    return {**vars(work), "minutes": work.seconds / 60}
