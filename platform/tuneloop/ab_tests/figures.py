"""What is known about both arms of an A/B test, and what follows from it. The rules are fixed before any label is in.

Primary is accuracy on blind labels of both arms. The guardrails are accuracy, reports by users, and hallucination or a
label outside the set; together they stop a harmless candidate with a probability of at most 5 %, at all looks together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from tuneloop.ab_tests.schemas import AbReading, ArmRead, Power
from tuneloop.evaluation.service import rate_of
from tuneloop.kit.figures import percent
from tuneloop.stats.ab_test import MISMATCH, Pairs, falls_more_often, mismatch, pairs_needed, provable_fall, proves
from tuneloop.stats.intervals import Rate
from tuneloop.tables import AbTest

FALSE_ALARM = 0.05
FALL = 0.05
"""The fall in accuracy for which a reading says how many labels it takes to prove it."""

TITLES = {
    "accuracy": "Right answers",
    "reports": "People who report errors",
    "hallucination": "Hallucinations, or labels outside the set",
}

GUARDRAILS = {
    "accuracy": "fewer right answers",
    "reports": "more people report errors",
    "hallucination": "more hallucinations, or labels outside the set",
}


@dataclass(frozen=True)
class Judged:
    """A labelled answer."""

    correct: bool
    hallucinated: bool


@dataclass(frozen=True)
class ArmCounts:
    """`people` are counted once each, `reporting` those who reported or corrected any answer; labels in their order."""

    answers: int = 0
    people: int = 0
    reporting: int = 0
    labelled: Sequence[Judged] = field(default_factory=tuple)

    def rates(self) -> ArmRead:
        labelled = len(self.labelled)
        return {
            "answers": self.answers,
            "people": self.people,
            "accuracy": rate_of(Rate(sum(each.correct for each in self.labelled), labelled)),
            "reports": rate_of(Rate(min(self.reporting, self.people), self.people)),
            "hallucination": rate_of(Rate(sum(each.hallucinated for each in self.labelled), labelled)),
        }


def figures(production: ArmCounts, candidate: ArmCounts, *, share: float) -> AbReading:
    """A reading as it is stored and shown: rates with n and interval, the difference, guardrails, split, power."""
    right = Pairs.of([each.correct for each in production.labelled], [each.correct for each in candidate.labelled])
    wild = Pairs.of(
        [each.hallucinated for each in production.labelled], [each.hallucinated for each in candidate.labelled]
    )
    low, high = right.interval()
    alpha = FALSE_ALARM / len(GUARDRAILS)
    evidence = {
        "accuracy": right.less,
        "reports": falls_more_often(candidate.reporting, production.reporting, share),
        "hallucination": wild.more,
    }
    people = candidate.people + production.people
    unlikely = mismatch(candidate.people, production.people, share)
    return {
        "arms": {"production": production.rates(), "candidate": candidate.rates()},
        "difference": {"value": right.difference if right.n else None, "low": low, "high": high, "n": right.n},
        "harm": [name for name in GUARDRAILS if proves(evidence[name], alpha)],
        "split": {
            "planned": share,
            "candidate": rate_of(Rate(candidate.people, people)),
            "p": unlikely,
            "mismatch": unlikely < MISMATCH,
        },
        "power": _power(production, right.n, alpha),
    }


def _power(production: ArmCounts, pairs: int, alpha: float) -> Power | None:
    """What so few labels can show at production's accuracy, as far as that is known; None before any label."""
    if not production.labelled:
        return None
    right = sum(each.correct for each in production.labelled)
    rate = (right + 1) / (len(production.labelled) + 2)
    return {
        "provable": provable_fall(pairs, rate, alpha),
        "fall": FALL,
        "labels": pairs_needed(rate, FALL, alpha) if rate >= FALL else None,
    }


def reading_of(test: AbTest) -> AbReading | None:
    return cast("AbReading | None", test.reading)


def in_words(reading: AbReading | None) -> list[str]:
    """The same sentences on every page, in Slack and at the command line; none before the first reading."""
    if reading is None:
        return []
    sentences = []
    found, power = reading["difference"], reading["power"]
    if found["value"] is not None:
        value, low, high = 100 * found["value"], 100 * found["low"], 100 * found["high"]
        sentences.append(
            f"The candidate is {value:+.0f} points from production ({low:+.0f} to {high:+.0f}, {found['n']} labels an "
            f"arm); the interval holds however often one looks. {_meaning(low, high)}"
        )
    else:
        sentences.append("No labels of both arms yet: nothing is known about accuracy.")
    if power is not None:
        sentences.append(_power_in_words(found["n"], power))
    sentences += [f"Harm is proven: {GUARDRAILS[name]}." for name in reading["harm"]]
    if reading["split"]["mismatch"]:
        split = reading["split"]
        seen = split["candidate"]
        sentences.append(
            f"The split is not as planned: {percent(seen['value'], 1)} of {seen['n']} people are the candidate's, "
            f"{100 * split['planned']:.0f} % were meant to be (p = {split['p']:.1g}). Answers of one arm are missing "
            "from the log; find out why before you trust the figures."
        )
    return sentences


def _meaning(low: float, high: float) -> str:
    if low > 0:
        return "It is better."
    return "It is worse." if high < 0 else "Neither better nor worse is proven."


def _power_in_words(pairs: int, power: Power) -> str:
    labels = power["labels"]
    takes = f"about {labels:,}" if labels is not None else "more than 100,000"
    shows = (
        f"{pairs} labels an arm can prove a fall of about {100 * power['provable']:.0f} points or more"
        if power["provable"] is not None
        else f"{pairs} labels an arm can prove no fall at all"
    )
    return f"{shows}; a fall of {100 * power['fall']:.0f} points takes {takes}."
