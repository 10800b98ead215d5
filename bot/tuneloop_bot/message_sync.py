"""From what happens in an agency to the messages that should stand in Slack. Looking twice changes nothing."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlmodel import Session, col, or_, select

from tuneloop.email.service import mail_person
from tuneloop.kit.clock import now
from tuneloop.kit.settings import Settings
from tuneloop.registry.service import full_name
from tuneloop.retraining.answer_links import new_answer_link
from tuneloop.retraining.approvals import who_may_answer
from tuneloop.retraining.live_test import LIVE, live_test
from tuneloop.retraining.recipe import Recipe, further_in_words
from tuneloop.retraining.states import ENDED
from tuneloop.tables import (
    AbTest,
    Agency,
    Alert,
    AlertChange,
    AlertEvent,
    Approval,
    ApprovalKind,
    AuditEvent,
    CycleState,
    Mail,
    PaymentProblem,
    PaymentProblemKind,
    RegisteredModel,
    RetrainingCycle,
    Role,
    SlackMessage,
)
from tuneloop_bot.alert_mail import mail_about_alerts
from tuneloop_bot.approval_email import question_email
from tuneloop_bot.attempts import attempt_about, candidate_subject, earlier_subjects
from tuneloop_bot.channels import place_for
from tuneloop_bot.fallback import owners_and_admins
from tuneloop_bot.installations import hold_installations
from tuneloop_bot.message_subjects import MessageSubject, message_content
from tuneloop_bot.money_email import money_email
from tuneloop_bot.pending_approvals import evidence_about, open_questions, time_left
from tuneloop_bot.post_message import due, send_soon
from tuneloop_bot.report_view import ready_reports

NOTE_EVERY = timedelta(minutes=1)
OVERLAP = timedelta(minutes=10)
"""A transaction may commit this long after the times that it wrote."""

REMIND_AT, ESCALATE_AT = 2 / 3, 1 / 3
DIGEST_DAY, DIGEST_HOUR = 0, 7

Topic = tuple[MessageSubject, UUID, UUID | None]


def refresh(session: Session, settings: Settings, *, at: datetime | None = None, at_once: bool = False) -> int:
    """Bring the agency's messages up to date and enqueue those to be sent; returns how many.

    Edits of a message keep a pause, unless `at_once`: what somebody has just decided shows immediately. In a
    transaction of its own: a decision holds rows that another refresh waits for.
    """
    at = at or now()
    known = hold_installations(session)
    ask_again(session, settings, at=at, slack=bool(known))
    mail_about_money(session, settings, slack=bool(known))
    mail_about_alerts(session, settings, at=at, slack=bool(known))
    if not known:
        return 0
    since = min(each.news_until for each in known) - OVERLAP
    for kind, subject_id, client_id in topics(session, since=since, at=at):
        _want(session, settings, kind, subject_id, client_id, at=at, at_once=at_once)
    for installation in known:
        if at - installation.news_until > NOTE_EVERY:
            installation.news_until = at
            session.add(installation)
    session.flush()
    waiting = due(session)
    for message in waiting:
        send_soon(session, message)
    return len(waiting)


def topics(session: Session, *, since: datetime, at: datetime) -> Iterator[Topic]:
    """What has changed since then, or can change without a trace: cycles under way, and their alerts."""
    cycles = session.exec(
        select(RetrainingCycle).where(
            or_(col(RetrainingCycle.updated_at) > since, col(RetrainingCycle.state).not_in(ENDED))
        )
    ).all()
    alerts = set(session.exec(select(AlertEvent.alert_id).where(AlertEvent.at > since)))
    alerts |= {cycle.alert_id for cycle in cycles if cycle.alert_id is not None}
    for alert in session.exec(select(Alert).where(col(Alert.id).in_(alerts))):
        yield MessageSubject.ALERT, alert.id, alert.client_id
    for cycle in cycles:
        if cycle.alert_id is None:
            yield MessageSubject.RETRAIN, cycle.id, cycle.client_id
    for cycle in (*cycles, *_overtaken(session, cycles)):
        for subject_id in earlier_subjects(session, cycle):
            yield MessageSubject.CANDIDATE, subject_id, cycle.client_id
        if cycle.candidate_version_id is not None and cycle.state in _WITH_CANDIDATE:
            yield MessageSubject.CANDIDATE, candidate_subject(session, cycle), cycle.client_id
        if cycle.state is CycleState.FAILED:
            yield MessageSubject.FAILURE, cycle.id, cycle.client_id
    yield from _calls_about(session, alerts, since=since)
    yield from _money(session, since=since)
    yield from _other_topics(session, since=since)
    if at.weekday() == DIGEST_DAY and at.hour >= DIGEST_HOUR:
        agency = session.exec(select(Agency)).one()
        yield MessageSubject.DIGEST, digest_id(agency.id, at), None


def _overtaken(session: Session, cycles: Sequence[RetrainingCycle]) -> Iterator[RetrainingCycle]:
    """The cycle before each: its *Retry* or *Roll back* is over once a newer one has begun, or is in production."""
    for cycle in cycles:
        query = select(RetrainingCycle).where(
            RetrainingCycle.model_id == cycle.model_id, RetrainingCycle.created_at < cycle.created_at
        )
        before = session.exec(query.order_by(col(RetrainingCycle.created_at).desc()).limit(1)).first()
        if before is not None and before not in cycles:
            yield before


def _calls_about(session: Session, alerts: set[UUID], *, since: datetime) -> Iterator[Topic]:
    """An alert that is open for long, or got worse, calls people anew; the call says so once the alert is closed."""
    posted = select(SlackMessage.subject_id).where(SlackMessage.subject_kind == MessageSubject.AGAIN)
    query = select(AlertEvent).where(
        col(AlertEvent.alert_id).in_(alerts),
        col(AlertEvent.change).in_((AlertChange.NOTIFIED, AlertChange.RAISED)),
        or_(col(AlertEvent.at) > since, col(AlertEvent.id).in_(posted)),
    )
    for event in session.exec(query.order_by(col(AlertEvent.at))):
        yield MessageSubject.AGAIN, event.id, event.client_id


def _money(session: Session, *, since: datetime) -> Iterator[Topic]:
    """For the agency's own channel: a client's channel may have the client in it."""
    news = or_(
        col(PaymentProblem.found_at) > since,
        col(PaymentProblem.settled_at) > since,
        col(PaymentProblem.settled_at).is_(None),
    )
    for problem_id in session.exec(select(PaymentProblem.id).where(news)):
        yield MessageSubject.MONEY, problem_id, None


def _other_topics(session: Session, *, since: datetime) -> Iterator[Topic]:
    for test in session.exec(select(AbTest).where(or_(col(AbTest.state).in_(LIVE), col(AbTest.ended_at) > since))):
        yield MessageSubject.AB_TEST, test.id, test.client_id
    loosened = select(AuditEvent).where(AuditEvent.action == "policy.loosen", AuditEvent.at > since)
    for event in session.exec(loosened):
        yield MessageSubject.POLICY, event.id, event.client_id
    for report in ready_reports(session, since=since):
        yield MessageSubject.REPORT, report.id, report.client_id
    decided = session.exec(select(Approval).where(col(Approval.decided_at) > since)).all()
    for approval in (*open_questions(session), *decided):
        if approval.reminded_at is not None:
            yield MessageSubject.REMINDER, approval.id, approval.client_id
        if approval.escalated_at is not None:
            yield MessageSubject.ESCALATION, approval.id, approval.client_id


_WITH_CANDIDATE = {
    CycleState.AWAITING_PROMOTION,
    CycleState.DEPLOYED,
    CycleState.ROLLED_BACK,
    CycleState.REJECTED,
    CycleState.FAILED,
}


def digest_id(agency_id: UUID, at: datetime) -> UUID:
    year, week, _ = at.isocalendar()
    return uuid5(NAMESPACE_OID, f"{agency_id}:{year}:{week}")


def ask_again(session: Session, settings: Settings, *, at: datetime, slack: bool) -> None:
    """Remind after a third of a question's time, escalate and mail after two thirds; without Slack mail at once.

    Nobody is urged while an A/B test of the candidate runs: its end renews the question.
    """
    for approval in open_questions(session):
        left = time_left(approval, at)
        if left <= 0 or live_test(session, session.get_one(RetrainingCycle, approval.cycle_id).model_id) is not None:
            continue
        if approval.reminded_at is None and (left <= REMIND_AT or not slack):
            approval.reminded_at = at
            session.add(approval)
            if not slack:
                mail_to(session, settings, approval, {Role.OPERATOR, Role.ADMIN, Role.OWNER})
        if approval.escalated_at is None and left <= ESCALATE_AT:
            approval.escalated_at = at
            session.add(approval)
            mail_to(session, settings, approval, {Role.ADMIN, Role.OWNER})
    session.flush()


def mail_to(session: Session, settings: Settings, approval: Approval, roles: set[Role]) -> None:
    """The link takes one answer of the person it was sent to, once they have signed in; it ends with the question."""
    cycle = session.get_one(RetrainingCycle, approval.cycle_id)
    name = full_name(session, session.get_one(RegisteredModel, cycle.model_id))
    about = evidence_about(session, approval) or _covered(approval, cycle)
    for person in who_may_answer(session, approval, roles):
        url = f"{settings.site_url}/answer?token={new_answer_link(session, approval, person.id)}"
        mail_person(
            session,
            settings,
            person,
            agency_id=approval.agency_id,
            reason=f"approval:{approval.id}:{person.id}:{len(roles)}",
            subject=("approval", approval.id),
            content=question_email(approval, name, person.name, url, about=about),
        )


def mail_about_money(session: Session, settings: Settings, *, slack: bool) -> None:
    """To owners and admins, once: everything without Slack, and disputes always, for an answer has a last day."""
    query = select(PaymentProblem).where(col(PaymentProblem.settled_at).is_(None))
    if slack:
        query = query.where(PaymentProblem.kind == PaymentProblemKind.DISPUTED)
    written = select(Mail.subject_id).where(Mail.subject_kind == "payment_problem")
    known = set(session.exec(written))
    for problem in session.exec(query.order_by(col(PaymentProblem.found_at))):
        if str(problem.id) in known:
            continue
        for person in owners_and_admins(session, Role.OWNER, Role.ADMIN):
            mail_person(
                session,
                settings,
                person,
                agency_id=problem.agency_id,
                reason=f"payment_problem:{problem.id}:{person.id}",
                subject=("payment_problem", problem.id),
                content=money_email(problem, person.name, f"{settings.site_url}/billing"),
            )


def _covered(approval: Approval, cycle: RetrainingCycle) -> str | None:
    first = approval.kind is not ApprovalKind.RETRAIN or cycle.parent_version_id is None
    return None if first else further_in_words(Recipe.model_validate(cycle.recipe).further_attempts)


def _want(
    session: Session,
    settings: Settings,
    kind: MessageSubject,
    subject_id: UUID,
    client_id: UUID | None,
    *,
    at: datetime,
    at_once: bool,
) -> None:
    query = select(SlackMessage).where(SlackMessage.subject_kind == kind, SlackMessage.subject_id == subject_id)
    message = session.exec(query.with_for_update()).first()
    if kind is MessageSubject.DIGEST and message is not None:
        return
    content = message_content(session, kind, subject_id, settings)
    if content is None:
        return
    if message is None:
        place = place_for(session, client_id)
        if place is None or not _worth_a_first_message(
            session, kind, subject_id, at=at, installed_at=place.installation.installed_at
        ):
            return
        message = SlackMessage(
            agency_id=place.installation.agency_id,
            installation_id=place.installation.id,
            client_id=client_id,
            subject_kind=kind,
            subject_id=subject_id,
            channel=place.channel,
            wanted=content.digest,
        )
    if message.wanted != content.digest:
        message.wanted, message.updated_at = content.digest, now()
        if at_once and not message.failures:
            message.not_before = now()
    session.add(message)
    session.flush()


def _worth_a_first_message(
    session: Session, kind: MessageSubject, subject_id: UUID, *, at: datetime, installed_at: datetime
) -> bool:
    """What ended before the workspace was connected is history, and so is the week before."""
    if kind is MessageSubject.DIGEST:
        return installed_at.isocalendar()[:2] != at.isocalendar()[:2]
    if kind is MessageSubject.ALERT:
        alert = session.get_one(Alert, subject_id)
        return alert.resolved_at is None or alert.resolved_at > installed_at
    if kind is MessageSubject.AB_TEST:
        test = session.get_one(AbTest, subject_id)
        return test.ended_at is None or test.ended_at > installed_at
    if kind is MessageSubject.CANDIDATE:
        about = attempt_about(session, subject_id)
        return about is not None and not about.over and _is_news(about.cycle, installed_at)
    if kind is MessageSubject.MONEY:
        return session.get_one(PaymentProblem, subject_id).settled_at is None
    if kind in (MessageSubject.RETRAIN, MessageSubject.FAILURE):
        return _is_news(session.get_one(RetrainingCycle, subject_id), installed_at)
    return True


def _is_news(cycle: RetrainingCycle, installed_at: datetime) -> bool:
    return cycle.state not in ENDED or cycle.updated_at > installed_at
