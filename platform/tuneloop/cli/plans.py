"""`tuneloop plan`: what the agency sells, and which plan a client is on."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Group

from tuneloop.cli.arguments import Client, given, pairs
from tuneloop.cli.billing import money
from tuneloop.cli.failure import Failure
from tuneloop.cli.render import Facts, Rows, moment, right, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.clients.entitlements import Entitlements
from tuneloop.clients.money import parse
from tuneloop.kit.api_client import ApiError
from tuneloop.tables import Feature, Plan
from tuneloop_billing.plans.schemas import PlanRead
from tuneloop_billing.subscriptions.schemas import AllowanceRead, DunningRead, ExtraRead, SubscriptionRead

app = typer.Typer()

T = TypeVar("T")
NEEDED = "confirmation_needed"
Yes = Annotated[bool, typer.Option("--yes", help="Agree to what it costs or ends without being asked.")]

Slug = Annotated[str, typer.Argument(metavar="PLAN", help="Short name, such as gold.")]
Offer = Annotated[str, typer.Argument(metavar="OFFER", help="Its id.")]
Name = Annotated[str | None, typer.Option(help="As it is written on invoices.")]
Price = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Per month, such as 1500.00.")]
Includes = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="What is included per month, such as retrains=2. May be repeated."),
]
Extra = Annotated[
    list[str] | None,
    typer.Option(metavar="FEATURE=AMOUNT", help="Price of one beyond the plan, such as retrain=700. May be repeated."),
]


@command(app, "list")
def index(terminal: Terminal) -> None:
    """What your agency sells."""
    terminal.show(terminal.api.get("/plans", list[PlanRead]), PLANS)


@command(app, "add")
def add(
    terminal: Terminal,
    slug: Slug,
    tier: Annotated[Plan, typer.Option(help="The template to start from.")],
    name: Name = None,
    price: Price = None,
    currency: Annotated[str | None, typer.Option(help="Three letters, such as eur.")] = None,
    include: Includes = None,
    extra: Extra = None,
) -> None:
    """Add a plan. What you leave out comes from the template of its tier."""
    used = (currency or "usd").lower()
    body = given(
        slug=slug,
        tier=tier,
        name=name,
        currency=currency and used,
        price=parse(price, used).amount if price else None,
        entitlements=pairs(include) or None,
        extras=_prices(extra, used) or None,
    )
    terminal.show(terminal.api.post("/plans", PlanRead, body), render_plan)


@command(app, "change")
def change(
    terminal: Terminal,
    slug: Slug,
    name: Name = None,
    price: Price = None,
    include: Includes = None,
    extra: Extra = None,
) -> None:
    """Change a plan: what it includes at once, its price from each client's next invoice on."""
    known = next((each for each in terminal.api.get("/plans", list[PlanRead]).value if each.slug == slug), None)
    currency = known.currency if known else "usd"
    entitlements: dict[str, Any] = known.entitlements.model_dump() if known else {}
    extras: dict[Any, int] = known.extras if known else {}
    body = given(
        name=name,
        price=parse(price, currency).amount if price is not None else None,
        entitlements=entitlements | pairs(include) if include else None,
        extras=extras | _prices(extra, currency) if extra else None,
    )
    if not body:
        raise typer.BadParameter("nothing to change; see 'tuneloop plan change --help'")
    terminal.show(terminal.api.patch(f"/plans/{slug}", PlanRead, body), render_plan)


@command(app, "archive")
def archive(terminal: Terminal, slug: Slug) -> None:
    """Stop selling a plan that no client is on."""
    terminal.show(terminal.api.delete(f"/plans/{slug}", PlanRead), render_plan)


@command(app, "show")
def show(terminal: Terminal, client: Client) -> None:
    """A client's plan: what is left of it this month, and what is suspended."""
    terminal.show(terminal.api.get(f"/clients/{client}/plan", SubscriptionRead), render_subscription)


@command(app, "set")
def choose(
    terminal: Terminal,
    client: Client,
    plan: Slug,
    trial_days: Annotated[int, typer.Option(min=0, max=90, help="Free days at the beginning.")] = 0,
    coupon: Annotated[str | None, typer.Option(help="A coupon of your Stripe account.")] = None,
) -> None:
    """Subscribe a client, or move it: up at once and prorated, down at the end of the period."""
    body = {"plan": plan, "trial_days": trial_days, "coupon": coupon}
    terminal.show(terminal.api.put(f"/clients/{client}/plan", SubscriptionRead, body), render_subscription)


@command(app, "pause")
def pause(terminal: Terminal, client: Client) -> None:
    """Suspend a client's maintenance; its models keep serving."""
    terminal.show(terminal.api.post(f"/clients/{client}/plan/pause", SubscriptionRead), render_subscription)


@command(app, "resume")
def resume(terminal: Terminal, client: Client) -> None:
    """End a pause, or take a coming cancellation back."""
    terminal.show(terminal.api.post(f"/clients/{client}/plan/resume", SubscriptionRead), render_subscription)


@command(app, "repair")
def repair(terminal: Terminal, client: Client) -> None:
    """Bring Stripe back to what holds here; what was deleted there is made anew."""
    terminal.show(terminal.api.post(f"/clients/{client}/plan/repair", SubscriptionRead), render_subscription)


@command(app, "cancel")
def cancel(
    terminal: Terminal,
    client: Client,
    at_once: Annotated[bool, typer.Option("--at-once", help="Not only at the end of the paid period.")] = False,
    yes: Yes = False,
) -> None:
    """End a client's subscription. Its models keep serving and its data is kept."""
    path, body = f"/clients/{client}/plan/cancel", {"at_once": at_once}
    reply = confirmed(lambda agreed: terminal.api.post(path, SubscriptionRead, body | agreed), yes=yes)
    terminal.show(reply, render_subscription)


@command(app, "extras")
def extras(terminal: Terminal, client: Client) -> None:
    """What was offered, ordered and used beyond a client's plan."""
    terminal.show(terminal.api.get(f"/clients/{client}/extras", list[ExtraRead]), EXTRAS)


@command(app, "extra")
def order(
    terminal: Terminal,
    client: Client,
    feature: Feature,
    quantity: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    reason: Annotated[str, typer.Option(help="For the invoice.")] = "",
    yes: Yes = False,
) -> None:
    """Order beyond a client's plan, at the plan's price."""
    path, body = f"/clients/{client}/extras", {"feature": feature, "quantity": quantity, "reason": reason}
    reply = confirmed(lambda agreed: terminal.api.post(path, list[ExtraRead], body | agreed), yes=yes)
    terminal.show(reply, EXTRAS)


@command(app, "accept")
def accept(terminal: Terminal, offer: Offer, yes: Yes = False) -> None:
    """Order an extra that was offered."""
    reply = confirmed(lambda agreed: terminal.api.post(f"/offers/{offer}/accept", ExtraRead, agreed), yes=yes)
    terminal.show(reply, EXTRAS.one)


@command(app, "decline")
def decline(terminal: Terminal, offer: Offer) -> None:
    """Do without an extra that was offered."""
    terminal.show(terminal.api.post(f"/offers/{offer}/decline", ExtraRead), EXTRAS.one)


def confirmed(call: Callable[[dict[str, Any]], T], *, yes: bool) -> T:
    """What the call gives; agreed to, once the server has said what it costs and a person, or --yes, agrees."""
    try:
        return call({})
    except ApiError as refusal:
        if refusal.code != NEEDED:
            raise
        said, agreed = refusal.message, refusal.details["confirm"]
    if not yes and not typer.confirm(f"{said[0].upper()}{said[1:]}. Do it?", err=True):
        raise Failure("declined", "nothing was changed")
    return call(agreed)


def render_plan(plan: PlanRead) -> Group:
    prices = Rows[tuple[Feature, int]](
        whole("Extra", lambda it: it[0]), right("Each", lambda it: money(it[1], plan.currency))
    )
    return stack(PLANS.one(plan), prices(plan.extras.items()))


def render_subscription(found: SubscriptionRead) -> Group:
    left = Rows[AllowanceRead](
        whole("This month", lambda it: it.feature),
        right("Included", lambda it: it.included),
        right("Used", lambda it: it.used),
        right("Left", lambda it: "suspended" if it.suspension else it.left),
        right("One more", lambda it: money(it.price, found.currency)),
    )
    return stack(SUBSCRIPTION(found), left(each for each in found.allowances if each.included is not None))


def _included(plan: Entitlements) -> str:
    counts = (
        (plan.retrains, "retrains"),
        (plan.ab_tests, "A/B tests"),
        (plan.new_categories, "new categories"),
        (plan.labels, "labels"),
    )
    parts = [f"{count} {name}" for count, name in counts if count]
    return ", ".join([f"check every {plan.monitoring_every_days} days", *parts])


def _state(found: SubscriptionRead) -> str:
    ends = " (ends with the period)" if found.cancel_at_period_end else ""
    return f"{found.state} since {moment(found.state_since)}{ends}"


def _coming(dunning: DunningRead) -> str | None:
    return f"{dunning.next_step} on {moment(dunning.next_at)}" if dunning.next_step else None


def _prices(texts: list[str] | None, currency: str) -> dict[str, int]:
    return {name: parse(str(amount), currency).amount for name, amount in pairs(texts).items()}


PLANS = Rows[PlanRead](
    whole("Plan", lambda it: it.slug),
    text("Name", lambda it: it.name + (" (archived)" if it.archived_at else "")),
    right("Per month", lambda it: money(it.price, it.currency)),
    text("Includes", lambda it: _included(it.entitlements)),
    right("Clients", lambda it: it.clients),
)
SUBSCRIPTION = Facts[SubscriptionRead](
    ("Client", lambda it: it.client),
    ("Plan", lambda it: f"{it.plan_name} ({it.plan}), {money(it.price, it.currency)} per month"),
    ("Then", lambda it: it.next_plan),
    ("State", _state),
    ("Trial until", lambda it: it.trial_ends_at),
    ("Paid until", lambda it: it.period_end),
    ("Suspended", lambda it: f"{it.dunning.step}: {it.dunning.what}"),
    ("Next", lambda it: _coming(it.dunning)),
    ("Stripe", lambda it: "in step" if it.in_step_with_stripe else it.problem or "changes are on their way"),
)
EXTRAS = Rows[ExtraRead](
    whole("Id", lambda it: it.id),
    text("Extra", lambda it: it.feature),
    right("Number", lambda it: it.quantity),
    right("Each", lambda it: money(it.unit_price, it.currency)),
    text("State", lambda it: it.state),
    text("By", lambda it: it.decided_by),
    text("Invoiced", lambda it: it.month),
)
