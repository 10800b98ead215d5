"""A month from usage to report, mail and paid invoice, on Stripe's emulator, the real renderer and the mailbox.

The agency is in Kathmandu, where months end at 18:15 UTC.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from pydantic import SecretStr
from pypdfium2 import PdfDocument
from sqlmodel import select

from tests.billing.office import Office
from tests.billing.three import MONTH, PRICES, RENEWAL, answer, gpu_job, model_of, month_invoices
from tests.support.ports import free_port
from tuneloop.clients.months import Month, TimeSpan
from tuneloop.tables import Activity, Client, Mail, MailState, MonthClose, Unit, WorkEntry
from tuneloop_billing.month_end.service import _read, begin, close_month
from tuneloop_billing.usage.metering import meter_month
from tuneloop_local.emulators.smtp.box import Mailbox, ReceivedMail
from tuneloop_local.emulators.smtp.server import mailbox_server
from tuneloop_reports.handlers import renderer
from tuneloop_reports.month_end import MonthEnd

KATHMANDU = ZoneInfo("Asia/Kathmandu")


@pytest.fixture
def post(north: Office, tmp_path: Path) -> Iterator[tuple[Office, Mailbox]]:
    """The office with the local mailbox as its mail server."""
    port, box = free_port(), Mailbox(tmp_path / "mailbox")
    server = mailbox_server(box, "127.0.0.1", port)
    server.start()
    url = SecretStr(f"smtp://127.0.0.1:{port}?tls=off")
    yield replace(north, settings=north.settings.model_copy(update={"smtp_url": url})), box
    server.stop()
    renderer().close()


def text_of(letter: ReceivedMail) -> str:
    """What the attached PDF says."""
    (pdf,) = letter.attachments
    assert pdf.media_type == "application/pdf"
    return "\n".join(page.get_textpage().get_text_range() for page in PdfDocument(BytesIO(pdf.data)))


def test_from_usage_to_report_mail_and_paid_invoice(
    post: tuple[Office, Mailbox], agency_of_three: dict[str, Client]
) -> None:
    office, box = post
    office.http.patch("/api/v1/billing", json={"timezone": KATHMANDU.key}).raise_for_status()
    span = MONTH.span(KATHMANDU)
    with office.database.unit(office.agency.id) as session:
        for client in agency_of_three.values():
            row = session.get_one(Client, client.id)
            row.contacts = [{"name": "Ann", "email": f"ann@{client.slug}.example"}]
            session.add(row)
            session.add(WorkEntry(client_id=row.id, person="A", activity=Activity.COLLECT, at=span.start, seconds=900))
    for tier, client in agency_of_three.items():
        model = model_of(office, client)
        with office.database.unit(office.agency.id) as session:
            for at in (span.start, span.end - timedelta(microseconds=1), span.end):
                answer(session, model, at)
            if tier == "basic":
                session.add(gpu_job(client, span.end - timedelta(hours=2), 90 * 60))
    office.shop.lever("clock", {"to": int(RENEWAL.timestamp()) + 60})
    office.settle()

    for client in agency_of_three.values():
        answered = office.http.post(f"/api/v1/clients/{client.slug}/months/{MONTH}/close")
        assert answered.status_code == 202, answered.text
    office.work("")
    assert box.names() == [], "reports wait for their approval"
    for client in agency_of_three.values():
        path = f"/api/v1/clients/{client.slug}/reports/{MONTH}"
        digest = office.http.get(path).json()["digest"]
        assert office.http.post(f"{path}/approve", json={"digest": digest}).status_code == 200
        for _ in range(2):
            assert office.http.post(f"/api/v1/clients/{client.slug}/months/{MONTH}/close").status_code == 202
            office.work("")
    letters = {letter.envelope_to: letter for letter in map(box.read, box.names())}
    with office.database.unit(office.agency.id) as session:
        mails = session.exec(select(Mail)).all()
        assert [(mail.state, mail.attempts) for mail in mails] == [(MailState.SENT, 1)] * 3
    assert len(box.names()) == len(letters) == 3

    totals = {"basic": PRICES["basic"] + 30 * 50, "standard": PRICES["standard"], "premium": PRICES["premium"]}
    for tier, client in agency_of_three.items():
        said = text_of(letters[f"ann@{client.slug}.example"])
        assert f"Client-{tier.title()}" in said
        assert "time zone Asia/Kathmandu" in said
        (invoice,) = month_invoices(office, client)
        texts = [line.description for line in invoice.lines.data]
        assert "Done: 2 answers served and watched" in texts
        assert (f"GPU minutes beyond the plan in {MONTH}: 30 of 90" in texts) == (tier == "basic")
        assert invoice.total == totals[tier]
        page = office.http.get(invoice.footer.rpartition(": ")[2].partition(office.settings.site_url)[2])
        assert (page.status_code, f"Client-{tier.title()}" in page.text) == (200, True)
        if invoice.status == "open":
            assert httpx.post(invoice.hosted_invoice_url, data={"number": "4242424242424242"}).status_code == 303
    office.settle()
    kept = [each for each in office.invoices() if each.month == str(MONTH)]
    assert sorted(each.total for each in kept) == sorted(totals.values())
    assert {(each.status, each.amount_remaining) for each in kept} == {("paid", 0)}
    with office.database.unit(office.agency.id) as session:
        assert all(close.sent_at and close.invoiced_at for close in session.exec(select(MonthClose)))
    assert office.failed() == []


def test_what_follows_an_early_close_goes_with_the_next_month(north: Office, client_row: Client) -> None:
    """A client leaves while the month runs: it is closed up to now, and no unit is lost or counted twice."""
    month, model = Month.of(datetime.now(UTC), ZoneInfo("UTC")), model_of(north, client_row)
    span = month.span(ZoneInfo("UTC"))
    with north.database.unit(north.agency.id) as session:
        answer(session, model, span.start)
    path = f"/api/v1/clients/{client_row.slug}/months/{month}/close"
    assert north.http.post(path).status_code == 422
    coming = f"/api/v1/clients/{client_row.slug}/months/{month.next}/close?early=true"
    assert north.http.post(coming).status_code == 422, "a month that has not begun can't be closed"
    first, again = (north.http.post(f"{path}?early=true").json() for _ in range(2))
    assert first["until"] == again["until"]
    with north.database.unit(north.agency.id) as session:
        close = begin(session, client=client_row, month=month, early=True)
    close_month(north.at_work(), close.id, MonthEnd(north.settings))
    report = north.http.post(f"/api/v1/clients/{client_row.slug}/reports/{month}").json()
    assert (report["content"]["end"], report["content"]["models"][0]["answers"]) == (first["until"], 1)
    with north.database.unit(north.agency.id) as session:
        answer(session, model, span.end - timedelta(microseconds=1))
        session.flush()
        following = MonthClose(client_id=client_row.id, month=str(month.next))
        session.add(following)
        session.flush()
        counted = [meter_month(session, client_row.id, each)[Unit.ANSWERS] for each in (month, month.next)]
    assert [(each.quantity, each.late) for each in counted] == [(1, 0), (0, 1)]
    facts = _read(north.at_work(), following.id)
    assert facts.closed == TimeSpan(close.until or span.end, month.next.span(ZoneInfo("UTC")).end)
