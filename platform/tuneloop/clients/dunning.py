"""What is suspended while a subscription is unpaid, paused or cancelled. Models keep serving; data is kept, always."""

from datetime import datetime, timedelta
from typing import NamedTuple

from tuneloop.tables import Feature, Subscription, SubscriptionState


class DunningStep(NamedTuple):
    """Reached `after` the payment failed."""

    after: timedelta
    name: str
    suspended: frozenset[Feature]
    sentence: str


_WORK = frozenset({Feature.RETRAIN, Feature.AB_TEST, Feature.NEW_CATEGORY})
_EVERYTHING = frozenset(Feature)

STEPS = (
    DunningStep(timedelta(), "grace", frozenset(), "nothing is suspended yet"),
    DunningStep(timedelta(days=7), "no new work", _WORK, "retrains, A/B tests and new categories are suspended"),
    DunningStep(
        timedelta(days=14),
        "alerts only",
        _WORK | {Feature.LABELS, Feature.REPORT},
        "only monitoring goes on; new work, labelling and reports are suspended",
    ),
    DunningStep(timedelta(days=28), "serving only", _EVERYTHING, "all maintenance is suspended"),
)
PAUSED = DunningStep(timedelta(), "paused", _EVERYTHING, "all maintenance is suspended until it is resumed")
CANCELLED = DunningStep(timedelta(), "cancelled", _EVERYTHING, "maintenance has ended")
IN_ORDER = DunningStep(timedelta(), "in order", frozenset(), "nothing is suspended")


def step_of(subscription: Subscription, *, moment: datetime) -> DunningStep:
    if subscription.state is SubscriptionState.PAUSED:
        return PAUSED
    if subscription.state is SubscriptionState.CANCELLED:
        return CANCELLED
    if subscription.state is not SubscriptionState.PAST_DUE:
        return IN_ORDER
    overdue = moment - subscription.state_since
    return next(step for step in reversed(STEPS) if overdue >= step.after or step is STEPS[0])


def next_step(subscription: Subscription, *, moment: datetime) -> tuple[DunningStep, datetime] | None:
    """The step that an unpaid subscription comes to next, and when."""
    if subscription.state is not SubscriptionState.PAST_DUE:
        return None
    later = (step for step in STEPS if subscription.state_since + step.after > moment)
    found = next(later, None)
    return (found, subscription.state_since + found.after) if found else None
