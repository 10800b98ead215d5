"""What billing asks of a payment provider, in our own words."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import ClassVar, NamedTuple, Protocol
from uuid import UUID

from tuneloop.kit.errors import TuneloopError, Unavailable
from tuneloop.tables import ReversalKind, SubscriptionState


class ProviderAway(Unavailable):
    """The provider does not answer, has trouble of its own, or asks us to come back later."""

    code: ClassVar[str] = "payment_provider_away"


class PaymentRefused(TuneloopError):
    """The provider says no; trying the same again won't help."""

    status = HTTPStatus.BAD_GATEWAY
    code: ClassVar[str] = "payment_provider_refused"
    transient = False


class GoneAtProvider(PaymentRefused):
    """What we know there was deleted, or isn't there (any more)."""

    code: ClassVar[str] = "gone_at_payment_provider"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"the {kind} {name} was deleted in Stripe, or is not of this Stripe account", id=name)
        self.kind = kind


@dataclass(frozen=True)
class Price:
    """A plan at its price of today."""

    plan_id: UUID
    name: str
    amount: int
    currency: str


@dataclass(frozen=True)
class Payer:
    client_id: UUID
    name: str
    email: str | None
    customer: str | None


@dataclass(frozen=True)
class Wanted:
    """How a subscription should be. `then` takes over at the end of the period; `anchor` is when periods begin."""

    subscription_id: UUID
    revision: int
    payer: Payer
    price: Price
    then: Price | None
    state: SubscriptionState
    started_at: datetime
    trial_ends_at: datetime | None
    cancel_at_period_end: bool
    coupon: str | None
    automatic_tax: bool
    anchor: datetime
    subscription: str | None


class SubscriptionFacts(NamedTuple):
    """How a subscription is. `since` is when it came into its state, as far as the provider tells.

    `amount` is what a period costs without tax and discounts, None where the price isn't a fixed one; `others` is how
    many things besides the plan are on it.
    """

    id: str
    customer: str
    state: SubscriptionState
    since: datetime
    plan_id: UUID | None
    amount: int | None
    quantity: int
    others: int
    currency: str
    period_start: datetime
    period_end: datetime
    trial_ends_at: datetime | None
    cancel_at_period_end: bool
    next_plan_id: UUID | None


class Line(NamedTuple):
    description: str
    amount: int
    reference: str | None


class Reversal(NamedTuple):
    """Money of an invoice that went back, or may: a refund or a dispute.

    `credited` is the part of it that a credit note of the invoice carries already; `due_by` is until when a dispute
    can be answered.
    """

    id: str
    kind: ReversalKind
    amount: int
    credited: int
    status: str
    reason: str | None
    at: datetime
    due_by: datetime | None


class Attempt(NamedTuple):
    """The last try to charge an invoice that is open. `waits_for_payer`: the bank wants its customer to confirm it."""

    waits_for_payer: bool
    reason: str | None
    next_at: datetime | None


class Payments(NamedTuple):
    """What was paid of an invoice and went back, and what its credit notes carry of its tax."""

    attempt: Attempt | None
    reversals: tuple[Reversal, ...]
    credited_tax: int


class InvoiceFacts(NamedTuple):
    """`client_id` is the mark that it, or its subscription, got from us; None on one that somebody else made.

    `total` is with `tax`; `payments` is None where they were not asked for.
    """

    id: str
    customer: str
    client_id: UUID | None
    subscription: str | None
    month: str | None
    number: str | None
    status: str
    renewal: bool
    advances: bool
    currency: str
    total: int
    amount_paid: int
    amount_remaining: int
    credited: int
    lines: tuple[Line, ...]
    hosted_url: str | None
    issued_at: datetime
    paid_at: datetime | None
    period_end: datetime
    tax: int
    payments: Payments | None


class Checkout(NamedTuple):
    """A page to leave a card on. `client_id` is our mark, as in `InvoiceFacts`; `card` is None until it is done."""

    client_id: UUID | None
    customer: str | None
    card: str | None


@dataclass(frozen=True)
class Statement:
    """What a month's invoice adds to a renewal, or consists of. Each line's reference is put on it once."""

    client_id: UUID
    month: str
    customer: str
    currency: str
    lines: Sequence[Line]
    description: str
    footer: str
    draft: str | None
    subscription: str | None
    days_until_due: int = 14


class AccountFacts(NamedTuple):
    id: str
    name: str | None
    live: bool


@dataclass(frozen=True)
class Endpoint:
    """A webhook endpoint and the secret that it signs with, told once."""

    id: str
    secret: str = field(repr=False)


class Relisten(NamedTuple):
    """What was found changed at an endpoint, and the endpoint where it had to be made anew."""

    mended: list[str]
    made: Endpoint | None


class PaymentGateway(Protocol):
    """One agency's account. Everything may be asked again after a crash: what is there already isn't made twice.

    Raises:
        PaymentRefused: for good. ProviderAway: not now.
    """

    def account(self) -> AccountFacts: ...

    def listen(self, url: str) -> Endpoint: ...

    def keep_listening(self, ours: Callable[[str], bool], anew: str) -> Relisten: ...

    def stop_listening(self, url: str) -> None: ...

    def publish(self, price: Price, *, sold: bool) -> list[str]: ...

    def apply(self, wanted: Wanted) -> SubscriptionFacts | None: ...

    def subscription(self, subscription_id: str) -> SubscriptionFacts: ...

    def check_customer(self, customer: str) -> None: ...

    def invoice(self, invoice_id: str) -> InvoiceFacts: ...

    def invoices(self, customer: str, *, payments: bool = False) -> Iterator[InvoiceFacts]: ...

    def invoice_of_payment(self, payment: str) -> str | None: ...

    def hold(self, invoice_id: str) -> None: ...

    def issue(self, statement: Statement) -> InvoiceFacts: ...

    def credit(self, invoice_id: str, *, amount: int, reason: str, key: str) -> None: ...

    def customer(self, payer: Payer) -> str: ...

    def card_link(self, payer: Payer, *, back: str, currency: str) -> str: ...

    def checkout(self, session_id: str) -> Checkout: ...

    def use_card(self, payer: Payer, card: str, *, subscription: str | None) -> None: ...

    def portal_link(self, customer: str, *, back: str) -> str: ...
