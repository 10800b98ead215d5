"""How a model is doing, in one object: what its page, the bot and the report show."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

from tuneloop.kit.clock import now
from tuneloop.kit.figures import MeasuredRate
from tuneloop.monitoring.external import ends_of
from tuneloop.monitoring.rates import figure_from, figure_of, pooled
from tuneloop.monitoring.schemas import (
    LabelFree,
    ModelHealth,
    MoreLabels,
    OpenAlert,
    Sensitivity,
    StreamState,
    UpcomingTask,
)
from tuneloop.monitoring.status import NOTHING, explain, lately, monitor_of, open_alerts, state_of
from tuneloop.registry.service import aliases, full_name
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    Alert,
    Alias,
    EvalRun,
    Monitor,
    Reading,
    RegisteredModel,
    ReviewItem,
    ReviewState,
    Schedule,
)

ENOUGH = 50
"""Labels after which no older reading is taken into the accuracy shown."""

READINGS_POOLED = 4


def model_health(session: Session, model: RegisteredModel, *, at: datetime | None = None) -> ModelHealth:
    at = at or now()
    monitor = monitor_of(session, model.id)
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    alerts = open_alerts(session, model.id)
    latest = newest_readings(session, monitor) if monitor else {}
    labels = label_readings(session, [monitor])[monitor.id] if monitor else []
    accuracy, since = accuracy_of(labels)
    return ModelHealth(
        model_id=model.id,
        name=full_name(session, model),
        version=production.number if production else None,
        status=state_of(monitor, alerts),
        since=monitor.status_since if monitor else None,
        reason=explain(monitor, alerts, lately(session, [monitor], at)[monitor.id] if monitor else NOTHING),
        accuracy=accuracy,
        accuracy_since=since,
        baseline=_baseline(session, monitor) if monitor else None,
        label_free=_label_free(latest.get("label_free")),
        reports=figure_from(latest["reports"].detail["reported"]) if "reports" in latest else None,
        canary_noise=_noise(monitor),
        sensitivity=_sensitivity(monitor),
        labels_due=labels_due(session, model.id),
        new_questions=[each["name"] for each in latest["clusters"].detail["clusters"]] if "clusters" in latest else [],
        streams=[_state(row) for row in latest.values()],
        alerts=[_brief(row) for row in alerts],
        tasks=tasks_of(session, model.id),
        ends_on=ends_of(session).get(model.id),
    )


def newest_readings(session: Session, monitor: Monitor) -> dict[str, Reading]:
    """The newest reading of every stream."""
    rows = session.exec(
        select(Reading)
        .where(Reading.monitor_id == monitor.id)
        .ext(distinct_on(col(Reading.stream)))
        .order_by(col(Reading.stream), col(Reading.at).desc())
    )
    return {row.stream: row for row in rows}


def accuracy_of(readings: list[Reading]) -> tuple[MeasuredRate | None, datetime | None]:
    """The newest label readings of a monitor (newest first), together until there are enough labels."""
    taken: list[Reading] = []
    for reading in readings[:READINGS_POOLED]:
        if sum(each.n for each in taken) >= ENOUGH:
            break
        taken.append(reading)
    if not taken:
        return None, None
    if len(taken) == 1:
        return figure_from(taken[0].detail["accuracy"]), taken[0].at
    return figure_of(pooled(each.detail["accuracy"] for each in taken)), taken[-1].at


def labels_due(session: Session, model_id: UUID) -> int:
    open_items = select(func.count(col(ReviewItem.id))).where(
        ReviewItem.model_id == model_id, col(ReviewItem.state).in_([ReviewState.OPEN, ReviewState.DISPUTED])
    )
    return session.exec(open_items).one()


def tasks_of(session: Session, model_id: UUID) -> list[UpcomingTask]:
    """Next one first; paused ones last."""
    query = select(Schedule).where(Schedule.model_id == model_id)
    rows = session.exec(query.order_by(col(Schedule.paused), col(Schedule.next_at)))
    return [UpcomingTask(row.task, row.every_days, row.next_at, row.paused, row.custom) for row in rows]


def label_readings(session: Session, monitors: Sequence[Monitor]) -> dict[UUID, list[Reading]]:
    """The newest that a figure is made of, newest first, by monitor."""
    newest = (
        select(Reading)
        .where(
            Reading.monitor_id == Monitor.id,
            Reading.model_id == Monitor.model_id,
            Reading.stream == "labels",
            col(Reading.n) > 0,
        )
        .order_by(col(Reading.at).desc())
        .limit(READINGS_POOLED)
        .correlate(Monitor)
        .lateral()
    )
    taken = aliased(Reading, newest)
    found: dict[UUID, list[Reading]] = defaultdict(list)
    query = select(taken).select_from(Monitor).join(newest, true())
    mine = col(Monitor.id).in_([monitor.id for monitor in monitors])
    for reading in session.exec(query.where(mine).order_by(col(taken.at).desc())):
        found[reading.monitor_id].append(reading)
    return found


def _baseline(session: Session, monitor: Monitor) -> MeasuredRate:
    run = session.get_one(EvalRun, monitor.baseline_run_id)
    return figure_of(Rate(run.correct, run.n))


def _label_free(reading: Reading | None) -> LabelFree | None:
    if reading is None or reading.value is None:
        return None
    check: dict[str, Any] = reading.detail.get("check") or {}
    return LabelFree(
        estimate=figure_from(reading.detail["estimate"]),
        at=reading.at,
        assumption="if calibration still holds",
        error=check.get("error"),
        error_low=check.get("low"),
        error_high=check.get("high"),
        checked_on=check.get("n", 0),
    )


def _noise(monitor: Monitor | None) -> MeasuredRate | None:
    if monitor is None or not monitor.noise:
        return None
    return figure_of(Rate(monitor.noise["flips"], monitor.noise["n"]))


def _sensitivity(monitor: Monitor | None) -> Sensitivity | None:
    power: dict[str, Any] | None = monitor.charts.get("sensitivity") if monitor else None
    if not power:
        return None
    return Sensitivity(
        labels_per_week=power["labels_per_week"],
        smallest_drop=power["smallest_drop"],
        weeks=power["weeks"],
        probability=power["probability"],
        more=[MoreLabels(labels, drop) for labels, drop in power["more"]],
    )


def _state(row: Reading) -> StreamState:
    return StreamState(
        stream=row.stream,
        at=row.at,
        n=row.n,
        value=row.value,
        statistic=row.statistic,
        threshold=row.threshold,
        p_value=row.p_value,
        alarm=row.alarm,
        note=row.detail.get("note"),
    )


def _brief(alert: Alert) -> OpenAlert:
    return OpenAlert(alert.id, alert.kind, alert.level, alert.summary, alert.opened_at, alert.snoozed_until)
