"""What an alert says in words: with its figures, or without where they stand beside it."""

from collections.abc import Mapping
from typing import Any

from tuneloop.tables import Alert, AlertKind, AlertLevel

NOT_A_SAMPLE = (
    "Who reports is not a random sample, so this says nothing about accuracy: look at what was reported, and label "
    "sampled answers."
)
_FELL = {
    AlertKind.ACCURACY: "Accuracy on sampled traffic fell.",
    AlertKind.CATEGORY: "Accuracy on sampled traffic fell in some categories.",
    AlertKind.REPORTS: f"Users report more answers than they used to. {NOT_A_SAMPLE}",
}


def by_chance(rate: float, what: str = "the model") -> str:
    """`rate` is the chance of a false alarm in a year; people count years."""
    return f"If {what} had not changed, such an alarm would come less than once in {round(1 / rate)} years."


def weighted(rate: Mapping[str, Any], wrong: int) -> str | None:
    """Why a share of labelled answers is not simply the right ones among them; None where it is."""
    n, right = rate["n"], rate["n"] - wrong
    if not n or rate["value"] is None or round(rate["value"] * n) == right:
        return None
    return (
        f"Plainly counted, {right} of {n} labelled answers were right; in the share each counts by how often answers "
        "like it come, so that it holds for all traffic."
    )


def without_figures(alert: Alert) -> str:
    """For a place that shows the evidence's figures itself; the whole summary where there are none."""
    evidence = alert.evidence
    shown = "fallen" if alert.kind is AlertKind.CATEGORY else "current"
    if alert.kind not in _FELL or not evidence.get(shown):
        return alert.summary
    rate = evidence.get("false_alarms_a_year")
    chance = [by_chance(rate, "the categories" if alert.kind is AlertKind.CATEGORY else "the model")] if rate else []
    doubts = evidence.get("doubts", ()) if alert.level is AlertLevel.WARN else ()
    return " ".join([_FELL[alert.kind], *chance, *doubts])
