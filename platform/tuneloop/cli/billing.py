"""`tuneloop billing`: Stripe, invoices, month ends, and what a client costs and earns."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.output import facts, right, stack, table, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.clients.money import Money, parse

app = typer.Typer(no_args_is_help=True, help="Stripe, invoices, month ends, economics.")

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="Short name, such as acme.")]
Month = Annotated[str | None, typer.Option(metavar="YYYY-MM", help="This month when left out.")]


@command(app, "show")
def show(terminal: Terminal) -> None:
    """How your agency bills."""
    terminal.out.show(terminal.api.get("/billing"), render_account)


@command(app, "connect")
def connect(
    terminal: Terminal,
    secret_key: Annotated[
        str | None,
        typer.Option(envvar="STRIPE_SECRET_KEY", help="Of your own Stripe account; better in the environment."),
    ] = None,
    platform: Annotated[bool, typer.Option("--platform", help="Through this installation's Stripe platform.")] = False,
    emulator: Annotated[bool, typer.Option("--emulator", help="To the local Stripe, where no money moves.")] = False,
) -> None:
    """Connect your agency to Stripe."""
    body: dict[str, Any] = {"connect": platform, "emulator": emulator}
    if secret_key and not (platform or emulator):
        body["secret_key"] = secret_key
    terminal.out.show(terminal.api.post("/billing/connection", body), render_account)


@command(app, "disconnect")
def disconnect(terminal: Terminal) -> None:
    """Forget the key. What is at Stripe stays there, and plans go on being enforced."""
    terminal.out.show(terminal.api.delete("/billing/connection"), render_account)


@command(app, "change")
def change(
    terminal: Terminal,
    timezone: Annotated[str | None, typer.Option(help="In which months end, such as Europe/Berlin.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of new plans and costs, such as eur.")] = None,
    automatic_tax: Annotated[bool | None, typer.Option("--tax/--no-tax", help="Let Stripe work tax out.")] = None,
    gpu_hour: Annotated[str | None, typer.Option(metavar="AMOUNT", help="What an hour of GPU costs you.")] = None,
) -> None:
    """Change the settings for money."""
    used = currency or terminal.api.get("/billing").value["currency"]
    body = {
        "timezone": timezone,
        "currency": currency,
        "automatic_tax": automatic_tax,
        "gpu_hour_cost": parse(gpu_hour, used).amount if gpu_hour else None,
    }
    terminal.out.show(terminal.api.patch("/billing", body), render_account)


@command(app, "findings")
def findings(terminal: Terminal) -> None:
    """What differed between here and Stripe."""
    terminal.out.show(terminal.api.get("/billing/findings"), render_findings)


@command(app, "events")
def events(terminal: Terminal, limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50) -> None:
    """Stripe's webhooks and what came of them."""
    terminal.out.show(terminal.api.get("/billing/events", limit=limit), render_events)


@command(app, "invoices")
def invoices(terminal: Terminal, client: Client) -> None:
    """A client's invoices."""
    terminal.out.show(terminal.api.get(f"/clients/{client}/invoices"), render_invoices)


@command(app, "credit")
def credit(
    terminal: Terminal,
    invoice: Annotated[str, typer.Argument(metavar="INVOICE", help="Its id at Stripe, such as in_1P….")],
    minor: Annotated[int, typer.Argument(metavar="AMOUNT", min=1, help="In the currency's smallest unit.")],
    reason: Annotated[str, typer.Option(help="Said on the credit note.")],
) -> None:
    """Credit a part of an invoice."""
    body = {"amount": minor, "reason": reason}
    terminal.out.show(terminal.api.post(f"/invoices/{invoice}/credit", body), lambda one: render_invoices([one]))


@command(app, "card")
def card(terminal: Terminal, client: Client) -> None:
    """A link under which a client leaves a card."""
    terminal.out.show(terminal.api.post(f"/clients/{client}/card-link"), lambda link: link["url"])


@command(app, "portal")
def portal(terminal: Terminal, client: Client) -> None:
    """A link under which a client sees its invoices and changes its card."""
    terminal.out.show(terminal.api.post(f"/clients/{client}/portal-link"), lambda link: link["url"])


@command(app, "usage")
def usage(terminal: Terminal, client: Client, month: Month = None) -> None:
    """What a client used in a month."""
    terminal.out.show(terminal.api.get(f"/clients/{client}/usage", month=month), render_usage)


@command(app, "close")
def close(
    terminal: Terminal,
    client: Client,
    month: Annotated[str, typer.Argument(metavar="YYYY-MM", help="A month that is over.")],
    early: Annotated[
        bool, typer.Option("--early", help="Close a month that runs, such as for a client that leaves.")
    ] = False,
) -> None:
    """Go on with the end of a client's month: count, report, invoice, send."""
    path = f"/clients/{client}/months/{month}/close"
    terminal.out.show(terminal.api.post(f"{path}?early=true" if early else path), render_close)


@command(app, "economics")
def economics(terminal: Terminal, month: Month = None) -> None:
    """What each client earns and costs."""
    terminal.out.show(terminal.api.get("/economics", month=month), render_economics)


def render_account(account: dict[str, Any]) -> Table:
    return facts(
        [
            ("Stripe", account["mode"].replace("_", " ")),
            ("Account", account["stripe_account"]),
            ("Go on at", account["onboarding_url"]),
            ("Months end in", account["timezone"]),
            ("Currency", account["currency"].upper()),
            ("Tax by Stripe", "yes" if account["automatic_tax"] else "no"),
            ("GPU hour", _money(account["gpu_hour_cost"], account["currency"])),
        ]
    )


def render_findings(found: Sequence[dict[str, Any]]) -> Table:
    return table(
        "Found",
        "What differs",
        "Here",
        "At Stripe",
        "Settled",
        rows=[
            (
                figures.moment(each["found_at"]),
                each["summary"],
                _pairs(each["here"]),
                _pairs(each["there"]),
                each["settled_at"] and figures.moment(each["settled_at"]),
            )
            for each in found
        ],
    )


def render_events(found: Sequence[dict[str, Any]]) -> Table:
    return table(
        "Received",
        "Event",
        "About",
        "Outcome",
        rows=[
            (figures.moment(each["received_at"]), each["kind"], each["object_id"], each["outcome"] or "waits")
            for each in found
        ],
    )


def render_invoices(found: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Invoice"),
        whole("Id"),
        "Month",
        "State",
        right("Total"),
        right("To pay"),
        right("Credited"),
        "Issued",
        rows=[
            (
                each["number"] or "draft",
                each["stripe_id"],
                each["month"],
                each["status"],
                _money(each["total"], each["currency"]),
                _money(each["amount_remaining"], each["currency"]),
                _money(each["credited"], each["currency"]) if each["credited"] else None,
                figures.moment(each["issued_at"]),
            )
            for each in found
        ],
    )


def render_usage(found: Sequence[dict[str, Any]]) -> Table:
    def shown(unit: str, quantity: int) -> str:
        if unit.endswith("_seconds"):
            return figures.duration(quantity)
        return figures.size(quantity) if unit.endswith("_bytes") else f"{quantity:,}"

    return table(
        whole("Unit"),
        right("Used"),
        right("Late"),
        "Counted",
        rows=[
            (
                each["unit"].rpartition("_")[0] or each["unit"],
                shown(each["unit"], each["quantity"]),
                shown(each["unit"], each["late"]) if each["late"] else None,
                "for good" if each["final"] else "so far",
            )
            for each in found
        ],
    )


def render_close(found: dict[str, Any]) -> Table:
    steps = ("metered", "reported", "invoiced", "sent")
    done = [(step.capitalize(), figures.moment(found[f"{step}_at"])) for step in steps]
    head = [("Client", found["client"]), ("Month", found["month"])]
    if found["until"]:
        head.append(("Closed early", figures.moment(found["until"])))
    return facts([*head, *done, ("Invoice", found["invoice_stripe_id"]), ("Problem", found["problem"])])


def render_economics(found: dict[str, Any]) -> Group:
    currency = found["currency"]
    churn = found["churn"]
    head = facts(
        [
            ("Month", found["month"]),
            ("Recurring per month", _money(found["mrr"], currency)),
            ("Clients who left", f"{churn['left']} of {churn['of']}"),
            ("Invoiced", _money(found["revenue"], currency)),
            ("Margin", _money(found["margin"], currency)),
        ]
    )
    rows = table(
        whole("Client"),
        "Plan",
        right("Invoiced"),
        right("GPU cost"),
        right("Margin"),
        right("Hours"),
        right("Guide"),
        right("An hour"),
        rows=[
            (
                each["client"],
                each["plan"],
                _money(each["revenue"], currency),
                _money(each["gpu_cost"], currency),
                _money(each["margin"], currency),
                figures.duration(each["seconds"]),
                figures.duration(each["guide_seconds"]),
                None if each["hourly"] is None else _money(each["hourly"], currency),
            )
            for each in found["clients"]
        ],
    )
    return stack(head, rows)


def _money(amount: int, currency: str) -> str:
    return str(Money(amount, currency))


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
