"""What a client has bought, what was done and used for it, and what of that was invoiced."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import ClientOwned, Tenant
from tuneloop.tables.agency import Plan


class BillingMode(StrEnum):
    """How an agency reaches Stripe: not at all, with its own secret key, or as a connected account of ours.

    `STAND_IN` is an own key too, of the local stand-in for Stripe, where no money moves.
    """

    NONE = "none"
    OWN_KEY = "own_key"
    STAND_IN = "stand_in"
    CONNECT = "connect"


class BillingAccount(Tenant, table=True):
    """An agency's settings for money. Keys are sealed; costs are minor units of `currency`."""

    __tablename__ = "billing_account"
    __table_args__ = (UniqueConstraint("agency_id"),)

    mode: BillingMode = Field(default=BillingMode.NONE, sa_type=text_enum(BillingMode))
    sealed_key: str | None = None
    stripe_account: str | None = Field(default=None, unique=True)
    webhook_token: str | None = Field(default=None, unique=True, description="hash of the last part of its address")
    sealed_webhook_secret: str | None = None
    timezone: str = "UTC"
    currency: str = "usd"
    automatic_tax: bool = False
    gpu_hour_cost: int = 200
    next_due_at: datetime = Field(default_factory=now, index=True, description="when its daily round is next")
    reads: int = Field(default=0, description="counts what was read from Stripe, so that older readings lose")
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)


class MaintenancePlan(Tenant, table=True):
    """What an agency sells: a price per month and what it includes. `extras` are unit prices by feature."""

    __tablename__ = "maintenance_plan"
    __table_args__ = (UniqueConstraint("agency_id", "slug"),)

    slug: str
    name: str
    tier: Plan = Field(sa_type=text_enum(Plan))
    price: int = Field(sa_type=BigInteger)
    currency: str
    entitlements: dict[str, Any] = Field(sa_type=JSONB)
    extras: dict[str, int] = Field(default_factory=dict, sa_type=JSONB)
    created_at: datetime = Field(default_factory=now)
    archived_at: datetime | None = None


class SubscriptionState(StrEnum):
    TRIAL = "trial"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class Subscription(ClientOwned, table=True):
    """What one client has bought, as last known; it is enforced from here, not from Stripe.

    `revision` counts the changes made here, so that each is sent to Stripe once. `next_plan_id` takes over at the end
    of the period.
    """

    __table_args__ = (UniqueConstraint("client_id"),)

    plan_id: UUID = Field(foreign_key="maintenance_plan.id", index=True)
    next_plan_id: UUID | None = Field(default=None, foreign_key="maintenance_plan.id")
    state: SubscriptionState = Field(sa_type=text_enum(SubscriptionState))
    state_since: datetime = Field(default_factory=now)
    started_at: datetime = Field(default_factory=now)
    trial_ends_at: datetime | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    cancel_at_period_end: bool = False
    coupon: str | None = None
    revision: int = 1
    sent_revision: int = 0
    stripe_customer: str | None = None
    stripe_subscription: str | None = None
    read: int = 0
    problem: str | None = Field(default=None, description="why Stripe refused the last change")


class Feature(StrEnum):
    """What a plan can include, and what can be bought on top of it."""

    MONITORING = "monitoring"
    RETRAIN = "retrain"
    AB_TEST = "ab_test"
    NEW_CATEGORY = "new_category"
    LABELS = "labels"
    GPU_MINUTES = "gpu_minutes"
    REPORT = "report"


class UseState(StrEnum):
    """OFFERED and ACCEPTED are extras that nobody has used yet."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    USED = "used"
    VOID = "void"


class ServiceUse(ClientOwned, table=True):
    """One retrain, A/B test or category: within the plan, or an extra with the price agreed for it."""

    __tablename__ = "service_use"
    __table_args__ = (
        Index(
            "uq_service_use_subject",
            "client_id",
            "feature",
            "subject",
            unique=True,
            postgresql_where=text("subject is not null and state <> 'void'"),
        ),
    )

    feature: Feature = Field(sa_type=text_enum(Feature))
    state: UseState = Field(default=UseState.USED, sa_type=text_enum(UseState))
    subject: str | None = None
    extra: bool = False
    quantity: int = 1
    unit_price: int = Field(default=0, sa_type=BigInteger)
    currency: str = "usd"
    reason: str = ""
    decided_by: str | None = None
    at: datetime = Field(default_factory=now)
    month: str | None = Field(default=None, description="month whose invoice carries it")


class Activity(StrEnum):
    """The monthly work for a client."""

    COLLECT = "collect"
    RETRAIN = "retrain"
    COMPARE = "compare"
    DEPLOY = "deploy"
    OTHER = "other"


class WorkEntry(ClientOwned, table=True):
    """Time a person spent for a client, from a page's timer or written by hand."""

    __tablename__ = "work_entry"
    __table_args__ = (Index("ix_work_entry_client_at", "client_id", "at"),)

    person: str
    activity: Activity = Field(sa_type=text_enum(Activity))
    at: datetime = Field(default_factory=now)
    last_beat: datetime | None = Field(default=None, description="set while a page's timer runs")
    seconds: int
    note: str = ""
    deleted_at: datetime | None = None


class Unit(StrEnum):
    GPU_SECONDS = "gpu_seconds"
    ANSWERS = "answers"
    LABELS = "labels"
    OPERATOR_SECONDS = "operator_seconds"
    STORAGE_BYTES = "storage_bytes"


class UsageRecord(ClientOwned, table=True):
    """What a client used in a month. `late` came to light after the month before had been counted."""

    __tablename__ = "usage_record"
    __table_args__ = (UniqueConstraint("client_id", "month", "unit"),)

    month: str
    unit: Unit = Field(sa_type=text_enum(Unit))
    quantity: int = Field(sa_type=BigInteger)
    late: int = Field(default=0, sa_type=BigInteger)
    counted_at: datetime = Field(default_factory=now)


class StripeLink(Tenant, table=True):
    """Which object at Stripe stands for something of ours."""

    __tablename__ = "stripe_link"
    __table_args__ = (UniqueConstraint("agency_id", "kind", "key"),)

    kind: str
    key: str
    stripe_id: str
    created_at: datetime = Field(default_factory=now)


class StripeEvent(Tenant, table=True):
    """A webhook, stored once. It only says what to look at again: the state is fetched."""

    __tablename__ = "stripe_event"
    __table_args__ = (UniqueConstraint("agency_id", "stripe_id"),)

    stripe_id: str
    kind: str
    object_id: str
    body: str
    received_at: datetime = Field(default_factory=now)
    handled_at: datetime | None = None
    outcome: str | None = None


class Invoice(ClientOwned, table=True):
    """The last known state of an invoice at Stripe."""

    __table_args__ = (UniqueConstraint("agency_id", "stripe_id"),)

    stripe_id: str
    month: str | None = None
    number: str | None = None
    status: str
    currency: str
    total: int = Field(sa_type=BigInteger)
    amount_paid: int = Field(sa_type=BigInteger)
    amount_remaining: int = Field(sa_type=BigInteger)
    credited: int = Field(default=0, sa_type=BigInteger)
    lines: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    hosted_url: str | None = None
    issued_at: datetime
    paid_at: datetime | None = None
    tax: int = Field(default=0, sa_type=BigInteger, description="part of the total")
    credited_tax: int = Field(default=0, sa_type=BigInteger, description="part of what is credited")
    read: int = 0
    seen_at: datetime = Field(default_factory=now)


class ReversalKind(StrEnum):
    REFUND = "refund"
    DISPUTE = "dispute"


class InvoiceReversal(ClientOwned, table=True):
    """Money of an invoice that went back, or may. `credited` of it is on a credit note; `status` is Stripe's word."""

    __tablename__ = "invoice_reversal"
    __table_args__ = (UniqueConstraint("invoice_id", "stripe_id"),)

    invoice_id: UUID = Field(foreign_key="invoice.id")
    stripe_id: str
    kind: ReversalKind = Field(sa_type=text_enum(ReversalKind))
    amount: int = Field(sa_type=BigInteger)
    credited: int = Field(default=0, sa_type=BigInteger)
    status: str
    reason: str | None = None
    at: datetime
    due_by: datetime | None = None


class MonthClose(ClientOwned, table=True):
    """The end of one month for one client. Each step leaves its mark, so that it is never done twice.

    `until` is when a month was closed before its end; what comes after it goes with the next month.
    """

    __tablename__ = "month_close"
    __table_args__ = (UniqueConstraint("client_id", "month"),)

    month: str
    until: datetime | None = None
    started_at: datetime = Field(default_factory=now)
    metered_at: datetime | None = None
    report_id: UUID | None = None
    reported_at: datetime | None = None
    invoice_stripe_id: str | None = None
    invoiced_at: datetime | None = None
    sent_at: datetime | None = None
    problem: str | None = None


class PaymentProblemKind(StrEnum):
    """What keeps a client's money from going its way, or went with it."""

    CUSTOMER_GONE = "customer_gone"
    SUBSCRIPTION_GONE = "subscription_gone"
    CHANGED_AT_STRIPE = "changed_at_stripe"
    CANCELLED_AT_STRIPE = "cancelled_at_stripe"
    PAUSED_AT_STRIPE = "paused_at_stripe"
    CHANGE_REFUSED = "change_refused"
    NOT_READ = "not_read"
    NOT_INVOICED = "not_invoiced"
    PAYMENT_FAILED = "payment_failed"
    ACTION_REQUIRED = "action_required"
    UNCOLLECTIBLE = "uncollectible"
    DISPUTED = "disputed"
    DISPUTE_LOST = "dispute_lost"
    REFUNDED = "refunded"


class PaymentProblem(ClientOwned, table=True):
    """An exception about a client's money, until it ends or somebody dismisses it. `to_do` says what ends it.

    `key` names the instance, so that one that was dismissed isn't raised again.
    """

    __tablename__ = "payment_problem"
    __table_args__ = (
        Index("uq_payment_problem_open", "client_id", "key", unique=True, postgresql_where=text("settled_at is null")),
    )

    kind: PaymentProblemKind = Field(sa_type=text_enum(PaymentProblemKind))
    key: str
    summary: str
    to_do: str
    found_at: datetime = Field(default_factory=now)
    settled_at: datetime | None = None
    settled_by: str | None = Field(default=None, description="who dismissed it; null where it ended")


class ReconcileFinding(Tenant, table=True):
    """Something that differs between here and Stripe."""

    __tablename__ = "reconcile_finding"
    __table_args__ = (
        Index(
            "uq_reconcile_finding_open", "agency_id", "key", unique=True, postgresql_where=text("settled_at is null")
        ),
    )

    key: str
    summary: str
    here: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    there: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    found_at: datetime = Field(default_factory=now)
    settled_at: datetime | None = None
