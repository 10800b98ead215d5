"""What follows a trip: some 40 answers of the grown part are labelled, and these say whether the change does harm."""

from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import and_, or_
from sqlmodel import Session, col, func, select

from tuneloop.evaluation.marking import Marking
from tuneloop.evaluation.service import rate_of
from tuneloop.monitoring.accuracy import accuracy_dict, chart_of
from tuneloop.monitoring.alerts import AlertFinding, events_of, raise_alert, resolve_by_monitor
from tuneloop.monitoring.drift_detection import describe, keep_reference, reference_traffic, region_from
from tuneloop.monitoring.estimated_accuracy import FEWEST_TO_FIT, calibrator_of
from tuneloop.monitoring.labels import example_of
from tuneloop.monitoring.periods import Period, answered_between, traffic_between
from tuneloop.monitoring.status import monitor_of, refresh_status
from tuneloop.predictions.erased import has_text
from tuneloop.predictions.gate_holdout import reserved
from tuneloop.review.labels import SettledAnswer, of_alert, waiting
from tuneloop.review.queue import add_burst
from tuneloop.stats.drift import Region, Traffic
from tuneloop.stats.impact import BURST, FEWEST_LABELS, Compared, Impact, impact_of
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    Alert,
    AlertKind,
    AlertLevel,
    AlertState,
    Monitor,
    Prediction,
    Reading,
    ReviewItem,
    ReviewPurpose,
)

FALLEN_FROM = 5

JUDGED = "judged"
"""In the evidence of an event: how many labels a verdict rests on."""

TRIPPED = {"region", "since", "until"}


def ask_about(session: Session, period: Period, reading: Reading) -> Alert:
    """Warn of changed traffic, and put answers of its grown part into the review queue."""
    region = region_from(reading.detail["region"])
    alert = raise_alert(session, period.monitor, _warning(reading, region), at=period.until)
    if alert.level is AlertLevel.WARN and not waiting(session, ReviewItem.alert_id == alert.id):
        chosen = _burst(session, period, region)
        share = f"{100 * reading.detail['share']:.0f} % now, {100 * reading.detail['share_before']:.0f} % before"
        reason = f"There are more answers {describe(region)} ({share}): is the model right on them?"
        add_burst(session, model=period.model, predictions=chosen, alert=alert, reason=reason)
    return alert


def settle_traffic(session: Session, alert: Alert, judge: Marking) -> Impact | None:
    """Once nothing of the burst waits: raise the alert if the change does harm, take it as normal if it does none.

    Otherwise the warning stays, and labels of later weeks in the same region add to those so far.
    Returns None where it could not be judged, or is not due.
    """
    monitor = monitor_of(session, alert.model_id)
    if alert.state is not AlertState.OPEN or alert.level is not AlertLevel.WARN or monitor is None:
        return None
    if waiting(session, ReviewItem.alert_id == alert.id):
        return None
    asked = _asked(session, alert)
    labels = _inside(of_alert(session, alert.id), asked.region)
    impact = None
    if len(labels) < FEWEST_LABELS or monitor.id != alert.monitor_id:
        reason = f"Only {len(labels)} of its answers were labelled, too few to judge; the comparison begins anew."
        keep_reference(monitor, asked.since, asked.until)
        resolve_by_monitor(session, alert, reason)
    else:
        impact = _judge(session, monitor, alert, asked, labels, judge)
    session.flush()
    refresh_status(session, monitor)
    return impact


def traffic_to_settle(session: Session) -> list[Alert]:
    """Traffic alerts whose burst is labelled."""
    mine = and_(col(ReviewItem.alert_id) == Alert.id, col(ReviewItem.purpose) == ReviewPurpose.BURST)
    asked = select(ReviewItem.id).where(mine)
    open_ = asked.where(col(ReviewItem.state).in_(["open", "disputed"]))
    query = select(Alert).where(
        Alert.state == AlertState.OPEN,
        Alert.kind == AlertKind.TRAFFIC,
        Alert.level == AlertLevel.WARN,
        asked.exists(),
        ~open_.exists(),
    )
    return [alert for alert in session.exec(query) if _is_news(session, alert)]


def _is_news(session: Session, alert: Alert) -> bool:
    """Labels have come since the alert was last judged."""
    judged = [event.at for event in events_of(session, alert.id) if JUDGED in event.evidence]
    last = session.exec(select(func.max(ReviewItem.closed_at)).where(ReviewItem.alert_id == alert.id)).one()
    return not judged or (last is not None and last > judged[-1])


class _Asked(NamedTuple):
    """The part of the traffic that the latest burst is from."""

    region: Region
    since: datetime
    until: datetime


def _asked(session: Session, alert: Alert) -> _Asked:
    """Of the last week in which the tripwire tripped."""
    found = [event.evidence for event in events_of(session, alert.id) if event.evidence.keys() >= TRIPPED]
    evidence = found[-1] if found else alert.evidence
    since, until = (datetime.fromisoformat(evidence[name]) for name in ("since", "until"))
    return _Asked(region_from(evidence["region"]), since, until)


def _inside(labels: list[SettledAnswer], region: Region) -> list[SettledAnswer]:
    """Of all the alert's labels those in the region: that of an earlier week may have been another."""
    confidence = np.array([label.prediction.confidence or 0.0 for label in labels], dtype=float)
    inside = region.holds(Traffic(confidence, [label.prediction.answer for label in labels]))
    return [label for label, kept in zip(labels, inside, strict=True) if kept]


def _judge(
    session: Session, monitor: Monitor, alert: Alert, asked: _Asked, labels: list[SettledAnswer], judge: Marking
) -> Impact | None:
    calibrator = calibrator_of(session, monitor)
    if calibrator is None:
        _say_open(
            session,
            monitor,
            f"What changed can't be judged yet: the confidence of this version is not calibrated. That takes "
            f"{FEWEST_TO_FIT} labelled answers, some of them wrong.",
            {JUDGED: len(labels)},
        )
        return None
    now = traffic_between(session, monitor, asked.since, asked.until)
    compared = Compared(reference_traffic(session, monitor), now, asked.region)
    right = np.array(
        judge([example_of(label.item) for label in labels], [label.prediction for label in labels]), dtype=bool
    )
    confidence = np.array([label.prediction.confidence or 0.0 for label in labels], dtype=float)
    baseline = _before(session, monitor, alert.opened_at)
    impact = impact_of(compared, confidence, right, calibrator, baseline)
    evidence = _evidence(impact, baseline, asked.region, labels, right)
    description = _told(impact, asked.region)
    if impact.alarm:
        raise_alert(
            session,
            monitor,
            AlertFinding(AlertKind.TRAFFIC, AlertLevel.ALERT, f"Changed traffic does harm. {description}", evidence),
        )
    elif impact.harmless:
        keep_reference(monitor, asked.since, asked.until)
        resolve_by_monitor(
            session,
            alert,
            f"The change does no harm that matters. {description} Later traffic is compared with this.",
            evidence=evidence,
        )
    else:
        _say_open(session, monitor, f"Shown neither to do harm nor to do none. {description} {_more(impact)}", evidence)
    return impact


def _say_open(session: Session, monitor: Monitor, summary: str, evidence: dict[str, Any]) -> None:
    raise_alert(session, monitor, AlertFinding(AlertKind.TRAFFIC, AlertLevel.WARN, summary, evidence))


def _more(impact: Impact) -> str:
    if impact.labels_needed is None:
        return "More labels of this part would not tell: there are too few answers to compare. It stays watched."
    return f"About {impact.labels_needed} more labels of this part would settle it; it stays watched."


def _warning(reading: Reading, region: Region) -> AlertFinding:
    detail = reading.detail
    return AlertFinding(
        kind=AlertKind.TRAFFIC,
        level=AlertLevel.WARN,
        summary=(
            f"The traffic has changed (p = {reading.p_value:.3f}): {100 * detail['share']:.0f} % of {reading.n} "
            f"answers are {describe(region)}, {100 * detail['share_before']:.0f} % of {detail['baseline_n']} were "
            "before. This alone says nothing about accuracy: label the answers that wait in the review queue."
        ),
        evidence={
            "region": detail["region"],
            "share": detail["share"],
            "share_before": detail["share_before"],
            "p_value": reading.p_value,
            "p_values": detail["p_values"],
            "moves": detail.get("moves", []),
            "n": reading.n,
            "since": detail["since"],
            "until": reading.at.isoformat(),
        },
    )


def _burst(session: Session, period: Period, region: Region) -> list[Prediction]:
    """Random answers of the region; those kept for the gate stay out."""
    ranges = [and_(col(Prediction.confidence) >= low, col(Prediction.confidence) < high) for low, high in region.ranges]
    query = select(Prediction).where(
        *answered_between(period.monitor, period.since, period.until),
        or_(*ranges, col(Prediction.answer).in_(region.labels)),
        ~reserved(session, period.model),
        has_text(),
    )
    return list(session.exec(query.order_by(func.md5(func.uuid_send(Prediction.id))).limit(BURST)))


def _before(session: Session, monitor: Monitor, at: datetime) -> Rate:
    """Labels of the evaluation and of all readings before the traffic changed."""
    rows = session.exec(
        select(Reading).where(Reading.monitor_id == monitor.id, Reading.stream == "labels", col(Reading.at) < at)
    )
    counts = [tuple(row.detail["charted"]) for row in rows if "charted" in row.detail]
    baseline = chart_of(monitor).baseline
    return Rate(baseline.correct + sum(correct for correct, _ in counts), baseline.n + sum(n for _, n in counts))


def _evidence(
    impact: Impact, baseline: Rate, region: Region, labels: list[SettledAnswer], right: Any
) -> dict[str, Any]:
    seen = Counter(label.item.category or "" for label in labels)
    correct = Counter(label.item.category or "" for label, good in zip(labels, right, strict=True) if good)
    rates = {name: Rate(correct[name], n) for name, n in seen.items()}
    return {
        JUDGED: len(labels),
        "baseline": rate_of(baseline),
        "in_region": accuracy_dict(impact.accuracy_in_region),
        "overall_change": accuracy_dict(impact.overall_change),
        "share": impact.share,
        "region": region._asdict(),
        "categories": {name: rate_of(rate) for name, rate in sorted(rates.items())},
        "fallen": sorted(
            name
            for name, rate in rates.items()
            if name and rate.n >= FALLEN_FROM and rate.interval.high < baseline.value
        ),
    }


def _told(impact: Impact, region: Region) -> str:
    inside, change = impact.accuracy_in_region, impact.overall_change
    return (
        f"Of {inside.n} labelled answers {describe(region)}, {100 * inside.value:.0f} % "
        f"({100 * inside.low:.0f}-{100 * inside.high:.0f} %) are right. They are {100 * impact.share:.0f} % of the "
        f"traffic, so accuracy overall has changed by about {100 * change.value:+.1f} points since the traffic that it "
        f"is compared with ({100 * change.low:+.1f} to {100 * change.high:+.1f}, n={change.n})."
    )
