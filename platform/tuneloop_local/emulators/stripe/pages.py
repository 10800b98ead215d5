"""The pages that customers click through, and one that shows an account and moves its clock."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from tuneloop.clients.money import Money
from tuneloop.kit.security_headers import style_source
from tuneloop_local.emulators.stripe.api.sessions import complete
from tuneloop_local.emulators.stripe.cards import NUMBERS, attach_card
from tuneloop_local.emulators.stripe.clock import advance
from tuneloop_local.emulators.stripe.delivery import pending
from tuneloop_local.emulators.stripe.errors import ApiError, missing
from tuneloop_local.emulators.stripe.invoicing import pay
from tuneloop_local.emulators.stripe.request import StripeRequest
from tuneloop_local.emulators.stripe.store import Account, Object, World

Http = Request[Any, Any, State]
Page = Response[str] | Redirect

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


def _moment(moment: int | None, form: str) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(form) if moment else ""


_ENVIRONMENT.filters["money"] = lambda amount, currency: str(Money(amount or 0, currency or "usd"))
_ENVIRONMENT.filters["when"] = lambda moment: _moment(moment, "%d %b %Y %H:%M UTC")
_ENVIRONMENT.filters["day"] = lambda moment: _moment(moment, "%d %b %Y")
_POLICY = "default-src 'none'; form-action *; frame-ancestors 'none'; base-uri 'none'"


def _page(template: str, *, status: int = 200, **context: Any) -> Response[str]:
    text = _ENVIRONMENT.get_template(template).render(cards=NUMBERS, **context)
    policy = {"Content-Security-Policy": f"{_POLICY}; style-src {style_source(text)}"}
    return Response(text, media_type=MediaType.HTML, status_code=status, headers=policy)


def _call(request: Http, account_id: str) -> StripeRequest:
    world: World = request.app.state.world
    if account_id not in world.accounts:
        raise missing("account", account_id)
    return StripeRequest(
        world, world.accounts[account_id], request.app.state.spec, str(request.base_url).rstrip("/"), {}, {}
    )


async def _form(request: Http) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode()))


def _card(form: dict[str, str]) -> str:
    number = form.get("number", "").replace(" ", "")
    if number not in NUMBERS:
        raise ApiError("That is not one of the emulator's test cards; choose one from the list.", param="number")
    return NUMBERS[number]


@get("/checkout/{account_id:str}/{session_id:str}")
async def checkout(request: Http, account_id: FromPath[str], session_id: FromPath[str]) -> Response[str]:
    account = _call(request, account_id).account
    session = account.get("checkout.session", session_id)
    return _page("checkout.html", account=account, session=session, problem="", customer=_payer(account, session))


@post("/checkout/{account_id:str}/{session_id:str}", status_code=200)
async def submit_checkout(request: Http, account_id: FromPath[str], session_id: FromPath[str]) -> Page:
    call, form = _call(request, account_id), await _form(request)
    session = call.account.get("checkout.session", session_id)
    try:
        with call.world.lock:
            complete(call, session, _card(form))
            call.world.save()
    except ApiError as error:
        return _page(
            "checkout.html",
            status=402,
            account=call.account,
            session=session,
            problem=error.message,
            customer=_payer(call.account, session),
        )
    return Redirect(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]), status_code=303)


@get("/pay/{account_id:str}/{invoice_id:str}")
async def pay_page(request: Http, account_id: FromPath[str], invoice_id: FromPath[str]) -> Response[str]:
    account = _call(request, account_id).account
    invoice = account.get("invoice", invoice_id)
    return _page("invoice.html", account=account, invoice=invoice, problem="", customer=_payer(account, invoice))


@post("/pay/{account_id:str}/{invoice_id:str}", status_code=200)
async def submit_payment(request: Http, account_id: FromPath[str], invoice_id: FromPath[str]) -> Page:
    """Pay an open invoice by card; the card is kept for the next ones."""
    call, form = _call(request, account_id), await _form(request)
    invoice = call.account.get("invoice", invoice_id)
    customer = call.account.get("customer", invoice["customer"])
    try:
        with call.world.lock:
            card = attach_card(call, _card(form), customer)
            customer["invoice_settings"]["default_payment_method"] = card["id"]
            call.tell("customer.updated", customer)
            pay(call, invoice, on_session=True)
            call.world.save()
    except ApiError as error:
        return _page(
            "invoice.html",
            status=402,
            account=call.account,
            invoice=invoice,
            problem=error.message,
            customer=_payer(call.account, invoice),
        )
    return Redirect(f"/pay/{account_id}/{invoice_id}", status_code=303)


@get("/portal/{account_id:str}/{session_id:str}")
async def portal(request: Http, account_id: FromPath[str], session_id: FromPath[str]) -> Response[str]:
    return _portal(_call(request, account_id).account, session_id)


def _portal(account: Account, session_id: str, *, problem: str = "", status: int = 200) -> Response[str]:
    session = account.get("billing_portal.session", session_id)
    customer = account.get("customer", session["customer"])

    def of(kind: str) -> list[Object]:
        return [each for each in account.newest(kind) if each["customer"] == customer["id"]]

    return _page(
        "portal.html",
        status=status,
        account=account,
        session=session,
        customer=customer,
        subscriptions=of("subscription"),
        invoices=[each for each in of("invoice") if each["status"] != "draft"],
        payment_methods=of("payment_method"),
        problem=problem,
        product_of=lambda price: account.get("product", price["product"])["name"],
    )


@post("/portal/{account_id:str}/{session_id:str}", status_code=200)
async def act_in_portal(request: Http, account_id: FromPath[str], session_id: FromPath[str]) -> Page:
    """Add a card, or cancel or keep the subscription."""
    call, form = _call(request, account_id), await _form(request)
    session = call.account.get("billing_portal.session", session_id)
    customer = call.account.get("customer", session["customer"])
    try:
        with call.world.lock:
            if form.get("do") == "card":
                card = attach_card(call, _card(form), customer)
                customer["invoice_settings"]["default_payment_method"] = card["id"]
                call.tell("customer.updated", customer)
            else:
                _set_ending(call, form["subscription"], ends=form.get("do") == "cancel")
            call.world.save()
    except ApiError as error:
        return _portal(call.account, session_id, problem=error.message, status=402)
    return Redirect(f"/portal/{account_id}/{session_id}", status_code=303)


def _set_ending(call: StripeRequest, subscription_id: str, *, ends: bool) -> None:
    subscription = call.account.get("subscription", subscription_id)
    subscription["cancel_at_period_end"] = ends
    subscription["canceled_at"] = call.account.now if ends else None
    subscription["cancel_at"] = subscription["items"]["data"][0]["current_period_end"] if ends else None
    call.tell("customer.subscription.updated", subscription, {"cancel_at_period_end": not ends})


@get("/")
async def home(request: Http) -> Response[str]:
    world: World = request.app.state.world
    return _page("home.html", accounts=list(world.accounts.values()))


@get("/accounts/{account_id:str}")
async def show_account(request: Http, account_id: FromPath[str]) -> Response[str]:
    account = _call(request, account_id).account
    customers = {each["id"]: each["name"] or each["email"] for each in account.newest("customer")}
    return _page(
        "account.html",
        account=account,
        customers=customers,
        subscriptions=list(account.newest("subscription")),
        invoices=list(account.newest("invoice"))[:30],
        events=list(account.newest("event"))[:30],
        waiting=pending(account),
    )


@post("/accounts/{account_id:str}/clock", status_code=200)
async def move_clock(request: Http, account_id: FromPath[str]) -> Page:
    call, form = _call(request, account_id), await _form(request)
    seconds = int(form.get("days", "1")) * 86_400
    with call.world.lock:
        advance(call, call.account.now + seconds)
        call.account.ahead += seconds
        call.world.save()
    return Redirect(f"/accounts/{account_id}", status_code=303)


def _payer(account: Account, subject: Object) -> Object:
    return account.get("customer", subject["customer"])


PAGES: Sequence[ControllerRouterHandler] = (
    home,
    show_account,
    move_clock,
    checkout,
    submit_checkout,
    pay_page,
    submit_payment,
    portal,
    act_in_portal,
)
