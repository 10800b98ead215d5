"""Who put a version into production against the gate, and why: told with the cycle and with the version, for ever."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel
from sqlmodel import Session, col, select

from tuneloop.stats.outcome import Outcome
from tuneloop.tables import Approval, ApprovalKind, Comparison, Decision, RetrainingCycle


class Override(BaseModel):
    """`reason` is the approver's, `gate_said` the verdict's most decisive one."""

    cycle_id: UUID
    by: str
    at: datetime
    reason: str
    outcome: Outcome
    gate_said: str

    @classmethod
    def of(cls, approval: Approval, comparison: Comparison) -> Self:
        assert approval.decided_by is not None
        assert approval.decided_at is not None
        return cls(
            cycle_id=approval.cycle_id,
            by=approval.decided_by,
            at=approval.decided_at,
            reason=approval.note or "",
            outcome=Outcome(comparison.outcome),
            gate_said=comparison.reasons[0] if comparison.reasons else "",
        )


def override_of(session: Session, cycle_id: UUID) -> Override | None:
    """None when nobody decided for promotion, or the gate had said promote."""
    approval = session.exec(
        select(Approval).where(
            Approval.cycle_id == cycle_id,
            Approval.kind == ApprovalKind.PROMOTION,
            Approval.decision == Decision.APPROVED,
        )
    ).one_or_none()
    if approval is None:
        return None
    looks = select(Comparison).where(Comparison.cycle_id == cycle_id, Comparison.attempt == approval.attempt)
    comparison = session.exec(looks.order_by(col(Comparison.look).desc()).limit(1)).one_or_none()
    if comparison is None or comparison.outcome == Outcome.PROMOTE:
        return None
    return Override.of(approval, comparison)


def override_of_version(session: Session, version_id: UUID) -> Override | None:
    cycles = select(RetrainingCycle.id).where(RetrainingCycle.candidate_version_id == version_id)
    return next(filter(None, (override_of(session, cycle_id) for cycle_id in session.exec(cycles))), None)
