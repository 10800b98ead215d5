"""New prices or quantities in the middle of a period: credited and charged to the second."""

from tuneloop_local.emulators.stripe.api.invoices import add_item
from tuneloop_local.emulators.stripe.api.terms import months_of, price_of
from tuneloop_local.emulators.stripe.errors import ApiError, not_modelled
from tuneloop_local.emulators.stripe.invoicing import draft, finalize
from tuneloop_local.emulators.stripe.request import StripeRequest
from tuneloop_local.emulators.stripe.store import Object


def change_items(call: StripeRequest, subscription: Object, wanted: list[Object], given: Object) -> None:
    """New prices or quantities; the rest of the period is credited and charged to the second."""
    behaviour = given.get("proration_behavior", "create_prorations")
    at = given.get("proration_date", call.account.now)
    by_id = {item["id"]: item for item in subscription["items"]["data"]}
    for each in wanted:
        item = by_id.get(each.get("id", ""))
        if item is None:
            raise (
                not_modelled("items added to a subscription")
                if "id" not in each
                else ApiError(f"No such subscription item: '{each['id']}'", param="items")
            )
        old, old_quantity = item["price"], item["quantity"]
        new = price_of(call, each) if "price" in each else old
        quantity = each.get("quantity", old_quantity)
        if new["currency"] != old["currency"]:
            raise ApiError("The currency of a subscription can't be changed.", param="items")
        if months_of(new) != months_of(old):
            raise not_modelled("a change of the billing interval")
        if behaviour != "none" and subscription["status"] != "trialing":
            prorate(call, subscription, item, (old, -old_quantity), at)
            prorate(call, subscription, item, (new, quantity), at)
        item["price"], item["quantity"] = new, quantity
    if behaviour == "always_invoice" and subscription["status"] != "trialing":
        customer = call.account.get("customer", subscription["customer"])
        invoice = draft(
            call, customer, currency=subscription["currency"], reason="subscription_update", subscription=subscription
        )
        invoice["auto_advance"] = True
        finalize(call, invoice)


def prorate(call: StripeRequest, subscription: Object, item: Object, part: tuple[Object, int], at: int) -> None:
    price, quantity = part
    start, end = item["current_period_start"], item["current_period_end"]
    if not start <= at <= end:
        raise ApiError("Invalid proration_date: it must be within the current period.", param="proration_date")
    amount = round(price["unit_amount"] * quantity * (end - at) / (end - start))
    name = call.account.get("product", price["product"])["name"]
    what = "Unused" if quantity < 0 else "Remaining"
    add_item(
        call,
        subscription=subscription["id"],
        proration=True,
        customer=subscription["customer"],
        amount=amount,
        currency=price["currency"],
        description=f"{what} time on {name}",
        metadata={},
        discountable=False,
        period={"start": at, "end": end},
    )
