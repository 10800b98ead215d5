"""Whether an A/B test may be offered: within the client's plan, for a price, or not at all."""

from dataclasses import dataclass

from sqlmodel import Session

from tuneloop.ab_tests.service import may_start
from tuneloop.clients.entitlements import allowance
from tuneloop.clients.money import Money
from tuneloop.tables import Feature, RetrainingCycle


@dataclass(frozen=True)
class AbOffer:
    """A test could begin now: within the plan, or for a price."""

    price: Money | None


def ab_offer(session: Session, cycle: RetrainingCycle) -> AbOffer | None:
    """None where no test may begin, the plan has neither one left nor a price, or its subscription is suspended."""
    if not may_start(session, cycle):
        return None
    found = allowance(session, cycle.client_id, Feature.AB_TEST)
    if found.allowed:
        return AbOffer(None)
    return AbOffer(found.price) if found.suspension is None and found.price is not None else None
