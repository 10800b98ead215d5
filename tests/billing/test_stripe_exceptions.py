"""What is deleted, archived or changed by hand at Stripe is said with what to do, and the others go on."""

from typing import Any

import pytest
import stripe
from sqlmodel import select

from tests.billing.conftest import OnPlan
from tests.billing.emulator import Shop
from tests.billing.office import Office
from tuneloop.tables import Client, MonthClose, Subscription, SubscriptionState
from tuneloop_billing.month_end.service import note_close_failed
from tuneloop_billing.payment_provider.protocol import ProviderAway
from tuneloop_billing.reconciliation import reconcile

PLAN = "/api/v1/clients/acme/plan"


def problems(north: Office) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = north.http.get("/api/v1/billing/problems").json()
    return found


def kinds(north: Office) -> list[str]:
    return [each["kind"] for each in problems(north)]


def there(north: Office) -> Any:
    return north.shop.stripe.v1.subscriptions.list({"status": "all"}).data


def test_a_deleted_customer_is_a_stub_whose_subscriptions_have_ended(shop: Shop) -> None:
    customer, price, v1 = shop.customer(), shop.price(), shop.stripe.v1
    made = v1.subscriptions.create({"customer": customer, "items": [{"price": price}]})
    assert v1.customers.delete(customer).to_dict() == {"id": customer, "object": "customer", "deleted": True}
    assert v1.customers.retrieve(customer).to_dict() == {"id": customer, "object": "customer", "deleted": True}
    assert v1.customers.list().data == []
    assert v1.subscriptions.retrieve(made.id).status == "canceled"
    for refused in (
        lambda: v1.customers.update(customer, {"name": "Again"}),
        lambda: v1.subscriptions.create({"customer": customer, "items": [{"price": price}]}),
        lambda: v1.invoices.create({"customer": customer}),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
            refused()
    assert {"customer.deleted", "customer.subscription.deleted"} <= set(shop.kinds())


def test_prices_are_listed_while_they_are_active_and_keep_their_keys(shop: Shop) -> None:
    v1 = shop.stripe.v1
    product = v1.products.create({"name": "Standard"})
    order: Any = {"product": product.id, "currency": "usd", "unit_amount": 5, "lookup_key": "standard"}
    price = v1.prices.create(order)
    v1.prices.update(price.id, {"active": False})
    assert v1.prices.list({"lookup_keys": ["standard"]}).data == []
    assert [each.id for each in v1.prices.list({"lookup_keys": ["standard"], "active": False}).data] == [price.id]
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        v1.prices.create(order)
    with pytest.raises(stripe.InvalidRequestError, match="user-created prices"):
        v1.products.delete(product.id)


def test_an_object_in_use_is_refused_for_a_while(shop: Shop) -> None:
    shop.lever("refusals", {"path": "/v1/customers"})
    with pytest.raises(stripe.RateLimitError) as refused:
        shop.stripe.v1.customers.create({"name": "Acme"})
    assert refused.value.http_status == 429
    body: Any = refused.value.json_body
    assert body["error"]["code"] == "lock_timeout"
    assert shop.stripe.v1.customers.create({"name": "Acme"}).name == "Acme"


def test_a_deleted_customer_becomes_a_problem_and_a_new_plan_a_new_customer(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    old = north.subscription().stripe_customer or ""
    north.shop.stripe.v1.customers.delete(old)
    north.settle()
    assert north.failed() == []
    assert north.subscription().state is SubscriptionState.CANCELLED
    assert set(kinds(north)) == {"customer_gone", "cancelled_at_stripe"}
    assert all("tuneloop plan set acme PLAN" in each["to_do"] for each in problems(north))
    link = north.http.post("/api/v1/clients/acme/card-link")
    assert (link.status_code, link.json()["error"]["code"]) == (502, "gone_at_payment_provider")
    on_plan("standard")
    north.settle()
    found = north.subscription()
    assert found.state is SubscriptionState.ACTIVE
    assert found.stripe_customer not in (None, old)
    assert north.failed() == []
    assert kinds(north) == []
    assert [each.status for each in north.invoices()] == ["open", "open"], "the old customer's invoice is kept"
    assert reconcile(north.at_work()) == []


def test_without_its_webhooks_the_night_finds_a_deleted_customer(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    north.shop.stripe.v1.customers.delete(north.subscription().stripe_customer or "")
    reconcile(north.at_work())
    assert set(kinds(north)) == {"customer_gone", "cancelled_at_stripe"}
    assert north.subscription().state is SubscriptionState.CANCELLED
    (gone,) = [each for each in problems(north) if each["kind"] == "customer_gone"]
    assert north.http.post(f"/api/v1/billing/problems/{gone['id']}/dismiss").json()["settled_by"]
    reconcile(north.at_work())
    assert kinds(north) == ["cancelled_at_stripe"], "what was dismissed isn't raised again"


def test_objects_of_another_account_are_made_anew_when_somebody_asks(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    with north.database.unit(north.agency.id) as session:
        row = session.exec(select(Subscription)).one()
        row.stripe_customer, row.stripe_subscription = "cus_elsewhere", "sub_elsewhere"
        session.add(row)
    reconcile(north.at_work())
    assert set(kinds(north)) == {"customer_gone", "subscription_gone"}
    assert len(there(north)) == 1, "nothing is made without being asked"
    north.http.patch("/api/v1/plans/standard", json={"price": 210_000})
    north.work()
    assert "sub_elsewhere" in north.http.get(PLAN).json()["problem"]
    assert north.http.post(f"{PLAN}/repair").status_code == 200
    north.settle()
    assert len(there(north)) == 2
    assert kinds(north) == []
    assert north.http.get(PLAN).json()["in_step_with_stripe"]


def test_one_client_s_exception_holds_up_nobody(north: Office, agency_of_three: dict[str, Client]) -> None:
    north.settle()
    with north.database.unit(north.agency.id) as session:
        rows = session.exec(select(Subscription).order_by(Subscription.id)).all()  # type: ignore[arg-type]
        lost, others = rows[0].client_id, [each.stripe_subscription for each in rows[1:]]
        rows[0].stripe_customer = rows[0].stripe_subscription = "lost"
        session.add(rows[0])
    for each in others:
        north.shop.stripe.v1.subscriptions.cancel(each or "")
    north.shop.lever("refusals", {"path": f"/v1/subscriptions/{others[0]}", "times": 1})
    with pytest.raises(ProviderAway):
        reconcile(north.at_work())
    reconcile(north.at_work())
    with north.database.unit(north.agency.id) as session:
        states = {each.client_id: each.state for each in session.exec(select(Subscription))}
    assert states.pop(lost) is not SubscriptionState.CANCELLED
    assert set(states.values()) == {SubscriptionState.CANCELLED}
    assert "subscription_gone" in kinds(north)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"cancel_at_period_end": True}, "cancelled_at_stripe"),
        ({"pause_collection": {"behavior": "void"}}, "paused_at_stripe"),
        ("quantity", "changed_at_stripe"),
        ("price", "changed_at_stripe"),
    ],
)
def test_what_is_changed_by_hand_is_said_and_can_be_set_back(
    north: Office, on_plan: OnPlan, change: Any, kind: str
) -> None:
    on_plan("standard")
    north.settle()
    (subscription,) = there(north)
    item = subscription["items"].data[0]
    if change == "quantity":
        change = {"items": [{"id": item.id, "quantity": 3}]}
    elif change == "price":
        change = {"items": [{"id": item.id, "price": north.shop.price(9_900, name="Friends")}]}
    north.shop.stripe.v1.subscriptions.update(subscription.id, change)
    north.settle()
    (problem,) = problems(north)
    assert problem["kind"] == kind
    assert "Acme" in problem["summary"]
    page = north.http.get("/clients/acme/billing")
    assert problem["summary"].split(":")[0].replace("'", "&#39;") in page.text
    undo = "repair" if kind == "changed_at_stripe" else "resume"
    assert north.http.post(f"{PLAN}/{undo}").status_code == 200
    north.settle()
    assert kinds(north) == []
    (after,) = there(north)
    item = after["items"].data[0]
    assert (item.price.unit_amount, item.quantity) == (200_000, 1)
    assert not after.cancel_at_period_end
    assert after.pause_collection is None


def test_what_was_ended_by_hand_is_not_begun_again_unasked(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    north.shop.stripe.v1.subscriptions.cancel(there(north)[0].id)
    north.http.patch("/api/v1/plans/standard", json={"price": 210_000})
    north.work()
    assert [each.status for each in there(north)] == ["canceled"]
    assert north.subscription().state is SubscriptionState.CANCELLED


def test_a_client_that_comes_back_before_it_was_ended_is_billed_once(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    north.http.post(f"{PLAN}/cancel", json={"at_once": True, "confirmed": True})
    on_plan("premium")
    north.settle()
    assert [each.status for each in there(north) if each.status != "canceled"] == ["active"]


def test_archived_prices_and_products_of_plans_are_mended_and_said(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    (price,) = north.shop.stripe.v1.prices.list().data
    north.shop.stripe.v1.prices.update(price.id, {"active": False})
    north.shop.stripe.v1.products.update(str(price.product), {"active": False})
    said = {each.summary for each in reconcile(north.at_work())}
    assert said == {
        "Plan Standard retrain: its product was archived, and is active again",
        "Plan Standard retrain: its price was archived, and is active again",
    }
    assert north.shop.stripe.v1.prices.retrieve(price.id).active
    north.shop.stripe.v1.prices.update(price.id, {"lookup_key": "mine"})
    taken = north.shop.stripe.v1.prices.create(
        {"product": str(price.product), "currency": "usd", "unit_amount": 1, "lookup_key": price.lookup_key or ""}
    )
    reconcile(north.at_work())
    assert north.shop.stripe.v1.prices.retrieve(taken.id).lookup_key is None
    assert reconcile(north.at_work()) == []


def test_the_webhook_endpoint_is_looked_after(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    (endpoint,) = north.shop.stripe.v1.webhook_endpoints.list().data
    north.shop.stripe.v1.webhook_endpoints.update(endpoint.id, {"disabled": True, "enabled_events": ["invoice.paid"]})
    assert [each.summary for each in reconcile(north.at_work())] == [
        "The webhook endpoint was disabled at Stripe, and is enabled again"
    ]
    north.shop.stripe.v1.webhook_endpoints.delete(endpoint.id)
    assert len(reconcile(north.at_work())) == 1
    assert reconcile(north.at_work()) == []
    north.shop.stripe.v1.subscriptions.update(there(north)[0].id, {"cancel_at_period_end": True})
    north.settle()
    assert kinds(north) == ["cancelled_at_stripe"], "the new endpoint's secret is known"


def test_a_draft_that_was_deleted_is_said_once(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    v1, customer = north.shop.stripe.v1, north.subscription().stripe_customer or ""
    mark = {"tuneloop_client": str(north.subscription().client_id)}
    draft = v1.invoices.create({"customer": customer, "metadata": mark})
    north.settle()
    v1.invoices.delete(draft.id)
    assert [each.summary for each in reconcile(north.at_work())] == ["Acme: an invoice is no longer at Stripe"]
    assert reconcile(north.at_work()) == []


def test_a_month_that_cannot_be_invoiced_is_said_until_it_is(
    north: Office, on_plan: OnPlan, client_row: Client
) -> None:
    on_plan("standard")
    with north.database.unit(north.agency.id) as session:
        close = MonthClose(client_id=client_row.id, month="2026-01")
        session.add(close)
        session.flush()
        note_close_failed(session, close.id, "Stripe refused: no")
    (problem,) = problems(north)
    assert (problem["kind"], "tuneloop billing close acme 2026-01" in problem["to_do"]) == ("not_invoiced", True)
    assert "Stripe refused: no" in north.http.get("/billing").text
    assert "Stripe refused: no" in north.http.get("/").text
