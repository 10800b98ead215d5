"""What a shadow test has found, in figures and in words."""

from collections.abc import Sequence
from typing import cast

from tuneloop.evaluation.service import rate_of
from tuneloop.kit.figures import rate
from tuneloop.shadow_tests.schemas import Latencies, ShadowReading
from tuneloop.stats.ab_test import Pairs
from tuneloop.stats.intervals import Rate
from tuneloop.tables import ShadowTest


def figures(
    *, same: int, compared: int, failed: int, latency: Latencies | None, judged: Sequence[tuple[bool, bool]]
) -> ShadowReading:
    """`judged`: of each labelled difference, whether production and whether the candidate was right."""
    pairs = Pairs.of([old for old, _ in judged], [new for _, new in judged])
    low, high = pairs.interval()
    return {
        "same": rate_of(Rate(same, compared)),
        "failed": failed,
        "latency": latency,
        "labelled": {
            "n": pairs.n,
            "candidate": pairs.candidate_only,
            "production": pairs.production_only,
            "neither": pairs.same,
        },
        "low": low,
        "high": high,
    }


def reading_of(test: ShadowTest) -> ShadowReading | None:
    return cast("ShadowReading | None", test.reading)


def in_words(reading: ShadowReading | None) -> list[str]:
    """The same sentences on the page and at the command line; none before the first reading."""
    if reading is None:
        return []
    sentences = [
        f"Both say the same in {rate(reading['same'])} of the questions."
        if reading["same"]["n"]
        else "No question was answered by both yet."
    ]
    if reading["failed"]:
        sentences.append(
            f"The candidate gave no answer to {reading['failed']} questions. Nobody noticed, as production answered; "
            "find out why before you promote it."
        )
    if (latency := reading["latency"]) is not None:
        sentences.append(
            f"Half of the candidate's answers took less than {latency['candidate']:,.0f} ms, half of production's less "
            f"than {latency['production']:,.0f} ms."
        )
    return [*sentences, *_labels_in_words(reading)]


def _labels_in_words(reading: ShadowReading) -> list[str]:
    labelled = reading["labelled"]
    if not labelled["n"]:
        return ["Nobody has labelled a difference yet: who is right in them is not known."]
    found = (
        f"People have labelled {labelled['n']} of the differences, blind: only the candidate is right in "
        f"{labelled['candidate']}, only production in {labelled['production']}, neither or both in "
        f"{labelled['neither']}."
    )
    if reading["low"] > 0:
        return [f"{found} Where they differ, the candidate is better."]
    if reading["high"] < 0:
        return [f"{found} Where they differ, the candidate is worse."]
    return [f"{found} That proves neither better nor worse."]
