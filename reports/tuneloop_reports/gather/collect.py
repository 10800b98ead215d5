"""Puts the content of a report together."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, or_, select

from tuneloop.clients.months import Month, TimeSpan, zone_of_agency
from tuneloop.monitoring.model_health import labels_due, model_health, tasks_of
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    AdapterVersion,
    Agency,
    Alert,
    AlertKind,
    AlertState,
    Alias,
    AuditEvent,
    BaseModel,
    Client,
    EvalRun,
    RegisteredModel,
    Report,
    ReportSnapshot,
    VersionAlias,
)
from tuneloop_reports.content import (
    AlertEntry,
    Event,
    EventKind,
    Fall,
    ModelReport,
    PlannedTask,
    ReportContent,
    ReportRate,
    VersionEntry,
)
from tuneloop_reports.gather import accuracy, activity, traffic
from tuneloop_reports.gather.live_tests import live_tests
from tuneloop_reports.gather.traffic_light import COLOURS, rule_of
from tuneloop_reports.style import Style


def collect(
    session: Session, *, client: Client, month: Month, style: Style, until: datetime | None = None
) -> ReportContent:
    """Everything about a client's month, or about it `until` a moment in it.

    The same rows give the same content, whenever it is collected.
    """
    zone = zone_of_agency(session)
    start = _start(session, client, month, zone)
    span = TimeSpan(start, until or month.span(zone).end)
    earlier = TimeSpan(_start(session, client, month.previous, zone), start)
    models = session.exec(
        select(RegisteredModel)
        .where(RegisteredModel.client_id == client.id, col(RegisteredModel.created_at) < span.end)
        .order_by(col(RegisteredModel.slug))
    ).all()
    return ReportContent(
        agency=session.get_one(Agency, client.agency_id).name,
        client=client.name,
        client_slug=client.slug,
        month=str(month),
        start=span.start,
        end=span.end,
        time_zone=zone.key,
        plan=client.plan,
        models=tuple(_model(session, model, month, zone, style, span, earlier) for model in models),
        style=style,
    )


def _start(session: Session, client: Client, month: Month, zone: ZoneInfo) -> datetime:
    """When the month before was closed: a month closed early leaves its rest to the next one, as its invoice does."""
    stored = session.exec(
        select(ReportSnapshot.content)
        .join(Report, col(Report.snapshot_id) == ReportSnapshot.id)
        .where(Report.client_id == client.id, Report.month == str(month.previous))
    ).one_or_none()
    closed = ReportContent.model_validate(stored).until if stored else None
    return closed or month.span(zone).start


def _model(
    session: Session,
    model: RegisteredModel,
    month: Month,
    zone: ZoneInfo,
    style: Style,
    span: TimeSpan,
    earlier: TimeSpan,
) -> ModelReport:
    readings = accuracy.by_month(session, model, month, zone)
    now = accuracy.accuracy(readings.get(month, []))
    before_month = max((each for each in readings if each < month), default=None)
    before = accuracy.accuracy(readings[before_month]) if before_month else accuracy.accuracy([])
    version = _version_at(session, model, span)
    run, run_before = _run(session, version), _run(session, _version_at(session, model, earlier))
    release = _run(session, _main_version(session, model, span) or version)
    baseline = accuracy.figure(Rate(release.correct, release.n)) if release else None
    alerts = _alerts(session, model, span)
    done = activity.work(session, model, span)
    cycles = activity.retrains(session, model, span)
    released = {version.id} if version else set()
    rule = rule_of(accuracy=now, baseline=baseline, alerts=alerts, rollbacks=done.rollbacks)
    health = model_health(session, model, at=span.end)
    year = TimeSpan(min((each.span(zone).start for each in readings), default=span.start), span.end)
    return ModelReport(
        slug=model.slug,
        task=str(model.contract["task"]),
        version=_entry(session, model, version),
        light=COLOURS[rule],
        rule=rule,
        accuracy=now,
        before=before,
        before_month=str(before_month) if before_month else None,
        change=accuracy.difference(before, now),
        baseline=baseline,
        answers=traffic.answers(session, model, span),
        answers_before=traffic.answers(session, model, earlier),
        months=accuracy.points(readings),
        events=tuple(activity.deployments(session, model, year) + _opened(session, model, year)),
        categories=accuracy.categories(readings.get(month, []), release),
        hallucination=_hallucination(run),
        hallucination_before=_hallucination(run_before),
        confidence=traffic.confidence(session, model, span),
        confidence_before=traffic.confidence(session, model, earlier),
        reported=traffic.reported(session, model, span),
        reported_before=traffic.reported(session, model, earlier),
        work=done,
        retrains=tuple(each for _, each in cycles),
        live_tests=live_tests(session, model, span),
        fixed=activity.fixed_examples(session, [cycle for cycle, _ in cycles], released) if style.show_examples else (),
        alerts=alerts,
        tasks=tuple(
            PlannedTask(task=task.task, every_days=task.every_days, next_at=task.next_at)
            for task in tasks_of(session, model.id)
            if not task.paused and task.next_at >= span.end
        ),
        labels_due=labels_due(session, model.id),
        smallest_drop=health.sensitivity.smallest_drop if health.sensitivity else None,
        labels_per_week=health.sensitivity.labels_per_week if health.sensitivity else None,
    )


def _main_version(session: Session, model: RegisteredModel, span: TimeSpan) -> AdapterVersion | None:
    """The version that gave most of the period's answers."""
    version_id = traffic.main_version(session, model, span)
    return session.get(AdapterVersion, version_id) if version_id else None


def _version_at(session: Session, model: RegisteredModel, span: TimeSpan) -> AdapterVersion | None:
    """The version that was in production when the period ended."""
    event = session.exec(
        select(AuditEvent)
        .where(AuditEvent.action == "version.deploy", AuditEvent.subject_id == str(model.id))
        .where(col(AuditEvent.at) < span.end)
        .order_by(col(AuditEvent.at).desc(), col(AuditEvent.id).desc())
        .limit(1)
    ).one_or_none()
    if event is None:
        return _aliased(session, model, span)
    query = select(AdapterVersion).where(
        AdapterVersion.model_id == model.id, AdapterVersion.digest == event.detail["digest"]
    )
    return session.exec(query).one_or_none()


def _aliased(session: Session, model: RegisteredModel, span: TimeSpan) -> AdapterVersion | None:
    """Of a model whose deployments were not recorded: what is in production, if it was by then."""
    query = select(AdapterVersion).join(VersionAlias, col(VersionAlias.version_id) == AdapterVersion.id)
    query = query.where(VersionAlias.model_id == model.id, VersionAlias.name == Alias.PRODUCTION)
    return session.exec(query.where(col(VersionAlias.moved_at) < span.end)).one_or_none()


def _run(session: Session, version: AdapterVersion | None) -> EvalRun | None:
    """The version's first evaluation: what it was released with."""
    if version is None:
        return None
    query = select(EvalRun).where(EvalRun.version_id == version.id)
    return session.exec(query.order_by(col(EvalRun.created_at)).limit(1)).one_or_none()


def _entry(session: Session, model: RegisteredModel, version: AdapterVersion | None) -> VersionEntry | None:
    if version is None:
        return None
    return VersionEntry(
        number=version.number, digest=version.digest, base=session.get_one(BaseModel, model.base_id).name
    )


def _hallucination(run: EvalRun | None) -> ReportRate | None:
    return accuracy.figure(Rate(run.hallucinated, run.n)) if run else None


def _alerts(session: Session, model: RegisteredModel, span: TimeSpan) -> tuple[AlertEntry, ...]:
    """Open at some time of the period, as they stood at its end, oldest first."""
    rows = session.exec(
        select(Alert)
        .where(Alert.model_id == model.id, col(Alert.opened_at) < span.end)
        .where(or_(col(Alert.resolved_at).is_(None), col(Alert.resolved_at) >= span.start))
        .order_by(col(Alert.opened_at))
    )
    return tuple(_alert(row, span) for row in rows)


def _alert(row: Alert, span: TimeSpan) -> AlertEntry:
    settled = row.resolved_at is not None and row.resolved_at < span.end
    return AlertEntry(
        opened_at=row.opened_at,
        kind=row.kind,
        level=row.level,
        state=row.state if settled else AlertState.OPEN,
        summary=row.summary,
        resolved_at=row.resolved_at if settled else None,
        resolution=row.resolution if settled else None,
        falls=_falls(row),
        named=tuple(row.evidence.get("fallen", ())) if row.kind is AlertKind.ACCURACY else (),
        service=row.evidence.get("service"),
        ends_on=row.evidence.get("ends_on"),
    )


def _falls(row: Alert) -> tuple[Fall, ...]:
    """The numbers of an alert's evidence, for the kinds that compare two shares."""
    evidence = row.evidence
    if row.kind in (AlertKind.ACCURACY, AlertKind.REPORTS) and {"baseline", "current"} <= evidence.keys():
        return (Fall(before=_figure(evidence["baseline"]), after=_figure(evidence["current"])),)
    if row.kind is AlertKind.CATEGORY and {"fallen", "before", "categories"} <= evidence.keys():
        before, after = evidence["before"], evidence["categories"]
        return tuple(
            Fall(name=name, before=_figure(before[name]), after=_figure(after[name]))
            for name in evidence["fallen"]
            if name in before and name in after
        )
    return ()


def _figure(stored: dict[str, Any]) -> ReportRate:
    return ReportRate.model_validate({name: stored[name] for name in ReportRate.model_fields})


def _opened(session: Session, model: RegisteredModel, span: TimeSpan) -> list[Event]:
    rows = session.exec(
        select(Alert.opened_at).where(
            Alert.model_id == model.id, col(Alert.opened_at) >= span.start, col(Alert.opened_at) < span.end
        )
    )
    return [Event(at=at, kind=EventKind.ALERT) for at in rows]
