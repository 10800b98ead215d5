"""What a subscription is made of: prices, items, a trial, discounts."""

from typing import Any

from tuneloop_local.emulators.stripe.errors import ApiError, not_modelled
from tuneloop_local.emulators.stripe.invoicing import DAY
from tuneloop_local.emulators.stripe.request import StripeRequest
from tuneloop_local.emulators.stripe.store import Object, new_object_id


def new_item(
    call: StripeRequest, subscription: Object, price: Object, given: Object, period: tuple[int, int]
) -> Object:
    made = call.spec.blank("subscription_item") | {
        "id": new_object_id("si"),
        "created": call.account.now,
        "price": price,
        "subscription": subscription["id"],
        "current_period_start": period[0],
        "current_period_end": period[1],
        "discounts": [],
        "tax_rates": [],
        "metadata": given.get("metadata") or {},
        "quantity": given.get("quantity", 1),
    }
    made.pop("billing_thresholds", None)
    return made


def price_of(call: StripeRequest, given: Object) -> Object:
    if "price" not in given:
        raise not_modelled("subscription items without a price id")
    price = call.account.get("price", given["price"], param="items[0][price]")
    if not price["active"]:
        raise ApiError(
            "The price specified is inactive. This field only accepts active prices.", param="items[0][price]"
        )
    if price["type"] != "recurring":
        raise ApiError(
            "The price specified is set to type=one_time; recurring ones are needed.", param="items[0][price]"
        )
    return price


def months_of(price: Object) -> int:
    recurring = price["recurring"]
    return int(recurring["interval_count"]) * (12 if recurring["interval"] == "year" else 1)


def trial_end_of(given: Object, at: int) -> int | None:
    if "trial_period_days" in given:
        return at + int(given["trial_period_days"]) * DAY if given["trial_period_days"] else None
    end: Any = given.get("trial_end")
    if end is None or end == "now":
        return None
    if not isinstance(end, int):
        end = int(end)
    if end <= at:
        raise ApiError("trial_end must be in the future.", param="trial_end")
    return int(end)


def discounts_of(call: StripeRequest, given: Object, subscription: Object) -> list[str]:
    found = []
    for each in given.get("discounts") or []:
        if set(each) != {"coupon"}:
            raise not_modelled("discounts other than coupons")
        coupon = call.account.get("coupon", each["coupon"], param="discounts[0][coupon]")
        coupon["times_redeemed"] += 1
        source = {"type": "coupon", "coupon": coupon["id"]}
        discount = call.make(
            "discount",
            "di",
            source=source,
            start=call.account.now,
            customer=subscription["customer"],
            subscription=subscription["id"],
        )
        found.append(discount["id"])
    return found


def refuse_tax(given: Object) -> None:
    if (given.pop("automatic_tax", None) or {}).get("enabled"):
        raise not_modelled("tax: it depends on Stripe's own tables of rates")
