"""What a message is about, and what it should show now."""

from enum import StrEnum
from uuid import UUID

from sqlmodel import Session

from tuneloop.kit.settings import Settings
from tuneloop.retraining.effort import effort_of
from tuneloop.tables import (
    AbTest,
    Alert,
    AuditEvent,
    PaymentProblem,
    RegisteredModel,
    Report,
    RetrainingCycle,
    SlackMessage,
)
from tuneloop_bot.ab_view import ab_view
from tuneloop_bot.attempts import attempt_about
from tuneloop_bot.blocks.ab_tests import ab_message
from tuneloop_bot.blocks.alerts import alert_message
from tuneloop_bot.blocks.content import MessageContent
from tuneloop_bot.blocks.cycles import candidate_message, failed_message, retrain_message
from tuneloop_bot.blocks.digest import digest_message
from tuneloop_bot.blocks.money import money_message
from tuneloop_bot.blocks.policy import policy_message
from tuneloop_bot.blocks.reminders import call_message, escalation_message, reminder_message
from tuneloop_bot.blocks.reports import report_message
from tuneloop_bot.pending_approvals import call_about, question_of
from tuneloop_bot.report_view import report_view
from tuneloop_bot.views import alert_view, cycle_view, data_of


class MessageSubject(StrEnum):
    ALERT = "alert"
    AGAIN = "again"
    RETRAIN = "retrain"
    CANDIDATE = "candidate"
    FAILURE = "failure"
    AB_TEST = "ab_test"
    REPORT = "report"
    DIGEST = "digest"
    REMINDER = "reminder"
    ESCALATION = "escalation"
    POLICY = "policy"
    MONEY = "money"


def message_content(
    session: Session, kind: MessageSubject, subject_id: UUID, settings: Settings
) -> MessageContent | None:
    """None when there is nothing to show (any more)."""
    if kind is MessageSubject.ALERT:
        alert = session.get(Alert, subject_id)
        return _alert(session, alert, settings) if alert is not None else None
    if kind is MessageSubject.AGAIN:
        called = call_about(session, subject_id)
        return call_message(called) if called is not None else None
    if kind in (MessageSubject.MONEY, MessageSubject.POLICY, MessageSubject.REPORT):
        return _office(session, kind, subject_id, settings)
    if kind is MessageSubject.AB_TEST:
        return _ab_test(session, session.get(AbTest, subject_id))
    if kind is MessageSubject.DIGEST:
        return digest_message(session)
    if kind in (MessageSubject.REMINDER, MessageSubject.ESCALATION):
        return _asked_again(session, kind, subject_id)
    if kind is MessageSubject.CANDIDATE:
        return _candidate(session, subject_id, settings)
    return _cycle(session, kind, subject_id, settings)


def _cycle(session: Session, kind: MessageSubject, cycle_id: UUID, settings: Settings) -> MessageContent | None:
    cycle = session.get(RetrainingCycle, cycle_id)
    if cycle is None:
        return None
    view = cycle_view(session, cycle)
    if kind is MessageSubject.FAILURE:
        return failed_message(view, site=settings.site_url)
    model = session.get_one(RegisteredModel, cycle.model_id)
    data = data_of(session, cycle)
    effort = effort_of(
        session, model, examples=data.training, hourly=settings.compute_hourly, currency=settings.currency
    )
    return retrain_message(view, data, effort)


def _office(session: Session, kind: MessageSubject, subject_id: UUID, settings: Settings) -> MessageContent | None:
    if kind is MessageSubject.MONEY:
        problem = session.get(PaymentProblem, subject_id)
        return money_message(problem, site=settings.site_url) if problem is not None else None
    if kind is MessageSubject.POLICY:
        return policy_message(session.get_one(AuditEvent, subject_id))
    report = session.get(Report, subject_id)
    return report_message(report_view(session, report, settings.site_url)) if report is not None else None


def content_of_message(session: Session, message: SlackMessage, settings: Settings) -> MessageContent | None:
    return message_content(session, MessageSubject(message.subject_kind), message.subject_id, settings)


def _candidate(session: Session, subject_id: UUID, settings: Settings) -> MessageContent | None:
    about = attempt_about(session, subject_id)
    if about is None:
        return None
    return candidate_message(cycle_view(session, about.cycle, attempt=about.number), site=settings.site_url)


def _ab_test(session: Session, test: AbTest | None) -> MessageContent | None:
    if test is None:
        return None
    return ab_message(ab_view(session, test), cycle_view(session, session.get_one(RetrainingCycle, test.cycle_id)))


def _asked_again(session: Session, kind: MessageSubject, approval_id: UUID) -> MessageContent | None:
    asked = question_of(session, approval_id)
    if asked is None:
        return None
    return reminder_message(asked) if kind is MessageSubject.REMINDER else escalation_message(asked)


def _alert(session: Session, alert: Alert, settings: Settings) -> MessageContent:
    return alert_message(alert_view(session, alert, hourly=settings.compute_hourly, currency=settings.currency))
