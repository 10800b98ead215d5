"""What follows a trip: some 40 answers of the grown part are labelled, and these say whether the change does harm."""

from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import and_, or_
from sqlmodel import Session, col, func, select

from tuneloop.evals.service import rate_of
from tuneloop.monitoring.accuracy import accuracy_dict, chart_of
from tuneloop.monitoring.alerts import Finding, raise_alert, resolve_by_monitor
from tuneloop.monitoring.label_free import calibrator_of
from tuneloop.monitoring.labels import example_of
from tuneloop.monitoring.status import monitor_of, refresh_status
from tuneloop.monitoring.streams import Judge, Period, answered_between, traffic_between
from tuneloop.monitoring.tripwire import Region, keep_reference, region_from
from tuneloop.predictions.reserve import reserved
from tuneloop.review.labels import Settled, of_alert, waiting
from tuneloop.review.queue import add_burst
from tuneloop.stats.calibration import Calibrator
from tuneloop.stats.impact import Impact, estimate
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

BURST = 40
FEWEST_LABELS = 10
FALLEN_FROM = 5


def ask_about(session: Session, period: Period, reading: Reading) -> Alert:
    """Warn of changed traffic, and put answers of its grown part into the review queue."""
    region = region_from(reading.detail["region"])
    alert = raise_alert(session, period.monitor, _warning(reading, region), at=period.until)
    if alert.level is AlertLevel.WARN and not waiting(session, ReviewItem.alert_id == alert.id):
        chosen = _burst(session, period, region)
        share = f"{100 * reading.detail['share']:.0f} % now, {100 * reading.detail['share_before']:.0f} % before"
        reason = f"There are more answers {region.describe()} ({share}): is the model right on them?"
        add_burst(session, model=period.model, predictions=chosen, alert=alert, reason=reason)
    return alert


def settle_traffic(session: Session, alert: Alert, judge: Judge) -> Impact | None:
    """Once nothing of the burst waits: raise the alert if the change does harm, else make this traffic the reference.

    Returns None where it could not be judged, or is not due.
    """
    monitor = monitor_of(session, alert.model_id)
    if alert.state is not AlertState.OPEN or alert.level is not AlertLevel.WARN or monitor is None:
        return None
    if waiting(session, ReviewItem.alert_id == alert.id):
        return None
    labels = of_alert(session, alert.id)
    since, until = (datetime.fromisoformat(alert.evidence[name]) for name in ("since", "until"))
    impact = None
    if len(labels) < FEWEST_LABELS or monitor.id != alert.monitor_id:
        reason = f"Only {len(labels)} of its answers were labelled, too few to judge; the comparison begins anew."
        keep_reference(monitor, since, until)
        resolve_by_monitor(session, alert, reason)
    else:
        impact = _judge(session, monitor, alert, labels, judge, since, until)
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
    return list(session.exec(query))


def _judge(
    session: Session,
    monitor: Monitor,
    alert: Alert,
    labels: list[Settled],
    judge: Judge,
    since: datetime,
    until: datetime,
) -> Impact:
    region = region_from(alert.evidence["region"])
    traffic = traffic_between(session, monitor, since, until)
    calibrator = calibrator_of(session, monitor) or Calibrator(1.0, 0.0, 1)
    right = np.array(
        judge([example_of(label.item) for label in labels], [label.prediction for label in labels]), dtype=bool
    )
    confidence = np.array([label.prediction.confidence or 0.0 for label in labels], dtype=float)
    baseline = _before(session, monitor, alert.opened_at)
    impact = estimate(
        calibrator.apply(traffic.confidence), region.holds(traffic), right, calibrator.apply(confidence), baseline
    )
    evidence = _evidence(impact, baseline, region, labels, right)
    told = _told(impact, region)
    if impact.alarm:
        raise_alert(
            session,
            monitor,
            Finding(AlertKind.TRAFFIC, AlertLevel.ALERT, f"Changed traffic does harm. {told}", evidence),
        )
    else:
        keep_reference(monitor, since, until)
        resolve_by_monitor(
            session,
            alert,
            f"No harm was shown. {told} Later traffic is compared with this.",
            evidence=evidence,
        )
    return impact


def _warning(reading: Reading, region: Region) -> Finding:
    detail = reading.detail
    return Finding(
        kind=AlertKind.TRAFFIC,
        level=AlertLevel.WARN,
        summary=(
            f"The traffic has changed (p = {reading.p_value:.3f}): {100 * detail['share']:.0f} % of {reading.n} "
            f"answers are {region.describe()}, {100 * detail['share_before']:.0f} % of {detail['baseline_n']} were "
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


def _evidence(impact: Impact, baseline: Rate, region: Region, labels: list[Settled], right: Any) -> dict[str, Any]:
    seen = Counter(label.item.category or "" for label in labels)
    correct = Counter(label.item.category or "" for label, good in zip(labels, right, strict=True) if good)
    rates = {name: Rate(correct[name], n) for name, n in seen.items()}
    return {
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
        f"Of {inside.n} labelled answers {region.describe()}, {100 * inside.value:.0f} % "
        f"({100 * inside.low:.0f}-{100 * inside.high:.0f} %) are right. They are {100 * impact.share:.0f} % of the "
        f"traffic, so accuracy overall changes by about {100 * change.value:+.1f} points "
        f"({100 * change.low:+.1f} to {100 * change.high:+.1f}, n={change.n})."
    )
