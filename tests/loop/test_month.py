"""The demo's last stage on a running installation: a month's end through every process."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.loop.conftest import LABELS, Running, items
from tuneloop.demo.human import DEPLOY, REPORT, Ledger
from tuneloop.demo.month import PLANS, close_month
from tuneloop.demo.scenario import built_in
from tuneloop.demo.show import Show
from tuneloop.mail.sandbox.box import Mailbox


@pytest.mark.slow
def test_three_clients_on_three_plans_get_report_mail_and_a_paid_invoice(running: Running) -> None:
    scenario = replace(built_in("classify"), train=items(LABELS, range(20)))
    printed = StringIO()
    ledger = Ledger()
    ledger.click(DEPLOY, words=60)
    show = Show(Console(file=printed, width=200))
    closed = close_month(running.settings, running.operator, scenario, show, ledger)
    assert ledger.a_month()[REPORT].clicks == 1
    assert {each.client: each.plan for each in closed} == PLANS
    assert [(each.mail, each.paid) for each in closed] == [("sent", True)] * 3
    assert [each.amount for each in closed] == [400_000 + 1_000, 200_000 + 1_200, 75_000 + 1_500]
    assert all(Path(each.report).read_bytes().startswith(b"%PDF-") for each in closed)
    assert all(each.invoice in printed.getvalue() for each in closed)
    box = Mailbox(running.settings.data_dir.resolve() / "mailbox")
    letters = [box.read(name) for name in box.names()]
    assert sorted(letter.envelope_to for letter in letters) == sorted(each.recipient for each in closed)
    assert {part.filename for letter in letters for part in letter.attachments} == {
        f"{each.client}-{each.month}.pdf" for each in closed
    }
    lines = {
        each.client: running.operator.get(f"/api/v1/clients/{each.client}/invoices")[0]["lines"] for each in closed
    }
    assert all(any("Extra labels" in line["description"] for line in each) for each in lines.values())
