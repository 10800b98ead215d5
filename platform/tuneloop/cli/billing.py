"""`tuneloop billing`: Stripe, invoices, month ends, and what a client costs and earns."""

from typing import Annotated, Any

import typer
from rich.console import Group

from tuneloop.cli.arguments import Client, MonthOption, given
from tuneloop.cli.render import Facts, Rows, moment, right, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.clients.money import Money, parse
from tuneloop.kit import figures
from tuneloop.tables import Unit
from tuneloop_billing.accounts.schemas import AccountRead, EventRead, PaymentLinkRead, ProblemRead, ReconcileFindingRead
from tuneloop_billing.economics.schemas import ClientEconomicsRead, EconomicsRead
from tuneloop_billing.usage.schemas import CloseRead, InvoiceRead, UsageRead

app = typer.Typer()


@command(app, "show")
def show(terminal: Terminal) -> None:
    """How your agency bills."""
    terminal.show(terminal.api.get("/billing", AccountRead), ACCOUNT)


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
    terminal.show(terminal.api.post("/billing/connection", AccountRead, body), ACCOUNT)


@command(app, "disconnect")
def disconnect(terminal: Terminal) -> None:
    """Forget the key. What is at Stripe stays there, and plans go on being enforced."""
    terminal.show(terminal.api.delete("/billing/connection", AccountRead), ACCOUNT)


@command(app, "change")
def change(
    terminal: Terminal,
    timezone: Annotated[str | None, typer.Option(help="In which months end, such as Europe/Berlin.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of new plans and costs, such as eur.")] = None,
    automatic_tax: Annotated[bool | None, typer.Option("--tax/--no-tax", help="Let Stripe work tax out.")] = None,
    gpu_hour: Annotated[str | None, typer.Option(metavar="AMOUNT", help="What an hour of GPU costs you.")] = None,
) -> None:
    """Change the settings for money."""
    body = given(timezone=timezone, currency=currency, automatic_tax=automatic_tax)
    if gpu_hour:
        used = currency or terminal.api.get("/billing", AccountRead).value.currency
        body["gpu_hour_cost"] = parse(gpu_hour, used).amount
    terminal.show(terminal.api.patch("/billing", AccountRead, body), ACCOUNT)


@command(app, "findings")
def findings(terminal: Terminal) -> None:
    """What differed between here and Stripe."""
    terminal.show(terminal.api.get("/billing/findings", list[ReconcileFindingRead]), FINDINGS)


@command(app, "problems")
def problems(terminal: Terminal) -> None:
    """What is the matter with clients' money, and what ends it."""
    terminal.show(terminal.api.get("/billing/problems", list[ProblemRead]), PROBLEMS)


@command(app, "dismiss")
def dismiss(terminal: Terminal, problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="Its id.")]) -> None:
    """Strike a problem off as known."""
    terminal.show(terminal.api.post(f"/billing/problems/{problem}/dismiss", ProblemRead), PROBLEMS.one)


@command(app, "events")
def events(terminal: Terminal, limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50) -> None:
    """Stripe's webhooks and what came of them."""
    terminal.show(terminal.api.get("/billing/events", list[EventRead], limit=limit), EVENTS)


@command(app, "invoices")
def invoices(terminal: Terminal, client: Client) -> None:
    """A client's invoices."""
    terminal.show(terminal.api.get(f"/clients/{client}/invoices", list[InvoiceRead]), INVOICES)


@command(app, "credit")
def credit(
    terminal: Terminal,
    invoice: Annotated[str, typer.Argument(metavar="INVOICE", help="Its id at Stripe, such as in_1P….")],
    minor: Annotated[int, typer.Argument(metavar="AMOUNT", min=1, help="In the currency's smallest unit.")],
    reason: Annotated[str, typer.Option(help="Said on the credit note.")],
) -> None:
    """Credit a part of an invoice."""
    body = {"amount": minor, "reason": reason}
    terminal.show(terminal.api.post(f"/invoices/{invoice}/credit", InvoiceRead, body), INVOICES.one)


@command(app, "card")
def card(terminal: Terminal, client: Client) -> None:
    """A link under which a client leaves a card."""
    terminal.show(terminal.api.post(f"/clients/{client}/card-link", PaymentLinkRead), lambda link: link.url)


@command(app, "portal")
def portal(terminal: Terminal, client: Client) -> None:
    """A link under which a client sees its invoices and changes its card."""
    terminal.show(terminal.api.post(f"/clients/{client}/portal-link", PaymentLinkRead), lambda link: link.url)


@command(app, "usage")
def usage(terminal: Terminal, client: Client, month: MonthOption = None) -> None:
    """What a client used in a month."""
    terminal.show(terminal.api.get(f"/clients/{client}/usage", list[UsageRead], month=month), USAGE)


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
    closed = terminal.api.post(f"/clients/{client}/months/{month}/close", CloseRead, early=early or None)
    terminal.show(closed, CLOSE)


@command(app, "economics")
def economics(terminal: Terminal, month: MonthOption = None) -> None:
    """What each client earns and costs."""
    terminal.show(terminal.api.get("/economics", EconomicsRead, month=month), render_economics)


def render_economics(found: EconomicsRead) -> Group:
    return stack(ECONOMICS(found), CLIENTS(found.clients))


def money(amount: int | None, currency: str) -> str | None:
    return None if amount is None else str(Money(amount, currency))


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _went_back(invoice: InvoiceRead) -> str:
    return ", ".join(f"{each.kind} {money(each.amount, invoice.currency)} {each.status}" for each in invoice.reversals)


def _counted(unit: Unit, quantity: int) -> str:
    if unit.endswith("_seconds"):
        return figures.duration(quantity)
    return figures.size(quantity) if unit.endswith("_bytes") else f"{quantity:,}"


ACCOUNT = Facts[AccountRead](
    ("Stripe", lambda it: figures.words(it.mode)),
    ("Account", lambda it: it.stripe_account),
    ("Go on at", lambda it: it.onboarding_url),
    ("Months end in", lambda it: it.timezone),
    ("Currency", lambda it: it.currency.upper()),
    ("Tax by Stripe", lambda it: "yes" if it.automatic_tax else "no"),
    ("GPU hour", lambda it: money(it.gpu_hour_cost, it.currency)),
)
FINDINGS = Rows[ReconcileFindingRead](
    text("Found", lambda it: it.found_at),
    text("What differs", lambda it: it.summary),
    text("Here", lambda it: _pairs(it.here)),
    text("At Stripe", lambda it: _pairs(it.there)),
    text("Settled", lambda it: it.settled_at),
)
PROBLEMS = Rows[ProblemRead](
    whole("Id", lambda it: it.id),
    text("Client", lambda it: it.client),
    text("What", lambda it: it.summary),
    text("To do", lambda it: it.to_do),
    text("Since", lambda it: it.found_at),
)
EVENTS = Rows[EventRead](
    text("Received", lambda it: it.received_at),
    text("Event", lambda it: it.kind),
    text("About", lambda it: it.object_id),
    text("Outcome", lambda it: it.outcome or "waits"),
)
INVOICES = Rows[InvoiceRead](
    whole("Invoice", lambda it: it.number or "draft"),
    whole("Id", lambda it: it.stripe_id),
    text("Month", lambda it: it.month),
    text("State", lambda it: it.status),
    right("Total", lambda it: money(it.total, it.currency)),
    right("To pay", lambda it: money(it.amount_remaining, it.currency)),
    right("Credited", lambda it: money(it.credited or None, it.currency)),
    text("Went back", _went_back),
    right("Revenue", lambda it: money(it.net, it.currency)),
    text("Issued", lambda it: it.issued_at),
)
USAGE = Rows[UsageRead](
    whole("Unit", lambda it: it.unit.rpartition("_")[0] or it.unit),
    right("Used", lambda it: _counted(it.unit, it.quantity)),
    right("Late", lambda it: _counted(it.unit, it.late) if it.late else None),
    text("Counted", lambda it: "for good" if it.final else "so far"),
)
CLOSE = Facts[CloseRead](
    ("Client", lambda it: it.client),
    ("Month", lambda it: it.month),
    ("Closed early", lambda it: it.until),
    ("Metered", lambda it: moment(it.metered_at)),
    ("Reported", lambda it: moment(it.reported_at)),
    ("Invoiced", lambda it: moment(it.invoiced_at)),
    ("Sent", lambda it: moment(it.sent_at)),
    ("Invoice", lambda it: it.invoice_stripe_id),
    ("Problem", lambda it: it.problem),
)
ECONOMICS = Facts[EconomicsRead](
    ("Month", lambda it: it.month),
    ("Recurring per month", lambda it: money(it.mrr, it.currency)),
    ("Clients who left", lambda it: f"{it.churn.left} of {it.churn.of}"),
    ("Revenue", lambda it: money(it.revenue, it.currency)),
    ("Invoiced", lambda it: money(it.parts.invoiced, it.currency)),
    ("Tax", lambda it: money(it.parts.tax or None, it.currency)),
    ("Credited", lambda it: money(it.parts.credited or None, it.currency)),
    ("Refunded", lambda it: money(it.parts.refunded or None, it.currency)),
    ("Lost in disputes", lambda it: money(it.parts.lost or None, it.currency)),
    ("Given up", lambda it: money(it.parts.given_up or None, it.currency)),
    ("Disputed, undecided", lambda it: money(it.parts.at_risk or None, it.currency)),
    ("Margin", lambda it: money(it.margin, it.currency)),
)
CLIENTS = Rows[ClientEconomicsRead](
    whole("Client", lambda it: it.client),
    text("Plan", lambda it: it.plan),
    right("Revenue", lambda it: money(it.revenue, it.currency)),
    right("GPU cost", lambda it: money(it.gpu_cost, it.currency)),
    right("Margin", lambda it: money(it.margin, it.currency)),
    right("Hours", lambda it: figures.duration(it.seconds)),
    right("Guide", lambda it: figures.duration(it.guide_seconds)),
    right("An hour", lambda it: money(it.hourly, it.currency)),
)
