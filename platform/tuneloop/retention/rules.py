"""Which rows are old enough to go, and what keeps one that is.

Never deleted here: examples, labels, feedback and the answers that they are about; versions, evaluations, comparisons,
readings, reports, invoices, usage, the audit log.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, or_, select

from tuneloop.clients.months import Month, zone_of_agency
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import Row
from tuneloop.registry.policy import Policy
from tuneloop.retraining.states import ENDED
from tuneloop.tables import (
    Client,
    Example,
    Feedback,
    Invitation,
    Mail,
    MailAttempt,
    MailState,
    MonthClose,
    OneTimeLink,
    PasswordLink,
    Prediction,
    RecordedAnswer,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ShadowAnswer,
    SlackReceipt,
    StripeEvent,
    Subscription,
    Upload,
    WebSession,
)

SPENT_DAYS = 30
"""Sessions and links are kept for so long after they have expired: they say who could have come in."""

UPLOADS_KEPT = timedelta(days=1)
"""Files that somebody looked at and did not import."""


@dataclass(frozen=True)
class Rule:
    """`old` answers ids of rows that may go, at most so many; `parts` are tables whose rows go with them, by column."""

    name: str
    table: type[Row]
    old: Callable[[Session, int], Sequence[UUID]]
    parts: tuple[tuple[type[Row], Any], ...] = ()


def rules(session: Session, settings: Settings, *, agency_id: UUID, at: datetime) -> Iterator[Rule]:
    """For the session's agency, as its policies say now."""
    for model in session.exec(select(RegisteredModel)):
        days = Policy.model_validate(model.policy).keep_predictions_days or settings.keep_predictions_days
        before = _before(session, model.client_id, at - timedelta(days=days))
        parts = (
            (RecordedAnswer, col(RecordedAnswer.prediction_id)),
            (ShadowAnswer, col(ShadowAnswer.prediction_id)),
        )
        yield Rule("predictions", Prediction, _answers(model.id, before), parts)
    for client_id in (None, *session.exec(select(Client.id))):
        before = _before(session, client_id, at - timedelta(days=settings.keep_jobs_days))
        yield Rule("jobs", JobRow, _jobs(client_id, before))
    receipts = at - timedelta(days=settings.keep_receipts_days)
    mails = at - timedelta(days=settings.keep_mails_days)
    spent = at - timedelta(days=SPENT_DAYS)
    yield Rule(
        "slack_receipts",
        SlackReceipt,
        _ids(SlackReceipt, col(SlackReceipt.handled_at).is_not(None), col(SlackReceipt.received_at) < receipts),
    )
    yield Rule(
        "stripe_events",
        StripeEvent,
        _ids(StripeEvent, col(StripeEvent.handled_at).is_not(None), col(StripeEvent.received_at) < receipts),
    )
    done = col(Mail.state).not_in([MailState.QUEUED, MailState.SENDING])
    yield Rule(
        "mails",
        Mail,
        _ids(Mail, done, col(Mail.created_at) < mails),
        parts=((MailAttempt, col(MailAttempt.mail_id)),),
    )
    yield Rule("password_links", PasswordLink, _ids(PasswordLink, col(PasswordLink.expires_at) < spent))
    yield Rule("invitations", Invitation, _ids(Invitation, col(Invitation.expires_at) < spent))
    yield Rule("links", OneTimeLink, _ids(OneTimeLink, col(OneTimeLink.expires_at) < spent))
    yield Rule("uploads", Upload, _ids(Upload, col(Upload.added_at) < at - UPLOADS_KEPT))
    yield Rule(
        "sessions",
        WebSession,
        _ids(WebSession, WebSession.session_agency_id == agency_id, col(WebSession.expires_at) < spent),
    )


def metered_until(session: Session, client_id: UUID) -> datetime | None:
    """Before when the client's months are counted and sent; None where no month is ever counted."""
    zone = zone_of_agency(session)
    closes = session.exec(select(MonthClose).where(MonthClose.client_id == client_id)).all()
    unfinished = [Month.parse(close.month) for close in closes if close.sent_at is None or close.metered_at is None]
    if unfinished:
        return min(month.span(zone).start for month in unfinished)
    if closes:
        return max(Month.parse(close.month).span(zone).end for close in closes)
    if session.exec(select(Subscription.id).where(Subscription.client_id == client_id)).first() is not None:
        return session.get_one(Client, client_id).created_at
    return None


def _before(session: Session, client_id: UUID | None, wanted: datetime) -> datetime:
    counted = None if client_id is None else metered_until(session, client_id)
    return wanted if counted is None else min(wanted, counted)


def _answers(model_id: UUID, before: datetime) -> Callable[[Session, int], Sequence[UUID]]:
    """Answers that nobody said anything about; the others are what labels, examples and reports of errors rest on.

    None while a cycle of the model is open: what it judges by stays.
    """
    open_cycle = select(RetrainingCycle.id).where(
        RetrainingCycle.model_id == model_id, col(RetrainingCycle.state).not_in(ENDED)
    )
    return _ids(
        Prediction,
        ~open_cycle.exists(),
        Prediction.model_id == model_id,
        col(Prediction.at) < before,
        ~select(Feedback.id).where(Feedback.prediction_id == Prediction.id).exists(),
        ~select(ReviewItem.id).where(ReviewItem.prediction_id == Prediction.id).exists(),
        ~select(Example.id).where(Example.prediction_id == Prediction.id).exists(),
        order=col(Prediction.at),
    )


def _jobs(client_id: UUID | None, before: datetime) -> Callable[[Session, int], Sequence[UUID]]:
    return _ids(
        JobRow,
        JobRow.client_id == client_id,
        col(JobRow.state).in_([JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED]),
        or_(col(JobRow.finished_at) < before, col(JobRow.finished_at).is_(None)),
        col(JobRow.created_at) < before,
        ~select(RetrainingCycle.id).where(RetrainingCycle.job_id == JobRow.id).exists(),
    )


def _ids(table: Any, *conditions: Any, order: Any = None) -> Callable[[Session, int], Sequence[UUID]]:
    query = select(table.id).where(*conditions).order_by(table.id if order is None else order)
    return lambda session, most: session.exec(query.limit(most)).all()
