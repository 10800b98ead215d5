"""An alert says what fell, how sure that is and on how many labels; its evidence is frozen when it opens."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.evals.service import rate_of
from tuneloop.identity.principal import Principal
from tuneloop.kit.clock import now
from tuneloop.registry.service import policy_of
from tuneloop.stats.charts import DriftChart
from tuneloop.stats.intervals import Rate, describe
from tuneloop.tables import Alert, AlertState, EvalRun, Monitor, Reading, RegisteredModel

FALLEN_FROM = 5
"""Fewest labels in a category before it is named as fallen."""

READINGS_POOLED = 4
"""Readings whose labels are taken together for a category: one week has too few."""


def alerts_of(session: Session, model_id: UUID) -> list[Alert]:
    """Newest first."""
    query = select(Alert).where(Alert.model_id == model_id)
    return list(session.exec(query.order_by(col(Alert.opened_at).desc())))


def resolve_alerts(session: Session, model_id: UUID) -> None:
    """A new version in production ends the alert about the old one."""
    for alert in session.exec(select(Alert).where(Alert.model_id == model_id, Alert.state == AlertState.OPEN)):
        alert.state, alert.resolved_at = AlertState.RESOLVED, now()
        session.add(alert)


def open_alert(session: Session, model: RegisteredModel, monitor: Monitor, readings: Sequence[Reading]) -> Alert:
    """One open alert a model: a repeated alarm adds its evidence under `latest`, and the first evidence stays."""
    labels, confidence, reports = readings
    chart = DriftChart.from_dict(monitor.charts["labels"])
    recent = Rate(round((labels.value or 0) * labels.n), labels.n)
    fallen = fallen_categories(session, monitor)
    evidence = {
        "baseline": rate_of(chart.baseline),
        "current": rate_of(recent),
        "weeks": [list(week) for week in chart.weeks],
        "statistic": labels.statistic,
        "threshold": labels.threshold,
        "false_alarms_a_year": policy_of(model).false_alarm_rate,
        "categories": labels.detail["categories"],
        "fallen": fallen,
        "confidence": {"value": confidence.value, "p_value": confidence.p_value, "n": confidence.n} | confidence.detail,
        "reports": reports.detail["reported"],
    }
    known = session.exec(select(Alert).where(Alert.model_id == model.id, Alert.state == AlertState.OPEN)).one_or_none()
    if known is not None:
        known.evidence = {**known.evidence, "latest": evidence}
        session.add(known)
        return known
    names = f" Most of it: {', '.join(fallen)}." if fallen else ""
    alert = Alert(
        client_id=model.client_id,
        model_id=model.id,
        monitor_id=monitor.id,
        summary=(
            f"Accuracy on sampled traffic fell from {describe(chart.baseline)} to {describe(recent)}. "
            f"A model that had not changed would raise such an alarm in less than "
            f"{100 * policy_of(model).false_alarm_rate:.0f} % of years.{names}"
        ),
        evidence=evidence,
    )
    session.add(alert)
    session.flush()
    record(
        session,
        Principal.system(model.agency_id, "monitor"),
        "alert.open",
        "alert",
        alert.id,
        client_id=model.client_id,
        summary=alert.summary,
    )
    return alert


def fallen_categories(session: Session, monitor: Monitor) -> list[str]:
    """Categories whose accuracy is clearly below the baseline's: their whole interval is. Worst first."""
    baseline = session.get_one(EvalRun, monitor.baseline_run_id)
    found: list[tuple[float, str]] = []
    for category, rate in _pooled(session, monitor).items():
        before = baseline.categories.get(category)
        level = before["correct"] / before["n"] if before else baseline.correct / baseline.n
        if rate.n >= FALLEN_FROM and rate.interval.high < level:
            found.append((rate.value, category))
    return [category for _, category in sorted(found)]


def _pooled(session: Session, monitor: Monitor) -> dict[str, Rate]:
    """Labels of the latest readings by category."""
    latest = session.exec(
        select(Reading)
        .where(Reading.monitor_id == monitor.id, Reading.stream == "labels")
        .order_by(col(Reading.at).desc())
        .limit(READINGS_POOLED)
    )
    pooled: dict[str, Rate] = {}
    for reading in latest:
        for category, rate in reading.detail["categories"].items():
            so_far = pooled.get(category, Rate(0, 0))
            pooled[category] = Rate(so_far.correct + round(rate["value"] * rate["n"]), so_far.n + rate["n"])
    return pooled
