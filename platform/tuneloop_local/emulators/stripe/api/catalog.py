"""Products, prices, coupons."""

from decimal import Decimal

from tuneloop_local.emulators.stripe.errors import ApiError, not_modelled
from tuneloop_local.emulators.stripe.request import StripeRequest, listing, merged, route
from tuneloop_local.emulators.stripe.store import Object

PAGE = ("limit", "starting_after")


@route("POST", "/v1/products", "id", "name", "description", "metadata", "active")
def create_product(call: StripeRequest) -> Object:
    given = call.params
    if given.get("id") in call.account.all("product"):
        raise ApiError("Product already exists.", code="resource_already_exists", param="id")
    values = {"active": True, "images": [], "marketing_features": [], "updated": call.account.now} | given
    product = call.make("product", "prod", **values)
    call.tell("product.created", product)
    return product


@route("POST", "/v1/products/{id}", "name", "description", "metadata", "active")
def update_product(call: StripeRequest) -> Object:
    product = call.account.get("product", call.ids["id"])
    return _update(call, "product", product, updated=call.account.now)


@route("GET", "/v1/products/{id}")
def read_product(call: StripeRequest) -> Object:
    return call.account.get("product", call.ids["id"])


@route("DELETE", "/v1/products/{id}")
def delete_product(call: StripeRequest) -> Object:
    product = call.account.get("product", call.ids["id"])
    if any(price["product"] == product["id"] for price in call.account.all("price").values()):
        raise ApiError("This product cannot be deleted because it has one or more user-created prices.")
    del call.account.all("product")[product["id"]]
    call.tell("product.deleted", product)
    return {"id": product["id"], "object": "product", "deleted": True}


@route("GET", "/v1/products", *PAGE, "active")
def list_products(call: StripeRequest) -> Object:
    active = call.params.get("active")
    found = (each for each in call.account.newest("product") if active in (None, each["active"]))
    return listing(found, "/v1/products", call.params)


@route(
    "POST",
    "/v1/prices",
    "currency",
    "unit_amount",
    "unit_amount_decimal",
    "product",
    "nickname",
    "metadata",
    "lookup_key",
    "transfer_lookup_key",
    "tax_behavior",
    "active",
    "recurring.interval",
    "recurring.interval_count",
    "recurring.usage_type",
)
def create_price(call: StripeRequest) -> Object:
    given = dict(call.params)
    if "product" not in given:
        raise ApiError("You must specify product.", param="product")
    call.account.get("product", given["product"], param="product")
    decimal = given.pop("unit_amount_decimal", None)
    if ("unit_amount" in given) == (decimal is not None):
        raise ApiError("You must specify one of unit_amount or unit_amount_decimal.", param="unit_amount")
    if given.pop("transfer_lookup_key", False):
        for other in call.account.all("price").values():
            if other["lookup_key"] == given.get("lookup_key"):
                other["lookup_key"] = None
    elif (key := given.get("lookup_key")) and (taken := _with_key(call, key)):
        raise ApiError(f"A price (`{taken}`) already uses that lookup key.", param="lookup_key")
    amount = Decimal(decimal) if decimal is not None else Decimal(given.pop("unit_amount"))
    recurring = given.pop("recurring", None)
    price = call.make(
        "price",
        "price",
        **({"active": True, "tax_behavior": "unspecified"} | given),
        billing_scheme="per_unit",
        type="recurring" if recurring else "one_time",
        unit_amount=int(amount) if amount == int(amount) else None,
        unit_amount_decimal=f"{amount.normalize():f}",
        recurring=_recurring(call, recurring) if recurring else None,
    )
    call.tell("price.created", price)
    return price


def _with_key(call: StripeRequest, key: str) -> str | None:
    """An archived price keeps its lookup key."""
    return next((each["id"] for each in call.account.newest("price") if each["lookup_key"] == key), None)


def _recurring(call: StripeRequest, given: Object) -> Object:
    if given["interval"] not in ("month", "year"):
        raise not_modelled(f"prices a {given['interval']}")
    if given.get("usage_type", "licensed") != "licensed":
        raise not_modelled("metered prices")
    return call.spec.blank("recurring") | {"interval_count": 1, "usage_type": "licensed"} | given


@route("POST", "/v1/prices/{price}", "active", "nickname", "metadata", "lookup_key")
def update_price(call: StripeRequest) -> Object:
    return _update(call, "price", call.account.get("price", call.ids["price"]))


@route("GET", "/v1/prices/{price}")
def read_price(call: StripeRequest) -> Object:
    return call.account.get("price", call.ids["price"])


@route("GET", "/v1/prices", *PAGE, "product", "active", "lookup_keys")
def list_prices(call: StripeRequest) -> Object:
    """Active ones; archived ones only where `active` is false."""
    product, keys, active = (call.params.get(name) for name in ("product", "lookup_keys", "active"))
    found = (
        each
        for each in call.account.newest("price")
        if product in (None, each["product"]) and each["active"] == (active is not False)
    )
    return listing((each for each in found if keys is None or each["lookup_key"] in keys), "/v1/prices", call.params)


@route(
    "POST",
    "/v1/coupons",
    "id",
    "name",
    "percent_off",
    "amount_off",
    "currency",
    "duration",
    "duration_in_months",
    "metadata",
    "max_redemptions",
)
def create_coupon(call: StripeRequest) -> Object:
    given = {"duration": "once"} | call.params
    if ("percent_off" in given) == ("amount_off" in given):
        raise ApiError("You must specify one of percent_off or amount_off.")
    if "amount_off" in given and "currency" not in given:
        raise ApiError("You must pass currency when passing amount_off.", param="currency")
    if (given["duration"] == "repeating") != ("duration_in_months" in given):
        raise ApiError("duration_in_months goes with a repeating duration.", param="duration_in_months")
    if given.get("id") in call.account.all("coupon"):
        raise ApiError("Coupon already exists.", code="resource_already_exists", param="id")
    coupon = call.make("coupon", "cpn", **({"valid": True} | given))
    call.tell("coupon.created", coupon)
    return coupon


@route("GET", "/v1/coupons/{coupon}")
def read_coupon(call: StripeRequest) -> Object:
    return call.account.get("coupon", call.ids["coupon"])


@route("GET", "/v1/coupons", *PAGE)
def list_coupons(call: StripeRequest) -> Object:
    return listing(call.account.newest("coupon"), "/v1/coupons", call.params)


@route("DELETE", "/v1/coupons/{coupon}")
def delete_coupon(call: StripeRequest) -> Object:
    coupon = call.account.get("coupon", call.ids["coupon"])
    del call.account.all("coupon")[coupon["id"]]
    call.tell("coupon.deleted", coupon)
    return {"id": coupon["id"], "object": "coupon", "deleted": True}


def _update(call: StripeRequest, kind: str, subject: Object, **also: object) -> Object:
    changed = dict(call.params)
    if "metadata" in changed:
        changed["metadata"] = merged(subject["metadata"], changed["metadata"])
    previous = {name: subject[name] for name, value in changed.items() if subject.get(name) != value}
    subject |= changed | also
    if previous:
        call.tell(f"{kind}.updated", subject, previous)
    return subject
