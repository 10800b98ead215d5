"""One decision about several findings."""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.datasets.findings import dismiss_finding, fix_finding, take_out_personal_data
from tuneloop.datasets.settlement import MOST, Settlement
from tuneloop.kit.errors import InvalidInput, TuneloopError
from tuneloop.kit.principal import Principal
from tuneloop.tables import DataFinding, FindingState, RegisteredModel, Role


class LeftOpen(NamedTuple):
    finding_id: UUID
    why: str


class Settled(NamedTuple):
    """`left` are those that the decision does not fit, or that the model does not have; they wait as before."""

    settled: int
    left: tuple[LeftOpen, ...]


def settle_findings(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    finding_ids: Collection[UUID],
    settlement: Settlement,
    reason: str = "",
) -> Settled:
    """Decide all that are still open alike; one that was settled meanwhile, also by this, counts as settled.

    Raises:
        InvalidInput: none or more than MOST are named, or they are to be kept without a reason.
    """
    principal.require(Role.OPERATOR)
    if not 1 <= len(set(finding_ids)) <= MOST:
        raise InvalidInput(f"choose one finding or more, {MOST} at most", param="findings")
    if settlement is Settlement.KEEP and not reason.strip():
        raise InvalidInput("say why the examples may train all the same", param="reason")
    query = select(DataFinding).where(col(DataFinding.id).in_(finding_ids), DataFinding.model_id == model.id)
    found = session.exec(query.order_by(col(DataFinding.id))).all()
    left = [
        LeftOpen(each, "this model has no such finding")
        for each in sorted(set(finding_ids) - {row.id for row in found})
    ]
    for each in found:
        session.refresh(each)
        if each.state is not FindingState.OPEN:
            continue
        try:
            with session.begin_nested():
                _settle(session, principal, each, settlement, reason)
        except TuneloopError as refused:
            left.append(LeftOpen(each.id, refused.message))
    return Settled(len(set(finding_ids)) - len(left), tuple(left))


def _settle(session: Session, principal: Principal, finding: DataFinding, settlement: Settlement, reason: str) -> None:
    match settlement:
        case Settlement.KEEP:
            dismiss_finding(session, principal=principal, finding_id=finding.id, reason=reason)
        case Settlement.SUGGESTED:
            suggested = finding.detail.get("suggested")
            if not suggested:
                raise InvalidInput("no other answer is suggested for it; decide it by itself")
            fix_finding(session, principal=principal, finding_id=finding.id, expected=suggested)
        case Settlement.PLACEHOLDERS:
            take_out_personal_data(session, principal=principal, finding_id=finding.id)
        case Settlement.DELETE:
            fix_finding(session, principal=principal, finding_id=finding.id)
