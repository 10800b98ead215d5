"""What a client's plan includes, asked before the work is done. Answers come from local rows only.

A client without a subscription isn't billed here, and nothing is limited. What a plan doesn't include is an extra with
a price: refused with an offer, done once somebody has ordered it, never done silently.
"""

from datetime import datetime
from http import HTTPStatus
from typing import ClassVar, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.clients.dunning import step_of
from tuneloop.clients.gpu_time import gpu_seconds, whole_minutes
from tuneloop.clients.money import Money
from tuneloop.clients.months import Month, zone_of_agency
from tuneloop.kit.clock import now
from tuneloop.kit.errors import TuneloopError
from tuneloop.tables import (
    Client,
    CycleState,
    Feature,
    MaintenancePlan,
    RetrainingCycle,
    ReviewLabel,
    ServiceUse,
    Subscription,
    UseState,
)

COUNTED = (Feature.RETRAIN, Feature.AB_TEST, Feature.NEW_CATEGORY)
CYCLE = "cycle:"
_WITHOUT_RESULT = (CycleState.REJECTED, CycleState.FAILED)


class Entitlements(BaseModel):
    """Included in a month's price. `quorum` is how many people must approve a promotion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    monitoring_every_days: int = Field(default=7, ge=1, le=92)
    retrain_every_days: int | None = Field(default=None, ge=1, le=366)
    retrains: int = Field(default=0, ge=0, le=100)
    ab_tests: int = Field(default=0, ge=0, le=100)
    new_categories: int = Field(default=0, ge=0, le=100)
    labels: int = Field(default=60, ge=0, le=100_000)
    gpu_minutes: int = Field(default=0, ge=0, le=1_000_000)
    quorum: int = Field(default=1, ge=1, le=5)
    report_style: str = Field(default="summary", pattern="^(summary|full)$")

    def included(self, feature: Feature) -> int | None:
        """Units per month; None for what isn't counted."""
        counts = {
            Feature.RETRAIN: self.retrains,
            Feature.AB_TEST: self.ab_tests,
            Feature.NEW_CATEGORY: self.new_categories,
            Feature.LABELS: self.labels,
            Feature.GPU_MINUTES: self.gpu_minutes,
        }
        return counts.get(feature)


class NotIncluded(TuneloopError):
    """The plan doesn't include it; `details` say for how much it can be ordered."""

    status = HTTPStatus.PAYMENT_REQUIRED
    code: ClassVar[str] = "not_included"
    transient = False


class Suspended(TuneloopError):
    """The subscription is unpaid, paused or cancelled."""

    status = HTTPStatus.PAYMENT_REQUIRED
    code: ClassVar[str] = "suspended"
    transient = False


class Allowance(NamedTuple):
    """How a client stands with one feature this month. `included` is None where nothing is counted."""

    feature: Feature
    included: int | None
    used: int
    ordered: int
    price: Money | None
    suspension: str | None

    @property
    def left(self) -> int | None:
        return None if self.included is None else max(self.included - self.used, 0) + self.ordered

    @property
    def allowed(self) -> bool:
        return self.suspension is None and self.left != 0


class ClientContract(NamedTuple):
    client: Client
    plan: MaintenancePlan
    subscription: Subscription
    entitlements: Entitlements


def contract_of(session: Session, client_id: UUID) -> ClientContract | None:
    """What the client has bought; None when it has no subscription."""
    found = session.exec(
        select(Client, MaintenancePlan, Subscription)
        .join(Subscription, col(Subscription.client_id) == Client.id)
        .join(MaintenancePlan, col(MaintenancePlan.id) == Subscription.plan_id)
        .where(Client.id == client_id)
    ).one_or_none()
    if found is None:
        return None
    client, plan, subscription = found
    return ClientContract(client, plan, subscription, Entitlements.model_validate(plan.entitlements))


def allowance(session: Session, client_id: UUID, feature: Feature, *, moment: datetime | None = None) -> Allowance:
    """For pages, buttons and budgets: may it be done now, how many are left, what does another one cost?"""
    at = moment or now()
    contract = contract_of(session, client_id)
    if contract is None:
        return Allowance(feature, None, 0, 0, None, None)
    step = step_of(contract.subscription, moment=at)
    price = contract.plan.extras.get(feature)
    return Allowance(
        feature,
        contract.entitlements.included(feature),
        _used(session, client_id, feature, at),
        sum(use.quantity for use in _ordered(session, client_id, feature)),
        None if price is None else Money(price, contract.plan.currency),
        _suspension(contract, step.sentence) if feature in step.suspended else None,
    )


def suspension_of(session: Session, client_id: UUID, feature: Feature, *, moment: datetime | None = None) -> str | None:
    """Why this is suspended for the client; None when it isn't. Also for sessions across agencies."""
    contract = contract_of(session, client_id)
    if contract is None:
        return None
    step = step_of(contract.subscription, moment=moment or now())
    return _suspension(contract, step.sentence) if feature in step.suspended else None


def require(
    session: Session, *, client_id: UUID, feature: Feature, subject: str, moment: datetime | None = None
) -> ServiceUse | None:
    """Take one unit of `feature` for `subject`, such as a cycle's id; asking again for the same subject takes no other.

    Raises:
        NotIncluded: the month's units are used up or there are none; order an extra first.
        Suspended: the subscription is unpaid, paused or cancelled.
    """
    at = moment or now()
    contract = contract_of(session, client_id)
    if contract is None:
        return None
    # Two proposals at once would both see the last unit.
    session.exec(select(Subscription.id).where(Subscription.client_id == client_id).with_for_update()).one()
    give_back_unfinished(session, client_id)
    taken = session.exec(
        select(ServiceUse).where(
            ServiceUse.client_id == client_id,
            ServiceUse.feature == feature,
            ServiceUse.subject == subject,
            ServiceUse.state == UseState.USED,
        )
    ).one_or_none()
    if taken is not None:
        return taken
    found = allowance(session, client_id, feature, moment=at)
    if found.suspension is not None:
        raise Suspended(found.suspension, client=contract.client.slug, feature=feature)
    if found.included is None or found.used < found.included:
        use = ServiceUse(client_id=client_id, feature=feature, subject=subject, currency=contract.plan.currency, at=at)
    elif ordered := _ordered(session, client_id, feature):
        use = ordered[0]
        use.state, use.subject, use.at = UseState.USED, subject, at
    else:
        raise _not_included(contract, found)
    session.add(use)
    session.flush()
    return use


def release(session: Session, *, client_id: UUID, feature: Feature, subject: str) -> None:
    """Give a unit back that came to nothing. An extra stays ordered for the next time."""
    use = session.exec(
        select(ServiceUse).where(
            ServiceUse.client_id == client_id,
            ServiceUse.feature == feature,
            ServiceUse.subject == subject,
            ServiceUse.state == UseState.USED,
            col(ServiceUse.month).is_(None),
        )
    ).one_or_none()
    if use is not None:
        use.state = UseState.ACCEPTED if use.extra else UseState.VOID
        use.subject = None if use.extra else use.subject
        session.add(use)


def give_back_unfinished(session: Session, client_id: UUID) -> None:
    """Release what was taken for retrains that were rejected or failed."""
    uses = session.exec(
        select(ServiceUse).where(
            ServiceUse.client_id == client_id, ServiceUse.state == UseState.USED, col(ServiceUse.month).is_(None)
        )
    ).all()
    ended = _without_result(session, [use.subject for use in uses if use.subject])
    for use in uses:
        if use.subject in ended:
            release(session, client_id=client_id, feature=use.feature, subject=use.subject)


def quorum(session: Session, client_id: UUID) -> int | None:
    """How many people must approve, by the client's plan; None when it has no subscription."""
    contract = contract_of(session, client_id)
    return contract.entitlements.quorum if contract else None


def _used(session: Session, client_id: UUID, feature: Feature, at: datetime) -> int:
    zone = zone_of_agency(session)
    span = Month.of(at, zone).span(zone)
    if feature is Feature.LABELS:
        query = select(func.count()).select_from(ReviewLabel).where(ReviewLabel.client_id == client_id)
        return session.exec(
            query.where(ReviewLabel.at >= span.start, ReviewLabel.at < span.end, col(ReviewLabel.undone_at).is_(None))
        ).one()
    if feature is Feature.GPU_MINUTES:
        return whole_minutes(gpu_seconds(session, client_id, span))
    if feature not in COUNTED:
        return 0
    uses = session.exec(
        select(ServiceUse).where(
            ServiceUse.client_id == client_id,
            ServiceUse.feature == feature,
            ServiceUse.state == UseState.USED,
            ~col(ServiceUse.extra),
            ServiceUse.at >= span.start,
            ServiceUse.at < span.end,
        )
    ).all()
    return len(uses) - len(_without_result(session, [use.subject for use in uses if use.subject]))


def _without_result(session: Session, subjects: list[str]) -> frozenset[str]:
    """The cycles among `subjects` that were rejected or failed: they use up nothing."""
    ids = [UUID(subject.removeprefix(CYCLE)) for subject in subjects if subject.startswith(CYCLE)]
    if not ids:
        return frozenset()
    query = select(RetrainingCycle.id).where(col(RetrainingCycle.id).in_(ids))
    ended = session.exec(query.where(col(RetrainingCycle.state).in_(_WITHOUT_RESULT)))
    return frozenset(f"{CYCLE}{cycle_id}" for cycle_id in ended)


def _ordered(session: Session, client_id: UUID, feature: Feature) -> list[ServiceUse]:
    query = select(ServiceUse).where(ServiceUse.client_id == client_id, ServiceUse.feature == feature)
    return list(session.exec(query.where(ServiceUse.state == UseState.ACCEPTED).order_by(col(ServiceUse.at))))


def _suspension(contract: ClientContract, sentence: str) -> str:
    subscription = contract.subscription
    since = f"since {subscription.state_since:%Y-%m-%d}"
    state = subscription.state.value.replace("_", " ")
    return f"{contract.client.name}'s subscription is {state} {since}: {sentence}; models keep serving and data is kept"


def _not_included(contract: ClientContract, found: Allowance) -> NotIncluded:
    what = found.feature.value.replace("_", " ")
    name, plan = contract.client.name, contract.plan.name
    had = f"all {found.included} of this month are used" if found.included else "it has none"
    details = {"client": contract.client.slug, "feature": found.feature.value, "plan": contract.plan.slug}
    if found.price is None:
        return NotIncluded(
            f"{name}'s plan {plan} does not include another {what} ({had}), and {plan} has no price for extra ones; "
            "set one with 'tuneloop plan change', or move the client to a larger plan",
            **details,
        )
    return NotIncluded(
        f"{name}'s plan {plan} does not include another {what} ({had}); it can be ordered for {found.price}: "
        f"tuneloop plan extra {contract.client.slug} {found.feature.value}",
        price=found.price.amount,
        currency=found.price.currency,
        **details,
    )
