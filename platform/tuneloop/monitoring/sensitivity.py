"""What would be found: the smallest fall that the charts see in time, and what more labels would buy.

It is simulated, which takes seconds, so it is measured outside of any transaction and only when something changed.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from sqlmodel import Session, col, select

from tuneloop.monitoring.periods import keep
from tuneloop.stats.power import more_labels
from tuneloop.tables import Monitor, Reading

WEEKS = 8
PROBABILITY = 0.9
READINGS = 4

_SIZES = np.array([10, 15, 25, 35, 50, 75, 100, 150, 200, 300])


class SensitivityInputs(NamedTuple):
    """`baseline` is (correct, n), `overdispersion` what the chart has learnt in its burn-in, to a thousandth."""

    monitor_id: UUID
    baseline: tuple[int, int]
    labels_per_week: int
    overdispersion: float = 0.0


def sensitivity_inputs(session: Session, monitor: Monitor) -> SensitivityInputs | None:
    """What to measure; None while there are no labels, or when the answer is known."""
    sizes = session.exec(
        select(Reading.n)
        .where(Reading.monitor_id == monitor.id, Reading.stream == "labels", col(Reading.n) > 0)
        .order_by(col(Reading.at).desc())
        .limit(READINGS)
    ).all()
    if not sizes:
        return None
    labels = int(_SIZES[np.argmin(np.abs(np.log(_SIZES / np.mean(sizes))))])
    chart = monitor.charts["labels"]
    correct, n = chart["baseline"]
    asked = SensitivityInputs(monitor.id, (correct, n), labels, round(chart.get("overdispersion", 0.0), 3))
    known: Mapping[str, Any] = monitor.charts.get("sensitivity") or {}
    answered = (known.get("labels_per_week"), known.get("baseline"), known.get("overdispersion", 0.0))
    return None if answered == (labels, [correct, n], asked.overdispersion) else asked


def measure(question: SensitivityInputs) -> dict[str, Any]:
    """Takes some seconds of computing."""
    first, *more = more_labels(question.baseline, question.labels_per_week, overdispersion=question.overdispersion)
    return {
        "baseline": list(question.baseline),
        "labels_per_week": first.labels,
        "overdispersion": question.overdispersion,
        "smallest_drop": first.smallest_drop,
        "weeks": WEEKS,
        "probability": PROBABILITY,
        "more": [[each.labels, each.smallest_drop] for each in more],
    }


def store(session: Session, question: SensitivityInputs, measured: dict[str, Any]) -> None:
    monitor = session.exec(select(Monitor).where(Monitor.id == question.monitor_id).with_for_update()).one()
    keep(monitor, "sensitivity", measured)
    session.add(monitor)
