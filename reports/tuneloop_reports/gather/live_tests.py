"""A/B tests on a model's traffic."""

from typing import Any

from sqlmodel import Session, col, or_, select

from tuneloop.clients.months import TimeSpan
from tuneloop.tables import AbState, AbTest, AdapterVersion, RegisteredModel
from tuneloop_reports.content import AbMetric, Difference, LiveTest, MetricByArm, ReportRate


def live_tests(session: Session, model: RegisteredModel, span: TimeSpan) -> tuple[LiveTest, ...]:
    """Those that ran at some time of the period, oldest first."""
    rows = session.exec(
        select(AbTest)
        .where(AbTest.model_id == model.id, col(AbTest.began_at) < span.end)
        .where(or_(col(AbTest.ended_at).is_(None), col(AbTest.ended_at) >= span.start))
        .order_by(col(AbTest.began_at))
    )
    return tuple(_live_test(session, row, span) for row in rows)


def _live_test(session: Session, row: AbTest, span: TimeSpan) -> LiveTest:
    assert row.began_at is not None
    ended = row.ended_at is not None and row.ended_at < span.end
    reading = row.reading if row.read_at is not None and row.read_at < span.end else None
    return LiveTest(
        began=row.began_at,
        production=session.get_one(AdapterVersion, row.production_version_id).number,
        candidate=session.get_one(AdapterVersion, row.candidate_version_id).number,
        share=row.share,
        state=row.state if ended else AbState.RUNNING,
        people=sum(arm["people"] for arm in reading["arms"].values()) if reading else 0,
        measures=_measures(reading["arms"]) if reading else (),
        difference=_difference(reading["difference"]) if reading else None,
    )


def _measures(arms: dict[str, Any]) -> tuple[MetricByArm, ...]:
    return tuple(
        MetricByArm(
            measure=measure,
            production=ReportRate.model_validate(arms["production"][measure]),
            candidate=ReportRate.model_validate(arms["candidate"][measure]),
        )
        for measure in AbMetric
    )


def _difference(difference: dict[str, Any]) -> Difference | None:
    """None before any label."""
    if difference["value"] is None:
        return None
    return Difference(value=difference["value"], low=difference["low"], high=difference["high"])
