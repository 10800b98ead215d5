"""The end of a month for an agency with a client on each plan: usage, report, mail and paid invoice.

The month still runs, so it is closed early; the clock of the Stripe emulator goes ahead to the renewal.
"""

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Any, NamedTuple

import httpx

from tuneloop.clients.money import Money
from tuneloop.clients.months import Month, zone_named
from tuneloop.kit.clock import now
from tuneloop.kit.settings import Settings
from tuneloop_local.demo.api import DemoFailed, Operator, wait_until
from tuneloop_local.demo.human import REPORT, Ledger
from tuneloop_local.demo.scenario import Scenario
from tuneloop_local.demo.show import Show

GOOD_CARD = "4242424242424242"
EXAMPLES = 30
NEW = {"birch": "Birch Outdoor", "cedar": "Cedar Camping"}
PLANS = {"acme": "premium", "birch": "standard", "cedar": "basic"}
STYLES: dict[str, dict[str, Any]] = {
    "birch": {"language": "de", "accent": "#1f6f4a"},
    "cedar": {"page_size": "Letter", "font": "serif", "accent": "#8a3b12"},
}
PREPARING = {"birch": {"collect": 30}, "cedar": {"collect": 15}}
"""Minutes of work for the clients whose models are being prepared."""

PAGE_WORDS = 290
"""Of a full page of a report, all of which its approver reads."""


class Closed(NamedTuple):
    """A client's month as it ended. `amount` is in the currency's smallest unit."""

    client: str
    plan: str
    month: str
    report: str
    mail: str
    recipient: str
    invoice: str
    amount: int
    currency: str
    paid: bool


def close_month(settings: Settings, operator: Operator, scenario: Scenario, show: Show, ledger: Ledger) -> list[Closed]:
    """`ledger` has the work for the first client so far; the approval of its report is added."""
    zone = zone_named(operator.get("/api/v1/billing")["timezone"])
    month = Month.of(now(), zone)
    account = operator.post("/api/v1/billing/connection", {"emulator": True})["stripe_account"]
    worked = {activity: ceil(work.seconds / 60) for activity, work in ledger.a_month().items()}
    _open_accounts(operator, scenario, {"acme": worked, **PREPARING})
    for client in PLANS:
        _leave_card(operator, client)
    for client in PLANS:
        wait_until(lambda name=client: _paid(operator, name), f"{client}'s first invoice was not paid")  # type: ignore[misc]
    renewal = max(_renewal(operator, client) for client in PLANS)
    clock = f"{settings.stripe_emulator_url}/_emulator/accounts/{account}/clock"
    httpx.post(clock, json={"to": int(renewal.timestamp()) + 60}, timeout=60).raise_for_status()
    for client in PLANS:
        operator.post(f"/api/v1/clients/{client}/months/{month}/close?early=true")
    for client in PLANS:
        pages = _approve(operator, client, month)
        if client == "acme":
            ledger.click(REPORT, PAGE_WORDS * pages)
    closed = [_ended(settings, operator, client, month) for client in PLANS]
    for each in closed:
        amount = Money(each.amount, each.currency)
        show.say(
            f"{each.client} ({each.plan}): {each.report}; mail {each.mail} to {each.recipient}; "
            f"invoice {each.invoice} {amount} {'paid' if each.paid else 'not paid'}"
        )
    return closed


def _open_accounts(operator: Operator, scenario: Scenario, minutes: Mapping[str, Mapping[str, int]]) -> None:
    """Two more clients whose models are being prepared; everybody on a plan, with somebody to write to."""
    base = operator.get("/api/v1/bases")[0]["name"]
    for plan in PLANS.values():
        operator.post("/api/v1/plans", {"slug": plan, "tier": plan})
    for place, (client, name) in enumerate(NEW.items()):
        operator.post("/api/v1/clients", {"slug": client, "name": name, "domain": "ecommerce"})
        prompt = scenario.contract["system_prompt"].replace("Acme Outfitters", name)
        model = {"slug": scenario.model, "base": base, "contract": {**scenario.contract, "system_prompt": prompt}}
        operator.post(f"/api/v1/models/{client}", model)
        items = scenario.train[place * EXAMPLES : (place + 1) * EXAMPLES]
        operator.upload(f"/api/v1/models/{client}/{scenario.model}/examples", items, pool="training", partial=True)
    for client, plan in PLANS.items():
        contact = {"name": "Carla Client", "email": f"carla@{client}.example"}
        operator.patch(f"/api/v1/clients/{client}", {"contacts": [contact]})
        operator.patch(f"/api/v1/report-style?client={client}", STYLES.get(client, {}))
        for activity, spent in minutes[client].items():
            operator.post(f"/api/v1/clients/{client}/work", {"activity": activity, "minutes": spent})
        operator.put(f"/api/v1/clients/{client}/plan", {"plan": plan})


def _leave_card(operator: Operator, client: str) -> None:
    """As the client does on Stripe's page, once Stripe knows it; the card pays what is open, and what comes."""
    wait_until(
        lambda: operator.get(f"/api/v1/clients/{client}/plan")["in_step_with_stripe"], f"{client} is not at Stripe"
    )
    page = operator.post(f"/api/v1/clients/{client}/card-link")["url"]
    answer = httpx.post(page, data={"number": GOOD_CARD}, timeout=60)
    if answer.status_code != httpx.codes.SEE_OTHER:
        raise DemoFailed(f"the card of {client} was not taken: {answer.text[:300]}")


def _renewal(operator: Operator, client: str) -> datetime:
    return datetime.fromisoformat(operator.get(f"/api/v1/clients/{client}/plan")["period_end"])


def _paid(operator: Operator, client: str) -> bool:
    invoices = operator.get(f"/api/v1/clients/{client}/invoices")
    return bool(invoices) and all(each["status"] == "paid" for each in invoices)


def _approve(operator: Operator, client: str, month: Month) -> int:
    """Once it is rendered, as an operator does who looks at the PDF first; returns its pages."""
    path = f"/api/v1/clients/{client}/reports/{month}"
    found: dict[str, Any] = {}

    def rendered() -> bool:
        reports = {(each["client"], each["month"]) for each in operator.get("/api/v1/reports")}
        found.update(operator.get(path) if (client, str(month)) in reports else {})
        return bool(found.get("pages"))

    wait_until(rendered, f"the report of {client} was not rendered")
    operator.post(f"{path}/approve", {"digest": found["digest"]})
    return int(found["pages"])


def _ended(settings: Settings, operator: Operator, client: str, month: Month) -> Closed:
    """Wait for mail and payment, and keep the PDF beside the data."""
    path = f"/api/v1/clients/{client}/reports/{month}"

    def mail() -> list[dict[str, Any]]:
        return list(operator.get(path)["mails"])

    def invoice() -> dict[str, Any] | None:
        of_month = [each for each in operator.get(f"/api/v1/clients/{client}/invoices") if each["month"] == str(month)]
        return of_month[0] if of_month else None

    wait_until(lambda: any(each["state"] == "sent" for each in mail()), f"the report of {client} was not sent")
    wait_until(lambda: (invoice() or {}).get("status") == "paid", f"the month's invoice of {client} was not paid")
    file = settings.data_dir.resolve() / "reports" / f"{client}-{month}.pdf"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(operator.download(f"{path}/pdf"))
    sent, paid = mail()[0], invoice()
    assert paid is not None
    return Closed(
        client=client,
        plan=PLANS[client],
        month=str(month),
        report=str(file),
        mail=sent["state"],
        recipient=sent["recipient_email"],
        invoice=paid["number"],
        amount=paid["total"],
        currency=paid["currency"],
        paid=paid["status"] == "paid",
    )
