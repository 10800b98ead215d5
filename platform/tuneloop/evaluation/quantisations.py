"""How small may the shipped file be? Each quantisation answers the golden set; what it changes is weighed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tuneloop.evaluation.schemas import QuantisationRow, Quantisations
from tuneloop.evaluation.service import rate_of
from tuneloop.registry.contract import Quantisation
from tuneloop.registry.policy import Policy
from tuneloop.stats.gate_tests import CheckResult, Levels, non_inferiority
from tuneloop.stats.intervals import Rate
from tuneloop.stats.paired import compare_counts, count

SMALLEST_FIRST = tuple(reversed(Quantisation))


class FileAnswers(NamedTuple):
    """Answers of one file to the golden items, in their order; `size` in bytes."""

    size: int
    texts: Sequence[str]
    correct: Sequence[bool]


def weigh_quantisations(answered: Mapping[Quantisation, FileAnswers], policy: Policy) -> Quantisations:
    """Accuracy of each file, its flips against F16, and the smallest that is proven to keep within the margin.

    A flip is another answer, right or wrong: equal accuracy hides them. Without F16 there is nothing to weigh against.
    """
    whole = answered.get(Quantisation.F16)
    if whole is None:
        return {"proposed": None, "rows": []}
    rows = [_row(kind, answered[kind], whole, policy) for kind in Quantisation if kind in answered]
    fit = {row["quantisation"] for row in rows if row["finding"] == CheckResult.PROVEN}
    proposed = next((kind for kind in SMALLEST_FIRST if kind in fit), Quantisation.F16)
    return {"proposed": proposed, "margin": policy.overall_margin, "rows": rows}


def _row(kind: Quantisation, answered: FileAnswers, whole: FileAnswers, policy: Policy) -> QuantisationRow:
    counts = count(np.array(whole.correct, dtype=bool), np.array(answered.correct, dtype=bool))
    compared = compare_counts(counts)
    flips = sum(one != other for one, other in zip(whole.texts, answered.texts, strict=True))
    check = non_inferiority(f"{kind} against F16", counts, policy.overall_margin, Levels(policy.significance))
    same = kind is Quantisation.F16
    return {
        "quantisation": kind,
        "size": answered.size,
        "n": counts.n,
        "accuracy": rate_of(counts.candidate),
        "flips": rate_of(Rate(flips, counts.n)),
        "difference": {
            "value": compared.difference,
            "low": 0.0 if same else compared.interval.low,
            "high": 0.0 if same else compared.interval.high,
        },
        "finding": CheckResult.PROVEN if same else check.finding,
        "reason": "The reference." if same else check.reason,
    }
