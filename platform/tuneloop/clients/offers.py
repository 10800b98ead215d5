"""Extras that a part of the product would otherwise add automatically: put to the operators, at the plan's price."""

from uuid import UUID

from sqlmodel import Session, select

from tuneloop.clients.entitlements import allowance
from tuneloop.tables import Feature, ServiceUse, UseState


def offer(session: Session, *, client_id: UUID, feature: Feature, reason: str) -> ServiceUse | None:
    """One open offer of a feature is enough. None when the plan has no price for it, or the client no subscription."""
    query = select(ServiceUse).where(ServiceUse.client_id == client_id, ServiceUse.feature == feature)
    if found := session.exec(query.where(ServiceUse.state == UseState.OFFERED)).first():
        return found
    price = allowance(session, client_id, feature).price
    if price is None:
        return None
    use = ServiceUse(
        client_id=client_id,
        feature=feature,
        state=UseState.OFFERED,
        extra=True,
        unit_price=price.amount,
        currency=price.currency,
        reason=reason,
    )
    session.add(use)
    session.flush()
    return use
