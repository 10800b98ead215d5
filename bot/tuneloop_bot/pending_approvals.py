"""What waits for people: open questions, with whom they wait for."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.registry.service import full_name
from tuneloop.retraining.evidence import evidence_of, in_words
from tuneloop.tables import (
    Alert,
    AlertEvent,
    Approval,
    ApprovalKind,
    RegisteredModel,
    RetrainingCycle,
    Role,
    SlackMessage,
)
from tuneloop_bot.attempts import candidate_subject
from tuneloop_bot.channels import place_for
from tuneloop_bot.identities import slack_users_of


@dataclass(frozen=True)
class PendingApproval:
    """An open question. `people` are Slack users who may answer, `admins` those to whom it escalates.

    `posted` is the channel of the message that it stands in, and that message's ts. `evidence` is what was measured.
    """

    approval: Approval
    cycle: RetrainingCycle
    model: str
    people: list[str]
    admins: list[str]
    posted: tuple[str, str] | None
    evidence: str | None

    @property
    def what(self) -> str:
        return "retrain" if self.approval.kind is ApprovalKind.RETRAIN else "promotion"


@dataclass(frozen=True)
class AlertCall:
    """An alert calls people anew; `posted` is where its message stands."""

    event: AlertEvent
    alert: Alert
    model: str
    people: list[str]
    posted: tuple[str, str] | None


def open_questions(session: Session) -> list[Approval]:
    """Undecided and of cycles that still wait, oldest first."""
    query = (
        select(Approval)
        .join(RetrainingCycle, col(RetrainingCycle.id) == Approval.cycle_id)
        .where(col(Approval.decision).is_(None), col(RetrainingCycle.state).in_(("proposed", "awaiting_promotion")))
    )
    return list(session.exec(query.order_by(col(Approval.requested_at))))


def question_of(session: Session, approval_id: UUID) -> PendingApproval | None:
    approval = session.get(Approval, approval_id)
    if approval is None:
        return None
    cycle = session.get_one(RetrainingCycle, approval.cycle_id)
    place = place_for(session, cycle.client_id)
    linked = slack_users_of(session, place.installation, least=Role.OPERATOR) if place else []
    root = message_about(session, cycle, approval.kind)
    return PendingApproval(
        approval=approval,
        cycle=cycle,
        model=full_name(session, session.get_one(RegisteredModel, cycle.model_id)),
        people=[slack_user for slack_user, _, _ in linked],
        admins=[slack_user for slack_user, _, role in linked if role in (Role.ADMIN, Role.OWNER)],
        posted=(root.channel, root.ts) if root is not None and root.ts else None,
        evidence=evidence_about(session, approval),
    )


def evidence_about(session: Session, approval: Approval) -> str | None:
    """What was measured of the candidate that a question is about, in words."""
    if approval.kind is not ApprovalKind.PROMOTION:
        return None
    evidence = evidence_of(session, session.get_one(RetrainingCycle, approval.cycle_id))
    return in_words(evidence) if evidence is not None else None


def call_about(session: Session, event_id: UUID) -> AlertCall | None:
    event = session.get(AlertEvent, event_id)
    if event is None:
        return None
    alert = session.get_one(Alert, event.alert_id)
    place = place_for(session, alert.client_id)
    linked = slack_users_of(session, place.installation, least=Role.OPERATOR) if place else []
    root = _newest(session, "alert", alert.id)
    return AlertCall(
        event=event,
        alert=alert,
        model=full_name(session, session.get_one(RegisteredModel, alert.model_id)),
        people=[slack_user for slack_user, _, _ in linked],
        posted=(root.channel, root.ts) if root is not None and root.ts else None,
    )


def message_about(session: Session, cycle: RetrainingCycle, kind: ApprovalKind) -> SlackMessage | None:
    """The message that carries the buttons of a question."""
    candidate = kind is ApprovalKind.PROMOTION
    subjects = [("candidate", candidate_subject(session, cycle))] if candidate else [("retrain", cycle.id)]
    if kind is ApprovalKind.RETRAIN and cycle.alert_id is not None:
        subjects.insert(0, ("alert", cycle.alert_id))
    found = (_newest(session, subject_kind, subject_id) for subject_kind, subject_id in subjects)
    return next((each for each in found if each is not None), None)


def _newest(session: Session, kind: str, subject_id: UUID) -> SlackMessage | None:
    query = select(SlackMessage).where(SlackMessage.subject_kind == kind, SlackMessage.subject_id == subject_id)
    return session.exec(query.order_by(col(SlackMessage.created_at).desc())).first()


def time_left(approval: Approval, at: datetime) -> float:
    """Share of a question's life that is left."""
    whole = (approval.expires_at - approval.requested_at).total_seconds()
    return max(0.0, (approval.expires_at - at).total_seconds() / whole) if whole > 0 else 0.0
