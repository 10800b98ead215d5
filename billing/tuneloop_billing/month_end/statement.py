"""What a month's invoice says: extras and overage with their price, and the work that the plan includes."""

from collections import Counter
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.clients.entitlements import CYCLE, ClientContract, give_back_unfinished
from tuneloop.clients.gpu_time import whole_minutes
from tuneloop.clients.months import Month, TimeSpan
from tuneloop.tables import (
    AdapterVersion,
    Client,
    CycleState,
    Feature,
    RegisteredModel,
    RetrainingCycle,
    ServiceUse,
    Unit,
    UsageRecord,
    UseState,
)
from tuneloop_billing.payment_provider.protocol import Line

NAMES = {
    Feature.RETRAIN: "Extra retrain",
    Feature.AB_TEST: "Extra A/B test",
    Feature.NEW_CATEGORY: "Extra new category",
    Feature.LABELS: "Extra labels",
}
_DONE = (CycleState.DEPLOYED, CycleState.ROLLED_BACK)


class StatementLines(NamedTuple):
    """`charged` costs something, `included` doesn't."""

    charged: list[Line]
    included: list[Line]


def compose(
    session: Session, contract: ClientContract, month: Month, span: TimeSpan, usage: dict[Unit, UsageRecord]
) -> StatementLines:
    client = contract.client
    give_back_unfinished(session, client.id)
    charged = [_extra_line(session, use) for use in billable(session, contract, span, usage)]
    if (overage := _overage(contract, month, usage)) is not None:
        charged.append(overage)
    included = [*_retrains(session, client, span), *_counts(client, month, usage)]
    return StatementLines(charged, included)


def billable(
    session: Session, contract: ClientContract, span: TimeSpan, usage: dict[Unit, UsageRecord]
) -> list[ServiceUse]:
    """Extras to invoice: labels once those of the plan are used up, retrains once deployed, the rest once done."""
    uses = session.exec(
        select(ServiceUse)
        .where(
            ServiceUse.client_id == contract.client.id,
            col(ServiceUse.extra),
            col(ServiceUse.month).is_(None),
            ServiceUse.at < span.end,
        )
        .order_by(col(ServiceUse.at), col(ServiceUse.id))
    ).all()
    labels = [use for use in uses if use.feature is Feature.LABELS and use.state in (UseState.ACCEPTED, UseState.USED)]
    given = usage.get(Unit.LABELS)
    over = given.quantity + given.late - contract.entitlements.labels if given else 0
    due = {use.id for use in _used_up(session, labels, over)}
    return [use for use in uses if use.id in due or (use.feature is not Feature.LABELS and _is_due(session, use))]


def _used_up(session: Session, ordered: list[ServiceUse], over: int) -> list[ServiceUse]:
    """The oldest orders that so many labels beyond the plan have used; what is left of one stays ordered."""
    due = []
    for use in ordered:
        if over <= 0:
            break
        if use.quantity > over:
            kept = use.model_dump(exclude={"id", "quantity"})
            left = ServiceUse(**kept, quantity=use.quantity - over)
            use.quantity = over
            session.add_all([use, left])
        over -= use.quantity
        due.append(use)
    return due


def _is_due(session: Session, use: ServiceUse) -> bool:
    if use.state is not UseState.USED:
        return False
    if use.subject is None or not use.subject.startswith(CYCLE):
        return True
    cycle = session.get(RetrainingCycle, UUID(use.subject.removeprefix(CYCLE)))
    return cycle is not None and cycle.state in _DONE


def mark_invoiced(session: Session, client_id: UUID, month: Month, lines: tuple[Line, ...]) -> None:
    """The extras that are on the invoice belong to this month for good."""
    on_it = {line.reference for line in lines}
    uses = session.exec(select(ServiceUse).where(ServiceUse.client_id == client_id, col(ServiceUse.month).is_(None)))
    for use in uses:
        if reference_of(use) in on_it:
            use.month, use.state = str(month), UseState.USED
            session.add(use)


def reference_of(use: ServiceUse) -> str:
    return f"extra:{use.id}"


def _extra_line(session: Session, use: ServiceUse) -> Line:
    text = NAMES.get(use.feature, use.feature.value.replace("_", " "))
    if use.quantity > 1:
        text += f", {use.quantity} at the price of one each"
    if use.subject and use.subject.startswith(CYCLE):
        cycle = session.get(RetrainingCycle, UUID(use.subject.removeprefix(CYCLE)))
        text += f": {_cycle_name(session, cycle)}" if cycle else ""
    if use.reason:
        text += f" ({use.reason})"
    return Line(text[:250], use.quantity * use.unit_price, reference_of(use))


def _overage(contract: ClientContract, month: Month, usage: dict[Unit, UsageRecord]) -> Line | None:
    price = contract.plan.extras.get(Feature.GPU_MINUTES)
    record = usage.get(Unit.GPU_SECONDS)
    if price is None or record is None:
        return None
    minutes = whole_minutes(record.quantity + record.late)
    over = minutes - contract.entitlements.gpu_minutes
    if over <= 0:
        return None
    text = f"GPU minutes beyond the plan in {month}: {over} of {minutes}"
    return Line(text, over * price, f"usage:{contract.client.id}:{month}:gpu")


def _retrains(session: Session, client: Client, span: TimeSpan) -> list[Line]:
    query = select(RetrainingCycle).where(
        RetrainingCycle.client_id == client.id,
        col(RetrainingCycle.state).in_(_DONE),
        RetrainingCycle.updated_at >= span.start,
        RetrainingCycle.updated_at < span.end,
    )
    return [
        Line(f"Done: retrain, {_cycle_name(session, cycle)}"[:250], 0, f"done:{cycle.id}")
        for cycle in session.exec(query.order_by(col(RetrainingCycle.updated_at)))
    ]


def _cycle_name(session: Session, cycle: RetrainingCycle) -> str:
    model = session.get_one(RegisteredModel, cycle.model_id)
    version = session.get(AdapterVersion, cycle.candidate_version_id) if cycle.candidate_version_id else None
    what = {CycleState.DEPLOYED: "deployed", CycleState.ROLLED_BACK: "rolled back"}.get(cycle.state, cycle.state.value)
    number = f" v{version.number}" if version else ""
    return f"{model.slug}{number} {what} {cycle.updated_at:%Y-%m-%d}"


def _counts(client: Client, month: Month, usage: dict[Unit, UsageRecord]) -> list[Line]:
    counts = Counter({unit: record.quantity + record.late for unit, record in usage.items()})
    labels = {Unit.ANSWERS: "answers served and watched", Unit.LABELS: "answers checked by hand"}
    return [
        Line(f"Done: {counts[unit]:,} {what}", 0, f"done:{client.id}:{month}:{unit.value}")
        for unit, what in labels.items()
        if counts[unit] > 0
    ]
