"""Stripe's test cards: good ones, and those that decline."""

from tuneloop_local.emulators.stripe.errors import ApiError, declined
from tuneloop_local.emulators.stripe.request import StripeRequest
from tuneloop_local.emulators.stripe.store import Account, Object

# https://docs.stripe.com/testing: what each test card does when it is attached, and when it is charged.
CARDS = {
    "pm_card_visa": ("visa", "4242", None, None),
    "pm_card_mastercard": ("mastercard", "4444", None, None),
    "pm_card_amex": ("amex", "8431", None, None),
    "pm_card_chargeDeclined": ("visa", "0002", "generic_decline", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": ("visa", "9995", "insufficient_funds", "insufficient_funds"),
    "pm_card_chargeCustomerFail": ("visa", "0341", None, "generic_decline"),
    "pm_card_authenticationRequired": ("visa", "3184", None, "authentication_required"),
    "pm_card_createDispute": ("visa", "0259", None, None),
}
DISPUTED = "0259"
"""Charges of this card succeed, and are disputed at once as fraudulent."""
NUMBERS = {"4242424242424242": "pm_card_visa", "5555555555554444": "pm_card_mastercard"} | {
    "4000000000000002": "pm_card_chargeDeclined",
    "4000000000009995": "pm_card_visa_chargeDeclinedInsufficientFunds",
    "4000000000000341": "pm_card_chargeCustomerFail",
    "4000002760003184": "pm_card_authenticationRequired",
    "4000000000000259": "pm_card_createDispute",
}


def attach_card(call: StripeRequest, name: str, customer: Object) -> Object:
    """A test card by its name becomes a payment method of the customer. Raises the card's error, if it has one."""
    if name not in CARDS:
        card = call.account.get("payment_method", name, param="payment_method")
        if card["customer"] not in (None, customer["id"]):
            raise ApiError("The payment method you provided has already been attached to a customer.")
        card["customer"] = customer["id"]
        return card
    brand, last4, at_attach, _ = CARDS[name]
    if at_attach:
        raise declined(at_attach)
    details = call.spec.blank("payment_method_card")
    details |= {"brand": brand, "last4": last4, "exp_month": 12, "exp_year": 2040, "funding": "credit", "country": "US"}
    card = call.make(
        "payment_method",
        "pm",
        type="card",
        card=details,
        customer=customer["id"],
        billing_details=call.spec.blank("billing_details"),
    )
    call.tell("payment_method.attached", card)
    return card


def default_card(account: Account, customer_id: str, subscription: Object | None = None) -> Object | None:
    own = subscription["default_payment_method"] if subscription else None
    chosen = own or account.get("customer", customer_id)["invoice_settings"]["default_payment_method"]
    return account.get("payment_method", chosen) if chosen else None


def charge(account: Account, customer_id: str, subscription: Object | None = None) -> str | None:
    """Why the customer's card can't be charged; None when it can."""
    card = default_card(account, customer_id, subscription)
    if card is None:
        return "no_card"
    return next((refusal for _, last4, _, refusal in CARDS.values() if last4 == card["card"]["last4"]), None)


def declined_message(decline_code: str) -> str:
    if decline_code == "insufficient_funds":
        return "Your card has insufficient funds."
    return "Your card was declined."
