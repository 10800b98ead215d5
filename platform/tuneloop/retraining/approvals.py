"""Questions to the operators: bound to a digest, answered once, by somebody who may."""

from datetime import timedelta
from uuid import UUID

from sqlmodel import Session, select

from tuneloop.audit.service import record
from tuneloop.identity.principal import Principal
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.tables import Approval, ApprovalKind, Decision, RetrainingCycle, Role


def ask(session: Session, cycle: RetrainingCycle, kind: ApprovalKind, *, digest: str, valid_for: timedelta) -> Approval:
    """Open a question about exactly the thing that `digest` names."""
    approval = Approval(
        client_id=cycle.client_id,
        cycle_id=cycle.id,
        kind=kind,
        subject_digest=digest,
        expires_at=now() + valid_for,
    )
    session.add(approval)
    session.flush()
    return approval


def decide(
    session: Session,
    *,
    principal: Principal,
    cycle_id: UUID,
    kind: ApprovalKind,
    digest: str,
    decision: Decision,
    note: str | None = None,
) -> Approval:
    """Answer the question. The first valid answer counts; the row lock decides a race. "No" never expires.

    Raises:
        Conflict: already decided (says by whom and when), expired, or about another digest.
    """
    principal.require(Role.OPERATOR)
    query = select(Approval).where(Approval.cycle_id == cycle_id, Approval.kind == kind).with_for_update()
    approval = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if approval is None:
        raise NotFound(f"{kind} question for cycle", cycle_id)
    if approval.decision is not None:
        raise Conflict(
            f"already {approval.decision} by {approval.decided_by} at {approval.decided_at:%Y-%m-%d %H:%M:%S} UTC",
            decision=approval.decision,
            decided_by=approval.decided_by,
        )
    if decision is Decision.APPROVED and approval.expires_at <= now():
        raise Conflict(
            "this question has expired; reject it and propose the cycle again",
            expired_at=approval.expires_at.isoformat(),
        )
    if approval.subject_digest != digest:
        raise Conflict(
            "this answer is about another version than the one in question; look at the cycle again",
            asked=approval.subject_digest,
            answered=digest,
        )
    approval.decision, approval.decided_by, approval.decided_at = decision, principal.name, now()
    approval.note = note
    session.add(approval)
    record(
        session,
        principal,
        f"approval.{decision}",
        "cycle",
        cycle_id,
        client_id=approval.client_id,
        kind=kind,
        digest=digest,
        note=note,
    )
    return approval


def questions(session: Session, cycle_id: UUID) -> list[Approval]:
    return list(session.exec(select(Approval).where(Approval.cycle_id == cycle_id)))
