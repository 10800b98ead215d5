"""Checkout and customer portal: links to pages that a customer clicks through."""

from tuneloop_local.emulators.stripe.api.catalog import PAGE
from tuneloop_local.emulators.stripe.api.subscriptions import create_subscription
from tuneloop_local.emulators.stripe.cards import attach_card
from tuneloop_local.emulators.stripe.errors import ApiError, not_modelled
from tuneloop_local.emulators.stripe.invoicing import DAY
from tuneloop_local.emulators.stripe.request import StripeRequest, listing, route
from tuneloop_local.emulators.stripe.store import Object, new_object_id


@route(
    "POST",
    "/v1/checkout/sessions",
    "mode",
    "customer",
    "success_url",
    "cancel_url",
    "client_reference_id",
    "metadata",
    "currency",
    "line_items",
    "subscription_data.metadata",
    "subscription_data.trial_period_days",
)
def create_session(call: StripeRequest) -> Object:
    given = dict(call.params)
    mode = given.get("mode")
    if mode not in ("setup", "subscription"):
        raise not_modelled(f"checkout in the mode {mode}")
    if "customer" not in given or "success_url" not in given:
        raise not_modelled("checkout without a customer or a success_url")
    customer = call.named("customer")
    lines = given.pop("line_items", None)
    if (mode == "subscription") != bool(lines):
        raise ApiError("line_items go with the mode subscription.", param="line_items")
    total = None
    for line in lines or ():
        if set(line) - {"price", "quantity"}:
            raise not_modelled("line items other than price and quantity")
        price = call.account.get("price", line["price"], param="line_items[0][price]")
        total = (total or 0) + price["unit_amount"] * line.get("quantity", 1)
    data = given.pop("subscription_data", {})
    session = call.make(
        "checkout.session",
        "cs_test",
        **given,
        status="open",
        payment_status="no_payment_required" if mode == "setup" else "unpaid",
        payment_method_types=["card"],
        expires_at=call.account.now + DAY,
        automatic_tax={"enabled": False, "liability": None, "status": None, "provider": None},
        amount_total=total,
        amount_subtotal=total,
        ui_mode="hosted_page",
        custom_text={"after_submit": None, "shipping_address": None, "submit": None}
        | {"terms_of_service_acceptance": None},
    )
    session["currency"] = given.get("currency") or customer["currency"]
    session["url"] = f"{call.base_url}/checkout/{call.account.id}/{session['id']}"
    call.account.all("_checkout")[session["id"]] = {"id": session["id"], "lines": lines, "data": data}
    return session


@route("GET", "/v1/checkout/sessions/{session}")
def read_session(call: StripeRequest) -> Object:
    return call.account.get("checkout.session", call.ids["session"])


@route("GET", "/v1/checkout/sessions", *PAGE, "customer")
def list_sessions(call: StripeRequest) -> Object:
    customer = call.params.get("customer")
    found = (each for each in call.account.newest("checkout.session") if customer in (None, each["customer"]))
    return listing(found, "/v1/checkout/sessions", call.params)


@route("POST", "/v1/checkout/sessions/{session}/expire")
def expire_session(call: StripeRequest) -> Object:
    session = call.account.get("checkout.session", call.ids["session"])
    if session["status"] != "open":
        raise ApiError(f"This session is {session['status']}; only open ones can be expired.")
    session["status"], session["url"] = "expired", None
    call.tell("checkout.session.expired", session)
    return session


@route("GET", "/v1/setup_intents/{intent}")
def read_setup_intent(call: StripeRequest) -> Object:
    return call.account.get("setup_intent", call.ids["intent"])


def complete(call: StripeRequest, session: Object, card_name: str) -> Object:
    """What happens when the customer has filled in the page. Raises the card's error."""
    if session["status"] != "open":
        raise ApiError(f"This session is {session['status']}.")
    customer = call.account.get("customer", session["customer"])
    card = attach_card(call, card_name, customer)
    kept = call.account.get("_checkout", session["id"])
    if session["mode"] == "setup":
        intent = call.make(
            "setup_intent",
            "seti",
            customer=customer["id"],
            payment_method=card["id"],
            payment_method_types=["card"],
            status="succeeded",
            usage="off_session",
            client_secret=new_object_id("seti_secret"),
        )
        session["setup_intent"] = intent["id"]
        call.tell("setup_intent.succeeded", intent)
    else:
        params = {"customer": customer["id"], "items": kept["lines"], "default_payment_method": card["id"]}
        made = create_subscription(
            StripeRequest(
                call.world, call.account, call.spec, call.base_url, {}, params | kept["data"], call.request_key
            )
        )
        session |= {"subscription": made["id"], "invoice": made["latest_invoice"], "payment_status": "paid"}
    session["status"], session["url"] = "complete", None
    call.tell("checkout.session.completed", session)
    return session


@route("POST", "/v1/billing_portal/sessions", "customer", "return_url")
def create_portal_session(call: StripeRequest) -> Object:
    customer = call.named("customer")
    session = call.make(
        "billing_portal.session",
        "bps",
        customer=customer["id"],
        return_url=call.params.get("return_url"),
        configuration="bpc_default",
        url="",
    )
    session["url"] = f"{call.base_url}/portal/{call.account.id}/{session['id']}"
    return session
