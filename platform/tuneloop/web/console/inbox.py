"""What waits for somebody: questions about cycles, alerts, labels."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.kit.clock import now
from tuneloop.tables import (
    Alert,
    AlertState,
    Approval,
    ApprovalKind,
    Client,
    DeliveryProblem,
    RegisteredModel,
    RetrainingCycle,
)


class OpenApproval(NamedTuple):
    cycle_id: UUID
    kind: ApprovalKind
    client: Client
    model: RegisteredModel
    asked_at: datetime
    expires_at: datetime


class WaitingAlert(NamedTuple):
    alert: Alert
    client: Client
    model: RegisteredModel


def open_questions(session: Session) -> list[OpenApproval]:
    """Those that can still be answered; the one that expires first comes first."""
    rows = session.exec(
        select(Approval, RetrainingCycle, RegisteredModel, Client)
        .join(RetrainingCycle, col(RetrainingCycle.id) == Approval.cycle_id)
        .join(RegisteredModel, col(RegisteredModel.id) == RetrainingCycle.model_id)
        .join(Client, col(Client.id) == RegisteredModel.client_id)
        .where(col(Approval.decision).is_(None), col(Approval.expires_at) > now())
        .order_by(col(Approval.expires_at))
    )
    return [
        OpenApproval(cycle.id, approval.kind, client, model, approval.requested_at, approval.expires_at)
        for approval, cycle, model, client in rows
    ]


def undelivered(session: Session) -> list[DeliveryProblem]:
    """Ways by which messages don't arrive, oldest first."""
    query = select(DeliveryProblem).where(col(DeliveryProblem.settled_at).is_(None))
    return list(session.exec(query.order_by(col(DeliveryProblem.found_at))))


def open_alerts(session: Session) -> list[WaitingAlert]:
    """Newest first, without those that are snoozed."""
    rows = session.exec(
        select(Alert, RegisteredModel, Client)
        .join(RegisteredModel, col(RegisteredModel.id) == Alert.model_id)
        .join(Client, col(Client.id) == RegisteredModel.client_id)
        .where(Alert.state == AlertState.OPEN)
        .order_by(col(Alert.opened_at).desc())
    )
    at = now()
    found = [WaitingAlert(alert, client, model) for alert, model, client in rows]
    return [one for one in found if one.alert.snoozed_until is None or one.alert.snoozed_until <= at]
