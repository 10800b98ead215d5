"""What is decided here arrives at Stripe once; what Stripe says is taken over, in whatever order it comes."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
import stripe
from sqlalchemy import Connection
from sqlmodel import col, select

from tests.billing.conftest import OnPlan
from tests.billing.emulator import Running, Shop, client_of
from tests.billing.office import Office
from tuneloop.identity.secrets import token_digest
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.tables import BillingAccount, Client, StripeEvent, Subscription, SubscriptionState
from tuneloop_billing.payment_provider.stripe_gateway import gateway_of
from tuneloop_billing.reconciliation import reconcile
from tuneloop_billing.stripe_sync import first_anchor, take_over
from tuneloop_billing.webhooks.service import FOREIGN, handle
from tuneloop_local.emulators.stripe.calendar import add_months
from tuneloop_local.emulators.stripe.delivery import signature

PLAN = "/api/v1/clients/acme/plan"


def there(north: Office) -> Any:
    return north.shop.stripe.v1.subscriptions.list({"status": "all"}).data


def test_a_key_goes_in_and_never_comes_out(north: Office) -> None:
    key = north.shop.account.key or ""
    for path in ("/api/v1/billing", "/api/v1/audit"):
        assert key not in north.http.get(path).text
    with north.database.unit(north.agency.id) as session:
        account = session.exec(select(BillingAccount)).one()
    assert key not in str(account.model_dump())
    (endpoint,) = north.shop.stripe.v1.webhook_endpoints.list().data
    address = endpoint.url.rpartition("/")[2]
    assert address not in str(account.model_dump())
    assert account.webhook_token == token_digest(address)


@pytest.mark.parametrize("key", ["pk_live_1", "whatever", ""])
def test_what_is_no_secret_key_is_refused(north: Office, key: str) -> None:
    assert north.http.post("/api/v1/billing/connection", json={"secret_key": key}).status_code == 422


def test_a_key_that_stripe_does_not_know_is_refused(north: Office) -> None:
    answer = north.http.post("/api/v1/billing/connection", json={"secret_key": "sk_test_emulator_nobody"})
    assert (answer.status_code, "Invalid API Key" in answer.text) == (502, True)


def test_plans_become_products_and_prices(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    on_plan("premium")
    north.settle()
    north.http.patch("/api/v1/plans/standard", json={"price": 210_000, "name": "Standard"})
    north.settle()
    prices = north.shop.stripe.v1.prices.list({"expand": ["data.product"]}).data
    assert sorted((price.product.name, price.unit_amount) for price in prices) == [  # type: ignore[union-attr]
        ("Premium retrain", 400_000),
        ("Standard", 200_000),
        ("Standard", 210_000),
    ]
    assert north.failed() == []


def test_a_subscription_is_made_once_however_often_its_job_runs(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard", trial_days=14)
    north.settle()
    with north.database.unit(north.agency.id) as session:
        subscription = session.exec(select(Subscription)).one()
        subscription.stripe_customer = subscription.stripe_subscription = None
        subscription.revision += 1
    north.http.post(f"{PLAN}/pause")
    north.http.post(f"{PLAN}/resume")
    north.settle()
    assert len(there(north)) == 1
    assert len(north.shop.stripe.v1.customers.list().data) == 1
    assert north.failed() == []


def test_a_client_s_life_at_stripe(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    found = north.subscription()
    assert (found.state, found.sent_revision) == (SubscriptionState.ACTIVE, found.revision)
    (subscription,) = there(north)
    assert (subscription.status, subscription.collection_method) == ("active", "send_invoice")
    assert datetime.fromtimestamp(subscription.billing_cycle_anchor, UTC).day == 1
    on_plan("premium")
    north.settle()
    (subscription,) = there(north)
    assert subscription["items"].data[0].price.unit_amount == 400_000
    assert len(north.shop.stripe.v1.invoice_items.list({"pending": True}).data) == 2
    on_plan("basic")
    north.settle()
    assert north.http.get(PLAN).json()["next_plan"] == "basic"
    north.http.post(f"{PLAN}/cancel", json={"confirmed": True})
    north.settle()
    assert there(north)[0].cancel_at_period_end
    north.http.post(f"{PLAN}/resume")
    north.settle()
    for unpaid in north.shop.stripe.v1.invoices.list({"status": "open"}).data:
        north.shop.stripe.v1.invoices.pay(unpaid.id, {"paid_out_of_band": True})
    north.shop.lever("clock", {"to": there(north)[0]["items"].data[0].current_period_end + 60})
    north.settle()
    found_ = north.http.get(PLAN).json()
    assert (found_["plan"], found_["next_plan"], found_["state"]) == ("basic", None, "active")
    assert north.http.get("/api/v1/clients/acme").json()["plan"] == "basic"
    north.http.post(f"{PLAN}/pause")
    north.settle()
    assert there(north)[0].pause_collection.behavior == "void"
    assert north.http.get(PLAN).json()["state"] == "paused"
    north.http.post(f"{PLAN}/cancel", json={"at_once": True, "confirmed": True})
    north.settle()
    assert (there(north)[0].status, north.subscription().state) == ("canceled", SubscriptionState.CANCELLED)
    assert north.failed() == []


def test_a_card_is_left_at_checkout_and_pays(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    assert north.http.post("/api/v1/clients/acme/portal-link").json()["url"].startswith(north.shop.running.url)
    link = north.http.post("/api/v1/clients/acme/card-link").json()["url"]
    assert httpx.post(link, data={"number": "4242424242424242"}).status_code == 303
    north.settle()
    assert there(north)[0].collection_method == "charge_automatically"
    assert [each.status for each in north.invoices()] == ["paid"], "the card pays what was open"
    north.shop.lever("clock", {"to": there(north)[0]["items"].data[0].current_period_end + 60})
    north.settle()
    north.shop.advance(1)
    renewal = north.shop.stripe.v1.invoices.list().data[0]
    assert (renewal.status, renewal.auto_advance) == ("draft", False)


def test_what_an_agency_sells_besides_is_left_alone(north: Office, on_plan: OnPlan) -> None:
    """Its Stripe account has other customers, and bills ours for other things."""
    on_plan("standard")
    north.settle()
    shop, v1 = north.shop, north.shop.stripe.v1
    ours = north.subscription().stripe_customer or ""
    other, price = shop.customer(card=None), shop.price(9_900, name="Hosting")
    order: Any = {"items": [{"price": price}], "collection_method": "send_invoice", "days_until_due": 14}
    foreign = [v1.subscriptions.create(order | {"customer": customer}) for customer in (other, ours)]
    bills = [v1.invoices.retrieve(str(each.latest_invoice)) for each in foreign]
    checkout = v1.checkout.sessions.create(
        {"mode": "setup", "customer": other, "success_url": "https://a.example", "currency": "usd"}
    )
    assert httpx.post(checkout.url or "", data={"number": "4242424242424242"}).status_code == 303
    link = north.http.post("/api/v1/clients/acme/card-link").json()["url"]
    assert httpx.post(link, data={"number": "4242424242424242"}).status_code == 303
    foreign_before = FOREIGN._value.get()
    north.settle()
    assert north.failed() == []
    there_settings = v1.customers.retrieve(other).invoice_settings
    assert there_settings is not None
    assert there_settings.default_payment_method is None
    assert [v1.invoices.retrieve(each.id).status for each in bills] == ["open", "open"]
    assert {v1.subscriptions.retrieve(each.id).collection_method for each in foreign} == {"send_invoice"}
    assert [each.status for each in north.invoices()] == ["paid"], "our own alone"
    assert FOREIGN._value.get() > foreign_before
    assert reconcile(north.at_work()) == []


def test_an_unpaid_invoice_suspends_work_and_paying_it_ends_that(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    north.shop.advance(15)
    north.settle()
    found = north.subscription()
    assert found.state is SubscriptionState.PAST_DUE
    invoice = north.invoices()[0]
    due = north.shop.stripe.v1.invoices.retrieve(invoice.stripe_id).due_date
    assert found.state_since == datetime.fromtimestamp(due or 0, UTC)
    for each in north.invoices():  # near the end of a month the next one has fallen due as well
        north.shop.stripe.v1.invoices.pay(each.stripe_id, {"paid_out_of_band": True})
    north.settle()
    assert north.subscription().state is SubscriptionState.ACTIVE
    assert north.invoices()[0].status == "paid"


def test_what_stripe_refuses_is_said(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard", coupon="NOSUCH")
    north.settle()
    found = north.http.get(PLAN).json()
    assert "No such coupon: 'NOSUCH'" in found["problem"]
    assert found["in_step_with_stripe"] is False


def _five_events(north: Office) -> list[dict[str, Any]]:
    """A trial that ends, is charged in vain, is paid after all, moves to another plan and ends."""
    kinds = ("customer.subscription.created", "invoice.payment_failed", "invoice.paid")
    customer = north.subscription().stripe_customer or ""
    card = north.shop.stripe.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    north.shop.stripe.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": card.id}})
    subscription = north.subscription().stripe_subscription or ""
    north.shop.stripe.v1.subscriptions.update(subscription, {"collection_method": "charge_automatically"})
    north.shop.advance(15)
    good = north.shop.stripe.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    north.shop.stripe.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": good.id}})
    failed = next(each for each in north.shop.invoices(customer) if each.status == "open")
    north.shop.stripe.v1.invoices.pay(failed.id)
    north.shop.stripe.v1.subscriptions.update(subscription, {"cancel_at_period_end": True})
    north.shop.advance(32)
    waiting = north.shop.deliveries()
    last = [
        each for each in waiting if each["type"] in ("customer.subscription.updated", "customer.subscription.deleted")
    ]
    first = [next(each for each in waiting if each["type"] == kind) for kind in kinds]
    return [*first, last[-2], last[-1]]


@pytest.mark.failure_case(10)
@pytest.mark.slow
def test_five_events_in_every_order_end_in_the_same_state(north: Office, on_plan: OnPlan) -> None:
    """Orders that begin alike are followed together: 325 steps for 120 orders."""
    on_plan("standard", trial_days=14)
    north.work()
    events = _five_events(north)
    assert len({each["event"] for each in events}) == 5
    ends: list[tuple[Any, ...]] = []
    _follow(north, north.at_work(), events, ends)
    assert len(ends) == 120
    assert len(set(ends)) == 1
    assert ends[0][0] is SubscriptionState.CANCELLED


def _follow(north: Office, context: JobContext, left: list[dict[str, Any]], ends: list[tuple[Any, ...]]) -> None:
    if not left:
        found = north.subscription()
        invoices = ((each.stripe_id, each.status, each.amount_paid) for each in north.invoices())
        ends.append((found.state, found.state_since, found.cancel_at_period_end, found.period_end, *invoices))
    assert isinstance(north.database.engine, Connection)
    for event in left:
        with north.database.engine.begin_nested() as savepoint:
            assert north.take_webhooks([event], copies=1 + len(left) % 2) == 1
            with north.database.unit(north.agency.id) as session:
                (waiting,) = session.exec(select(StripeEvent.id).where(col(StripeEvent.handled_at).is_(None))).all()
            handle(context, waiting)
            _follow(north, context, [each for each in left if each is not event], ends)
            savepoint.rollback()


def test_one_question_to_stripe_answers_all_events_about_an_object(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.work()
    north.take_webhooks(north.shop.deliveries())
    context = north.at_work()

    def waiting() -> dict[str, set[UUID]]:
        found: dict[str, set[UUID]] = defaultdict(set)
        with north.database.unit(north.agency.id) as session:
            for event in session.exec(select(StripeEvent).where(col(StripeEvent.handled_at).is_(None))):
                found[event.object_id].add(event.id)
        return found

    before = waiting()
    invoice = max(before, key=lambda each: len(before[each]))
    assert len(before[invoice]) > 1
    handle(context, min(before[invoice]))
    assert waiting() == {name: ids for name, ids in before.items() if name != invoice}
    reads = north.account().reads
    for event_id in before[invoice]:
        handle(context, event_id)
    assert north.account().reads == reads


@pytest.mark.failure_case(10)
def test_a_webhook_is_stored_once(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.work()
    waiting = north.shop.deliveries()
    assert north.take_webhooks(waiting, copies=5) == len(waiting)
    with north.database.unit(north.agency.id) as session:
        assert len(session.exec(select(StripeEvent)).all()) == len(waiting)


@pytest.mark.failure_case(11)
def test_bad_webhooks_are_refused_and_leave_nothing(north: Office, on_plan: OnPlan, api: Any) -> None:
    on_plan("standard")
    north.work()
    event = north.shop.deliveries()[0]
    token = event["url"].rpartition("/")[2]
    body, at = event["body"].encode(), int(datetime.now(UTC).timestamp())
    secret = next(iter(north.shop.account.all("webhook_endpoint").values()))["secret"]
    live = body.replace(b'"livemode":false,"object":"event"', b'"livemode":true,"object":"event"')
    live = live if live != body else body.replace(b'"livemode":false', b'"livemode":true')
    attempts = [
        (body, "", token),
        (body, signature(body, "whsec_other", moment=at), token),
        (body + b" ", signature(body, secret, moment=at), token),
        (body, signature(body, secret, moment=at - 301), token),
        (b"\xff", signature(b"\xff", secret, moment=at), token),
        (live, signature(live, secret, moment=at), token),
        (b"{}", signature(b"{}", secret, moment=at), token),
    ]
    for sent, header, of in attempts:
        answer = api.post(f"/webhooks/stripe/{of}", content=sent, headers={"Stripe-Signature": header})
        assert answer.status_code == 400, answer.text
    right = {"Stripe-Signature": signature(body, secret, moment=at)}
    assert api.post("/webhooks/stripe/nobody", content=body, headers=right).status_code == 404
    with north.database.unit(north.agency.id) as session:
        assert session.exec(select(StripeEvent)).all() == []
    assert api.post(f"/webhooks/stripe/{token}", content=body, headers=right).json() == {"new": True}


@pytest.mark.failure_case(10)
def test_an_older_reading_loses(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    with north.database.unit(north.agency.id) as session:
        subscription = session.exec(select(Subscription)).one()
        service = gateway_of(north.settings, north.account())
        assert service is not None
        facts = service.subscription(subscription.stripe_subscription or "")
        stale = facts._replace(state=SubscriptionState.CANCELLED)
        assert not take_over(session, subscription, stale, number=subscription.read)
        assert subscription.state is SubscriptionState.ACTIVE
        assert take_over(session, subscription, stale, number=subscription.read + 1)


def test_connected_agencies_act_for_their_own_account_only(
    north: Office, on_plan: OnPlan, emulator: Running, api: Any
) -> None:
    platform = emulator.world.open_account("Platform")
    platform.key = "sk_test_emulator_platform"
    endpoint = client_of(emulator, platform.key).v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:1/", "enabled_events": ["*"], "connect": True}
    )
    platform.all("webhook_endpoint")[endpoint.id]["secret"] = "whsec_platform"
    answer = api.post("/api/v1/billing/connection", json={"connect": True})
    assert answer.status_code == 201, answer.text
    connected = answer.json()["stripe_account"]
    assert answer.json()["onboarding_url"]
    on_plan("standard")
    north.work()
    inside = client_of(emulator, platform.key, account=connected)
    assert len(inside.v1.subscriptions.list().data) == 1
    assert north.shop.stripe.v1.subscriptions.list().data == []
    shop = Shop(emulator, platform, client_of(emulator, platform.key))
    event = next(each for each in shop.deliveries() if each["type"] == "customer.subscription.created")
    assert event["body"].count(connected)
    headers = {"Stripe-Signature": event["headers"]["Stripe-Signature"]}
    assert api.post("/webhooks/stripe/connect", content=event["body"], headers=headers).json() == {"new": True}
    stranger = event["body"].replace(connected, "acct_stranger").encode()
    headers = {"Stripe-Signature": signature(stranger, "whsec_platform", moment=int(datetime.now(UTC).timestamp()))}
    assert api.post("/webhooks/stripe/connect", content=stranger, headers=headers).json() == {"new": False}
    with pytest.raises(stripe.InvalidRequestError):
        client_of(emulator, platform.key).v1.subscriptions.retrieve(north.subscription().stripe_subscription or "")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", "Pacific/Honolulu"])
def test_periods_begin_on_the_first_wherever_the_agency_is(zone: str) -> None:
    where = ZoneInfo(zone)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for day in range(800):
        at = moment + timedelta(days=day, hours=day % 24)
        anchor = first_anchor(at, where)
        assert anchor.astimezone(where).day == 1
        assert at <= anchor
        assert anchor.timestamp() <= add_months(int(at.timestamp()), 1)


def test_disconnecting_keeps_the_plan(north: Office, on_plan: OnPlan, client_row: Client) -> None:
    on_plan("standard")
    north.settle()
    assert north.http.delete("/api/v1/billing/connection").json()["mode"] == "none"
    north.http.post(f"{PLAN}/pause")
    north.settle()
    assert north.http.get(PLAN).json()["state"] == "paused"
    assert north.http.get(PLAN).json()["in_step_with_stripe"] is True
    assert north.http.post("/api/v1/clients/acme/card-link").status_code == 409
