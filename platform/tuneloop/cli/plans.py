"""`tuneloop plan`: what the agency sells, and which plan a client is on."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.arguments import Feature, Plan, pairs
from tuneloop.cli.output import facts, right, stack, table, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.clients.money import Money, parse

app = typer.Typer(no_args_is_help=True, help="Maintenance plans, and the plan of a client.")

Slug = Annotated[str, typer.Argument(metavar="PLAN", help="Short name, such as gold.")]
Client = Annotated[str, typer.Argument(metavar="CLIENT", help="Short name, such as acme.")]
Price = Annotated[str | None, typer.Option(metavar="AMOUNT", help="A month, such as 1500.00.")]
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
    terminal.out.show(terminal.api.get("/plans"), render_plans)


@command(app, "add")
def add(
    terminal: Terminal,
    slug: Slug,
    tier: Annotated[Plan, typer.Option(help="The template to start from.")],
    name: Annotated[str | None, typer.Option(help="As it is written on invoices.")] = None,
    price: Price = None,
    currency: Annotated[str | None, typer.Option(help="Three letters, such as eur.")] = None,
    include: Includes = None,
    extra: Extra = None,
) -> None:
    """Add a plan. What you leave out comes from the template of its tier."""
    used = (currency or "usd").lower()
    body: dict[str, Any] = {"slug": slug, "tier": tier, "name": name}
    body |= {"currency": currency and used, "price": price and parse(price, used).amount}
    if include:
        body["entitlements"] = pairs(include)
    if extra:
        body["extras"] = _prices(extra, used)
    terminal.out.show(
        terminal.api.post("/plans", {name: value for name, value in body.items() if value is not None}), render_plan
    )


@command(app, "change")
def change(
    terminal: Terminal,
    slug: Slug,
    name: Annotated[str | None, typer.Option(help="As it is written on invoices.")] = None,
    price: Price = None,
    include: Includes = None,
    extra: Extra = None,
) -> None:
    """Change a plan: what it includes at once, its price from each client's next invoice on."""
    known = next((each for each in terminal.api.get("/plans").value if each["slug"] == slug), None)
    body: dict[str, Any] = {"name": name} if name else {}
    currency = known["currency"] if known else "usd"
    if price is not None:
        body["price"] = parse(price, currency).amount
    if include:
        body["entitlements"] = (known["entitlements"] if known else {}) | pairs(include)
    if extra:
        body["extras"] = (known["extras"] if known else {}) | _prices(extra, currency)
    if not body:
        raise typer.BadParameter("nothing to change; see 'tuneloop plan change --help'")
    terminal.out.show(terminal.api.patch(f"/plans/{slug}", body), render_plan)


@command(app, "archive")
def archive(terminal: Terminal, slug: Slug) -> None:
    """Stop selling a plan that no client is on."""
    terminal.out.show(terminal.api.delete(f"/plans/{slug}"), render_plan)


@command(app, "show")
def show(terminal: Terminal, client: Client) -> None:
    """A client's plan: what is left of it this month, and what is suspended."""
    terminal.out.show(terminal.api.get(f"/clients/{client}/plan"), render_subscription)


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
    terminal.out.show(terminal.api.put(f"/clients/{client}/plan", body), render_subscription)


@command(app, "pause")
def pause(terminal: Terminal, client: Client) -> None:
    """Suspend a client's maintenance; its models keep serving."""
    terminal.out.show(terminal.api.post(f"/clients/{client}/plan/pause"), render_subscription)


@command(app, "resume")
def resume(terminal: Terminal, client: Client) -> None:
    """End a pause, or take a coming cancellation back."""
    terminal.out.show(terminal.api.post(f"/clients/{client}/plan/resume"), render_subscription)


@command(app, "cancel")
def cancel(
    terminal: Terminal,
    client: Client,
    at_once: Annotated[bool, typer.Option("--at-once", help="Not only at the end of the paid period.")] = False,
) -> None:
    """End a client's subscription. Its models keep serving and its data is kept."""
    terminal.out.show(terminal.api.post(f"/clients/{client}/plan/cancel", {"at_once": at_once}), render_subscription)


@command(app, "extras")
def extras(terminal: Terminal, client: Client) -> None:
    """What was offered, ordered and used beyond a client's plan."""
    terminal.out.show(terminal.api.get(f"/clients/{client}/extras"), render_extras)


@command(app, "extra")
def extra_(
    terminal: Terminal,
    client: Client,
    feature: Feature,
    quantity: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    reason: Annotated[str, typer.Option(help="For the invoice.")] = "",
) -> None:
    """Order beyond a client's plan, at the plan's price."""
    body = {"feature": feature, "quantity": quantity, "reason": reason}
    terminal.out.show(terminal.api.post(f"/clients/{client}/extras", body), render_extras)


@command(app, "accept")
def accept(terminal: Terminal, offer: Annotated[str, typer.Argument(metavar="OFFER", help="Its id.")]) -> None:
    """Order an extra that was offered."""
    terminal.out.show(terminal.api.post(f"/offers/{offer}/accept"), lambda use: render_extras([use]))


@command(app, "decline")
def decline(terminal: Terminal, offer: Annotated[str, typer.Argument(metavar="OFFER", help="Its id.")]) -> None:
    """Do without an extra that was offered."""
    terminal.out.show(terminal.api.post(f"/offers/{offer}/decline"), lambda use: render_extras([use]))


def render_plans(plans: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Plan"),
        "Name",
        right("A month"),
        "Includes",
        right("Clients"),
        rows=[
            (
                each["slug"],
                each["name"] + (" (archived)" if each["archived_at"] else ""),
                _money(each["price"], each["currency"]),
                _included(each["entitlements"]),
                each["clients"],
            )
            for each in plans
        ],
    )


def render_plan(plan: dict[str, Any]) -> Group:
    prices = table(
        whole("Extra"),
        right("Each"),
        rows=[(name, _money(price, plan["currency"])) for name, price in plan["extras"].items()],
    )
    return stack(render_plans([plan]), prices)


def render_subscription(found: dict[str, Any]) -> Group:
    dunning = found["dunning"]
    coming = f"{dunning['next_step']} on {figures.moment(dunning['next_at'])}" if dunning["next_step"] else None
    ends = " (ends with the period)" if found["cancel_at_period_end"] else ""
    head = facts(
        [
            ("Client", found["client"]),
            ("Plan", f"{found['plan_name']} ({found['plan']}), {_money(found['price'], found['currency'])} per month"),
            ("Then", found["next_plan"]),
            ("State", f"{found['state']} since {figures.moment(found['state_since'])}{ends}"),
            ("Trial until", found["trial_ends_at"] and figures.moment(found["trial_ends_at"])),
            ("Paid until", found["period_end"] and figures.moment(found["period_end"])),
            ("Suspended", f"{dunning['step']}: {dunning['what']}"),
            ("Next", coming),
            ("Stripe", "in step" if found["in_step_with_stripe"] else "changes are on their way"),
        ]
    )
    left = table(
        whole("This month"),
        right("Included"),
        right("Used"),
        right("Left"),
        right("One more"),
        rows=[
            (
                each["feature"],
                each["included"],
                each["used"],
                "suspended" if each["suspension"] else each["left"],
                None if each["price"] is None else _money(each["price"], found["currency"]),
            )
            for each in found["allowances"]
            if each["included"] is not None
        ],
    )
    return stack(head, left)


def render_extras(uses: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Id"),
        "Extra",
        right("Number"),
        right("Each"),
        "State",
        "By",
        "Invoiced",
        rows=[
            (
                each["id"],
                each["feature"],
                each["quantity"],
                _money(each["unit_price"], each["currency"]),
                each["state"],
                each["decided_by"],
                each["month"],
            )
            for each in uses
        ],
    )


def _money(amount: int, currency: str) -> str:
    return str(Money(amount, currency))


def _included(entitlements: Mapping[str, Any]) -> str:
    names = {"retrains": "retrains", "ab_tests": "A/B tests", "new_categories": "new categories", "labels": "labels"}
    parts = [f"{entitlements[key]} {name}" for key, name in names.items() if entitlements[key]]
    return ", ".join([f"check every {entitlements['monitoring_every_days']} days", *parts])


def _prices(texts: list[str], currency: str) -> dict[str, int]:
    return {name: parse(str(amount), currency).amount for name, amount in pairs(texts).items()}
