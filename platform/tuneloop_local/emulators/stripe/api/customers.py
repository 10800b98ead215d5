"""Customers and their cards."""

from tuneloop_local.emulators.stripe.api.catalog import PAGE
from tuneloop_local.emulators.stripe.api.subscriptions import end_subscription
from tuneloop_local.emulators.stripe.cards import attach_card
from tuneloop_local.emulators.stripe.errors import ApiError
from tuneloop_local.emulators.stripe.request import StripeRequest, listing, merged, route
from tuneloop_local.emulators.stripe.store import Object, new_object_id

_CHANGEABLE = ("name", "email", "description", "phone", "address", "metadata", "preferred_locales", "tax_exempt")
_SETTINGS = ("invoice_settings.default_payment_method", "invoice_settings.footer")


@route("POST", "/v1/customers", *_CHANGEABLE, *_SETTINGS)
def create_customer(call: StripeRequest) -> Object:
    given = dict(call.params)
    settings = call.spec.blank("invoice_setting_customer_setting") | given.pop("invoice_settings", {})
    customer = call.make(
        "customer",
        "cus",
        **({"tax_exempt": "none", "preferred_locales": []} | given),
        invoice_settings=settings,
        balance=0,
        delinquent=False,
        next_invoice_sequence=1,
        invoice_prefix=new_object_id("x")[2:10].upper(),
    )
    customer["address"] = _address(call, given.get("address"))
    call.tell("customer.created", customer)
    return customer


def _address(call: StripeRequest, given: Object | None) -> Object | None:
    return call.spec.blank("address") | given if given else None


@route("POST", "/v1/customers/{customer}", *_CHANGEABLE, *_SETTINGS)
def update_customer(call: StripeRequest) -> Object:
    customer = call.account.get("customer", call.ids["customer"])
    changed = dict(call.params)
    if "metadata" in changed:
        changed["metadata"] = merged(customer["metadata"], changed["metadata"])
    if "address" in changed:
        changed["address"] = _address(call, changed["address"])
    if "invoice_settings" in changed:
        card = changed["invoice_settings"].get("default_payment_method")
        if card and call.account.get("payment_method", card)["customer"] != customer["id"]:
            raise ApiError(
                "The customer does not have this payment method.", param="invoice_settings[default_payment_method]"
            )
        changed["invoice_settings"] = customer["invoice_settings"] | changed["invoice_settings"]
    previous = {name: customer[name] for name, value in changed.items() if customer.get(name) != value}
    customer |= changed
    if previous:
        call.tell("customer.updated", customer, previous)
    return customer


@route("GET", "/v1/customers/{customer}")
def read_customer(call: StripeRequest) -> Object:
    """A deleted customer is still answered, as a stub."""
    deleted = call.account.all("_deleted_customer").get(call.ids["customer"])
    return deleted or call.account.get("customer", call.ids["customer"])


@route("DELETE", "/v1/customers/{customer}")
def delete_customer(call: StripeRequest) -> Object:
    """Ends its subscriptions at once, and the collection of what is open; cards are forgotten."""
    account, customer = call.account, call.account.get("customer", call.ids["customer"])
    for subscription in account.all("subscription").values():
        if subscription["customer"] == customer["id"] and subscription["status"] != "canceled":
            end_subscription(call, subscription)
    for invoice in account.all("invoice").values():
        if invoice["customer"] == customer["id"] and invoice["status"] in ("draft", "open"):
            invoice |= {"auto_advance": False, "next_payment_attempt": None, "automatically_finalizes_at": None}
    for card in account.all("payment_method").values():
        if card["customer"] == customer["id"]:
            card["customer"] = None
    stub = {"id": customer["id"], "object": "customer", "deleted": True}
    account.all("_deleted_customer")[customer["id"]] = stub
    del account.all("customer")[customer["id"]]
    call.tell("customer.deleted", customer)
    return stub


@route("GET", "/v1/customers", *PAGE, "email")
def list_customers(call: StripeRequest) -> Object:
    email = call.params.get("email")
    found = (each for each in call.account.newest("customer") if email in (None, each["email"]))
    return listing(found, "/v1/customers", call.params)


@route("POST", "/v1/payment_methods/{payment_method}/attach", "customer")
def attach(call: StripeRequest) -> Object:
    customer = call.named("customer")
    return attach_card(call, call.ids["payment_method"], customer)


@route("POST", "/v1/payment_methods/{payment_method}/detach")
def detach(call: StripeRequest) -> Object:
    card = call.account.get("payment_method", call.ids["payment_method"])
    customer = call.account.get("customer", card["customer"])
    if customer["invoice_settings"]["default_payment_method"] == card["id"]:
        customer["invoice_settings"]["default_payment_method"] = None
    card["customer"] = None
    call.tell("payment_method.detached", card)
    return card


@route("GET", "/v1/payment_methods/{payment_method}")
def read_payment_method(call: StripeRequest) -> Object:
    return call.account.get("payment_method", call.ids["payment_method"])


@route("GET", "/v1/payment_methods", *PAGE, "customer", "type")
def list_payment_methods(call: StripeRequest) -> Object:
    customer = call.params.get("customer")
    found = (each for each in call.account.newest("payment_method") if customer in (None, each["customer"]))
    return listing(found, "/v1/payment_methods", call.params)
