"""A row in every table of billing."""

from sqlmodel import Session, select

from tuneloop.identity.secrets import new_token
from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import Row
from tuneloop.tables import (
    Activity,
    Agency,
    BillingAccount,
    Client,
    Feature,
    Invoice,
    InvoiceReversal,
    MaintenancePlan,
    MonthClose,
    PaymentProblem,
    PaymentProblemKind,
    Plan,
    ReconcileFinding,
    ReversalKind,
    ServiceUse,
    StripeEvent,
    StripeLink,
    Subscription,
    SubscriptionState,
    Unit,
    UsageRecord,
    UseState,
    WorkEntry,
)
from tuneloop_billing.plans.templates import TEMPLATES

MONTH = "2026-10"


def billing_rows(session: Session, agency: Agency, client: Client) -> list[Row]:
    """In the order of their references. Rows that an agency has once are made with its first client."""
    template = TEMPLATES[Plan.STANDARD]
    account = session.exec(select(BillingAccount).where(BillingAccount.agency_id == agency.id)).one_or_none()
    plan = MaintenancePlan(
        agency_id=agency.id,
        slug=f"{client.slug}-plan",
        name=template.name,
        tier=Plan.STANDARD,
        price=template.price,
        currency="usd",
        entitlements=template.entitlements.model_dump(mode="json") | {"new_categories": 1},
        extras={feature.value: price for feature, price in template.extras.items()},
    )
    invoice = Invoice(
        agency_id=agency.id,
        client_id=client.id,
        stripe_id=f"in_{client.slug}",
        month=MONTH,
        status="open",
        currency="usd",
        total=200_000,
        amount_paid=0,
        amount_remaining=200_000,
        issued_at=now(),
    )
    return [
        account or BillingAccount(agency_id=agency.id, webhook_token=new_token().token),
        plan,
        Subscription(agency_id=agency.id, client_id=client.id, plan_id=plan.id, state=SubscriptionState.ACTIVE),
        ServiceUse(
            agency_id=agency.id,
            client_id=client.id,
            feature=Feature.RETRAIN,
            state=UseState.OFFERED,
            extra=True,
            unit_price=70_000,
        ),
        WorkEntry(agency_id=agency.id, client_id=client.id, person="Ann", activity=Activity.COLLECT, seconds=1800),
        UsageRecord(agency_id=agency.id, client_id=client.id, month=MONTH, unit=Unit.ANSWERS, quantity=1),
        StripeLink(agency_id=agency.id, kind="product", key=client.slug, stripe_id=f"prod_{client.slug}"),
        StripeEvent(
            agency_id=agency.id, stripe_id=f"evt_{client.slug}", kind="invoice.paid", object_id="in_1", body="{}"
        ),
        invoice,
        InvoiceReversal(
            agency_id=agency.id,
            client_id=client.id,
            invoice_id=invoice.id,
            stripe_id=f"re_{client.slug}",
            kind=ReversalKind.REFUND,
            amount=5_000,
            status="succeeded",
            at=now(),
        ),
        MonthClose(agency_id=agency.id, client_id=client.id, month=MONTH),
        PaymentProblem(
            agency_id=agency.id,
            client_id=client.id,
            kind=PaymentProblemKind.CUSTOMER_GONE,
            key="customer_gone:cus_1",
            summary=f"{client.name} can't be invoiced",
            to_do="make it anew",
        ),
        ReconcileFinding(agency_id=agency.id, key=f"invoice:in_{client.slug}", summary="It differs."),
    ]
