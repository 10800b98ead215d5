"""An agency with a client on each plan, in the middle of the month that is going to end."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session, select

from tests.billing.office import Office
from tests.support.factories import make_base, make_client, make_model
from tests.support.world import make_version, manifest
from tuneloop.clients.months import Month
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.tables import (
    AdapterVersion,
    BaseModel,
    Client,
    MaintenancePlan,
    Pool,
    Prediction,
    RegisteredModel,
    Snapshot,
    Subscription,
)

MONTH = Month.of(datetime.now(UTC) - timedelta(days=2), ZoneInfo("UTC")).previous
SPAN = MONTH.span(ZoneInfo("UTC"))
RENEWAL = SPAN.end + timedelta(hours=12)
PRICES = {"basic": 75_000, "standard": 200_000, "premium": 400_000}


def make_three(north: Office) -> dict[str, Client]:
    """A client on each plan, subscribed at Stripe in the middle of the month that is going to end."""
    shop = north.shop
    shop.account.ahead = int((SPAN.end - timedelta(days=12) - datetime.now(UTC)).total_seconds())
    clients = {}
    for tier, price in PRICES.items():
        client = make_client(north.database, north.agency, f"client-{tier}")
        north.http.post("/api/v1/plans", json={"slug": tier, "tier": tier})
        assert north.http.put(f"/api/v1/clients/{client.slug}/plan", json={"plan": tier}).status_code == 200
        with north.database.unit(north.agency.id) as session:
            plan_id = session.exec(select(MaintenancePlan.id).where(MaintenancePlan.slug == tier)).one()
        price_id = shop.price(price, name=f"{tier} plan", product_id=f"tl_{plan_id.hex}")
        customer = shop.customer("pm_card_visa" if tier == "premium" else None)
        how: dict[str, Any] = {} if tier == "premium" else {"collection_method": "send_invoice", "days_until_due": 30}
        params: Any = {
            "customer": customer,
            "items": [{"price": price_id}],
            "metadata": {"tuneloop_client": str(client.id)},
            "billing_cycle_anchor": int(RENEWAL.timestamp()),
            **how,
        }
        there = shop.stripe.v1.subscriptions.create(params)
        with north.database.unit(north.agency.id) as session:
            row = session.exec(select(Subscription).where(Subscription.client_id == client.id)).one()
            row.stripe_customer, row.stripe_subscription = customer, there.id
            row.started_at, row.sent_revision = SPAN.end - timedelta(days=12), row.revision
            for job in session.exec(select(JobRow).where(JobRow.client_id == client.id)):
                session.delete(job)
        clients[tier] = client
    return clients


def model_of(north: Office, client: Client) -> RegisteredModel:
    model = make_model(north.database, client, make_base(north.database, f"tiny-{client.slug}"))
    with north.database.unit(north.agency.id) as session:
        snapshot = Snapshot(
            client_id=client.id, model_id=model.id, pool=Pool.GOLDEN, digest="e" * 64, size=1, categories={}
        )
        session.add(snapshot)
        session.flush()
        base = session.get_one(BaseModel, model.base_id)
        session.add(make_version(model, manifest(base), "1.0", snapshot))
    return model


def answer(session: Session, model: RegisteredModel, at: datetime) -> None:
    version = session.exec(select(AdapterVersion).where(AdapterVersion.model_id == model.id)).one()
    session.add(
        Prediction(
            client_id=model.client_id,
            model_id=model.id,
            version_id=version.id,
            digest=version.digest,
            at=at,
            messages=[],
            answer="order",
        )
    )


def gpu_job(client: Client, start: datetime, seconds: float) -> JobRow:
    return JobRow(
        client_id=client.id,
        name="retraining.train",
        queue="gpu",
        args={},
        max_attempts=3,
        state=JobState.SUCCEEDED,
        started_at=start,
        finished_at=start + timedelta(seconds=seconds),
    )


def month_invoices(north: Office, client: Client) -> list[Any]:
    with north.database.unit(north.agency.id) as session:
        row = session.exec(select(Subscription).where(Subscription.client_id == client.id)).one()
    found = north.shop.stripe.v1.invoices.list({"customer": row.stripe_customer or "", "limit": 100}).data
    return [each for each in found if each.metadata and each.metadata.to_dict().get("tuneloop_month") == str(MONTH)]
