"""What passed through the gateway in a period: answers, confidence, and answers that users reported."""

import math
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select

from tuneloop.clients.months import TimeSpan
from tuneloop.stats.intervals import Rate, normal_quantile
from tuneloop.tables import Feedback, FeedbackKind, Prediction, RegisteredModel
from tuneloop_reports.content import Average, ReportRate
from tuneloop_reports.gather.accuracy import figure


def answers(session: Session, model: RegisteredModel, span: TimeSpan) -> int:
    return session.exec(select(func.count(col(Prediction.id))).where(*_within(model, span))).one()


def main_version(session: Session, model: RegisteredModel, span: TimeSpan) -> UUID | None:
    """The version that gave most of the answers."""
    query = (
        select(Prediction.version_id)
        .where(*_within(model, span))
        .group_by(col(Prediction.version_id))
        .order_by(func.count().desc(), col(Prediction.version_id))
    )
    return session.exec(query.limit(1)).one_or_none()


def confidence(session: Session, model: RegisteredModel, span: TimeSpan) -> Average:
    """Mean with its normal interval."""
    query = select(
        func.count(col(Prediction.confidence)),
        func.avg(col(Prediction.confidence)),
        func.stddev_samp(col(Prediction.confidence)),
    ).where(*_within(model, span))
    n, mean, spread = session.exec(query).one()
    if not n or mean is None:
        return Average(value=None, n=0, low=0.0, high=1.0)
    half = normal_quantile(0.95) * float(spread or 0.0) / math.sqrt(n)
    value = float(mean)
    return Average(value=value, n=n, low=max(0.0, value - half), high=min(1.0, value + half))


def reported(session: Session, model: RegisteredModel, span: TimeSpan) -> ReportRate:
    """Share of the period's answers that users reported or corrected, whenever they did."""
    wrong = session.exec(
        select(func.count(func.distinct(Feedback.prediction_id)))
        .join(Prediction, col(Prediction.id) == Feedback.prediction_id)
        .where(*_within(model, span), col(Feedback.kind).in_([FeedbackKind.ERROR, FeedbackKind.CORRECTION]))
        .where(col(Feedback.at) < span.end)
    ).one()
    return figure(Rate(wrong, answers(session, model, span)))


def _within(model: RegisteredModel, span: TimeSpan) -> tuple[ColumnElement[bool], ...]:
    return col(Prediction.model_id) == model.id, col(Prediction.at) >= span.start, col(Prediction.at) < span.end
