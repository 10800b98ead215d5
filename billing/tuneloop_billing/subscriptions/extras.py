"""What a plan doesn't include: offered with a price, ordered or declined by a person."""

from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.entitlements import COUNTED, allowance, contract_of
from tuneloop.clients.money import Money
from tuneloop.clients.service import find_client
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.tables import Client, Feature, Role, ServiceUse, UseState
from tuneloop_billing.confirmation import ConfirmationNeeded
from tuneloop_billing.plans.service import SELLABLE


def order_extra(
    session: Session,
    *,
    principal: Principal,
    client: str,
    feature: Feature,
    quantity: int = 1,
    reason: str = "",
    agreed_price: int | None,
) -> list[ServiceUse]:
    """Order beyond the plan, at the plan's price: one row for each retrain, test or category, one for all labels.

    Raises:
        ConfirmationNeeded: `agreed_price` is not what all of it costs, in minor units.
        NotFound: the client has no subscription. InvalidInput: the plan has no price for it, or it can't be ordered.
    """
    principal.require(Role.OPERATOR)
    row = find_client(session, client)
    if feature is Feature.GPU_MINUTES:
        raise InvalidInput("GPU minutes needn't be ordered: what exceeds the plan is metered and invoiced")
    each = [1] * quantity if feature in COUNTED else [quantity]
    uses = [_priced(session, row, feature, count, reason) for count in each]
    _require_agreed(agreed_price, uses, said=_what(feature, quantity) + _included_first(session, row, feature))
    for use in uses:
        use.state, use.decided_by = UseState.ACCEPTED, principal.name
    session.add_all(uses)
    session.flush()
    details = {"feature": feature.value, "quantity": quantity, "unit_price": uses[0].unit_price}
    record(session, principal, "extra.order", "client", row.id, client_id=row.id, **details)
    return uses


def order_agreed(session: Session, *, principal: Principal, client_id: UUID, feature: Feature, price: int) -> None:
    """Order one more at the price that somebody has agreed to, unless the plan has one left.

    Raises:
        Conflict: the price is another by now.
    """
    allowed = allowance(session, client_id, feature)
    if allowed.allowed:
        return
    if allowed.price is None or allowed.price.amount != price:
        raise Conflict(f"the price of an extra {feature.value.replace('_', ' ')} has changed; look again")
    client = session.get_one(Client, client_id)
    order_extra(session, principal=principal, client=client.slug, feature=feature, agreed_price=price)


def decide_offer(
    session: Session, *, principal: Principal, use_id: UUID, accept: bool, agreed_price: int | None = None
) -> ServiceUse:
    """Raises Conflict when it has been decided already, ConfirmationNeeded when its price was not agreed to."""
    principal.require(Role.OPERATOR)
    query = select(ServiceUse).where(ServiceUse.id == use_id).with_for_update()
    use = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if use is None:
        raise NotFound("offer", use_id)
    if use.state is not UseState.OFFERED:
        raise Conflict(f"this offer was {use.state} by {use.decided_by or 'the plan'}", state=use.state)
    if accept:
        _require_agreed(agreed_price, [use], said=_what(use.feature, use.quantity))
    use.state, use.decided_by = (UseState.ACCEPTED if accept else UseState.DECLINED), principal.name
    session.add(use)
    record(session, principal, f"extra.{use.state}", "offer", use.id, client_id=use.client_id, feature=use.feature)
    return use


def extras_of(session: Session, client: Client) -> list[ServiceUse]:
    """Newest first."""
    query = select(ServiceUse).where(ServiceUse.client_id == client.id, col(ServiceUse.extra))
    return list(session.exec(query.order_by(col(ServiceUse.at).desc(), col(ServiceUse.id).desc())))


def _require_agreed(agreed: int | None, uses: list[ServiceUse], *, said: str) -> None:
    total = sum(use.quantity * use.unit_price for use in uses)
    if agreed != total:
        price = Money(total, uses[0].currency)
        raise ConfirmationNeeded(f"this orders {said} for {price}, invoiced once used", agreed_price=total)


def _what(feature: Feature, quantity: int) -> str:
    name = feature.value.replace("_", " ").replace("ab test", "A/B test")
    if feature is Feature.LABELS:
        return f"{quantity} extra labels" if quantity > 1 else "one extra label"
    return f"one extra {name}" if quantity == 1 else f"{quantity} extra {name}s".replace("categorys", "categories")


def _included_first(session: Session, client: Client, feature: Feature) -> str:
    """What is left of the plan is used before any extra."""
    found = allowance(session, client.id, feature)
    left = 0 if found.included is None else found.included - found.used
    return f" ({left} of this month's {found.included} in the plan are left, and used first)" if left > 0 else ""


def _priced(session: Session, client: Client, feature: Feature, quantity: int, reason: str) -> ServiceUse:
    contract = contract_of(session, client.id)
    if contract is None:
        raise NotFound("subscription of client", client.slug)
    price = allowance(session, client.id, feature).price
    if feature not in SELLABLE or price is None:
        raise InvalidInput(
            f"plan {contract.plan.slug} has no price for an extra {feature}; set one with 'tuneloop plan change'",
            plan=contract.plan.slug,
            feature=feature,
        )
    return ServiceUse(
        client_id=client.id,
        feature=feature,
        state=UseState.OFFERED,
        extra=True,
        quantity=quantity,
        unit_price=price.amount,
        currency=price.currency,
        reason=reason,
    )
