"""The groups of items that the gate judges, each as a paired table of production against candidate."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneloop.stats.paired import PairedCounts, count


@dataclass(frozen=True)
class Strata:
    """In `hallucination` and `format` an item is "right" when it is free of that fault; None means not measured."""

    overall: PairedCounts
    target: PairedCounts | None = None
    strong: PairedCounts | None = None
    hallucination: PairedCounts | None = None
    format: PairedCounts | None = None
    categories: Mapping[str, PairedCounts] = field(default_factory=dict)


class Flags(NamedTuple):
    """One yes/no per item, for production and candidate: boolean arrays (n,)."""

    production: NDArray[np.bool_]
    candidate: NDArray[np.bool_]


def stratify(
    correct: Flags,
    categories: Sequence[str],
    *,
    target: Collection[str] = (),
    strong: Collection[str] | None = None,
    hallucinated: Flags | None = None,
    malformed: Flags | None = None,
) -> Strata:
    """Tables the items by group; `target` are new or fallen categories, `strong` defaults to all the others.

    Name `strong` from earlier evaluations: chosen on these very items, luck would pose as strength and its end as loss.
    """
    names = np.asarray(categories, dtype=object)
    if len(names) != len(correct.production):
        raise ValueError(f"{len(correct.production)} items but {len(names)} categories")

    def table(chosen: NDArray[np.bool_]) -> PairedCounts:
        return count(correct.production[chosen], correct.candidate[chosen])

    kept = strong if strong is not None else ({*categories} - {*target} if target else ())
    return Strata(
        overall=count(*correct),
        target=table(_among(names, target)) if target else None,
        strong=table(_among(names, kept)) if kept else None,
        hallucination=_free_of(hallucinated),
        format=_free_of(malformed),
        categories={name: table(_among(names, (name,))) for name in sorted({*categories})},
    )


def _among(names: NDArray[np.object_], wanted: Collection[str]) -> NDArray[np.bool_]:
    return np.fromiter((name in wanted for name in names), dtype=bool, count=len(names))


def _free_of(fault: Flags | None) -> PairedCounts | None:
    return None if fault is None else count(~fault.production, ~fault.candidate)
