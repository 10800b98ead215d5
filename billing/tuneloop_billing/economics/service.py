"""A month in figures: revenue, hours against the guide, GPU cost, margin, by client and by plan.

Sums are in the agency's currency; clients billed in another one are listed, and left out of the sums.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.clients.months import Month, TimeSpan, zone_of_agency
from tuneloop.kit.clock import now
from tuneloop.tables import (
    Activity,
    BillingAccount,
    Client,
    Comparison,
    CycleState,
    MaintenancePlan,
    Plan,
    RegisteredModel,
    RetrainingCycle,
    Subscription,
    SubscriptionState,
    Unit,
    WorkEntry,
)
from tuneloop_billing.economics.revenue import Revenue, revenue
from tuneloop_billing.usage.metering import count, records_of
from tuneloop_billing.usage.work_log import GUIDE_MINUTES

_EARNING = (SubscriptionState.ACTIVE, SubscriptionState.PAST_DUE)


HOUR = 3600


def per_hour(amount: int, seconds: int) -> int | None:
    """None below an hour of work: a second of it would "earn" thousands an hour."""
    return round(amount * HOUR / seconds) if seconds >= HOUR else None


class ShownRetrain(NamedTuple):
    """A retrain that went into production: overall accuracy before and after, each with n and interval."""

    model: str
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass
class ClientFigures:
    """Amounts in minor units of `currency`. `hourly` is what an hour of work earned after GPU cost, from an hour on."""

    client: str
    name: str
    plan: str
    tier: Plan | None
    currency: str
    mrr: int
    earned: Revenue
    gpu_seconds: int
    gpu_cost: int
    seconds_by_activity: dict[Activity, int]
    guide_seconds: int
    value: list[ShownRetrain] = field(default_factory=list)

    @property
    def revenue(self) -> int:
        return self.earned.net

    @property
    def seconds(self) -> int:
        return sum(self.seconds_by_activity.values())

    @property
    def margin(self) -> int:
        return self.revenue - self.gpu_cost

    @property
    def hourly(self) -> int | None:
        return per_hour(self.margin, self.seconds)


class PlanFigures(NamedTuple):
    plan: str
    clients: int
    revenue: int
    gpu_cost: int
    margin: int
    seconds: int


@dataclass
class Economics:
    month: str
    currency: str
    mrr: int
    left: int
    at_start: int
    clients: list[ClientFigures]
    elsewhere: list[ClientFigures]

    @property
    def earned(self) -> Revenue:
        return sum((each.earned for each in self.clients), Revenue())

    @property
    def revenue(self) -> int:
        return self.earned.net

    @property
    def gpu_cost(self) -> int:
        return sum(each.gpu_cost for each in self.clients)

    @property
    def margin(self) -> int:
        return self.revenue - self.gpu_cost

    @property
    def seconds(self) -> int:
        return sum(each.seconds for each in self.clients)

    @property
    def hourly(self) -> int | None:
        return per_hour(self.margin, self.seconds)

    @property
    def plans(self) -> list[PlanFigures]:
        grouped: dict[str, list[ClientFigures]] = defaultdict(list)
        for each in self.clients:
            grouped[each.plan].append(each)
        return [
            PlanFigures(
                plan,
                len(members),
                sum(each.revenue for each in members),
                sum(each.gpu_cost for each in members),
                sum(each.margin for each in members),
                sum(each.seconds for each in members),
            )
            for plan, members in sorted(grouped.items())
        ]


def economics(session: Session, *, month: Month | None = None) -> Economics:
    """Of a month, up to now if it runs. Recurring revenue and churn are as of today's subscriptions."""
    zone = zone_of_agency(session)
    wanted = month or Month.of(now(), zone)
    span = wanted.span(zone)
    account = session.exec(select(BillingAccount)).one_or_none() or BillingAccount()
    rows = session.exec(
        select(Client, Subscription, MaintenancePlan)
        .outerjoin(Subscription, col(Subscription.client_id) == Client.id)
        .outerjoin(MaintenancePlan, col(MaintenancePlan.id) == Subscription.plan_id)
        .order_by(Client.slug)
    ).all()
    all_ = [_figures(session, client, subscription, plan, wanted, span, account) for client, subscription, plan in rows]
    ours = [each for each in all_ if each.currency == account.currency]
    subscriptions = [subscription for _, subscription, _ in rows if subscription is not None]
    return Economics(
        month=str(wanted),
        currency=account.currency,
        mrr=sum(each.mrr for each in ours),
        left=sum(_left_in(each, span) for each in subscriptions),
        at_start=sum(each.started_at < span.start and not _left_before(each, span.start) for each in subscriptions),
        clients=ours,
        elsewhere=[each for each in all_ if each.currency != account.currency],
    )


def _figures(
    session: Session,
    client: Client,
    subscription: Subscription | None,
    plan: MaintenancePlan | None,
    month: Month,
    span: TimeSpan,
    account: BillingAccount,
) -> ClientFigures:
    kept = records_of(session, client.id, month)
    gpu = kept[Unit.GPU_SECONDS].quantity if kept else count(session, client.id, span)[Unit.GPU_SECONDS]
    currency = plan.currency if plan else account.currency
    models = session.exec(
        select(func.count()).select_from(RegisteredModel).where(RegisteredModel.client_id == client.id)
    ).one()
    return ClientFigures(
        client=client.slug,
        name=client.name,
        plan=plan.name if plan and subscription and subscription.state is not SubscriptionState.CANCELLED else "none",
        tier=plan.tier if plan else None,
        currency=currency,
        mrr=plan.price if plan and subscription and subscription.state in _EARNING else 0,
        earned=revenue(session, client.id, span, currency),
        gpu_seconds=gpu,
        gpu_cost=round(gpu * account.gpu_hour_cost / 3600),
        seconds_by_activity=_worked(session, client.id, span),
        guide_seconds=60 * sum(GUIDE_MINUTES.values()) * max(models, 1 if subscription else 0),
        value=_value(session, client.id, span),
    )


def _worked(session: Session, client_id: UUID, span: TimeSpan) -> dict[Activity, int]:
    query = (
        select(WorkEntry.activity, func.sum(WorkEntry.seconds))
        .where(WorkEntry.client_id == client_id, WorkEntry.at >= span.start, WorkEntry.at < span.end)
        .where(col(WorkEntry.deleted_at).is_(None))
        .group_by(col(WorkEntry.activity))
    )
    seconds_by_activity = {activity: int(seconds) for activity, seconds in session.exec(query)}
    return {activity: seconds_by_activity.get(activity, 0) for activity in Activity}


def _value(session: Session, client_id: UUID, span: TimeSpan) -> list[ShownRetrain]:
    """The verdicts behind what went into production."""
    query = (
        select(RegisteredModel.slug, Comparison)
        .join(RetrainingCycle, col(RetrainingCycle.id) == Comparison.cycle_id)
        .join(RegisteredModel, col(RegisteredModel.id) == RetrainingCycle.model_id)
        .where(
            RetrainingCycle.client_id == client_id,
            RetrainingCycle.state == CycleState.DEPLOYED,
            RetrainingCycle.updated_at >= span.start,
            RetrainingCycle.updated_at < span.end,
        )
        .order_by(col(Comparison.look))
    )
    latest = {comparison.cycle_id: (slug, comparison) for slug, comparison in session.exec(query)}
    found = []
    for slug, comparison in latest.values():
        overall = next((row for row in comparison.table.get("rows", ()) if row.get("key") == "overall"), None)
        if overall is not None:
            found.append(ShownRetrain(slug, overall["production"], overall["candidate"]))
    return found


def _left_in(subscription: Subscription, span: TimeSpan) -> bool:
    gone = subscription.state is SubscriptionState.CANCELLED
    return gone and span.start <= subscription.state_since < span.end


def _left_before(subscription: Subscription, moment: datetime) -> bool:
    return subscription.state is SubscriptionState.CANCELLED and subscription.state_since < moment
