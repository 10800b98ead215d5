"""Screenshots of the pages about money: python -m tests.billing.pictures FOLDER"""

import sys
import tempfile
from datetime import timedelta
from itertools import cycle
from pathlib import Path

from sqlmodel import select

from tests.billing.conftest import CACHE
from tests.billing.emulator import open_shop, running
from tests.support.browser import Visitor, chromium
from tests.support.committed import Committed
from tests.support.factories import make_agency, owner_of
from tests.support.showcase import make_showcase
from tests.support.site import PASSWORD, make_person, served
from tuneloop.clients.offers import offer
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.migrations import migrate
from tuneloop.kit.settings import Settings
from tuneloop.tables import Activity, Client, Feature, Invoice, Plan, Role
from tuneloop_billing.plans.service import create_plan
from tuneloop_billing.subscriptions.extras import order_extra
from tuneloop_billing.subscriptions.service import choose_plan
from tuneloop_billing.usage.work_log import add_work
from tuneloop_local.engines import engines


def take(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch, engines(Settings(data_dir=Path(scratch) / "engines")) as urls:
        migrate(urls.migration)
        database = Database(make_engine(urls.database))
        home = Committed(database, make_agency(database, "studio"))
        make_showcase(database, home.agency)
        _money(home)
        email = make_person(home, Role.OWNER)
        pages = {"plans": "/plans", "billing": "/billing", "economics": "/economics"}
        pages["client-billing"] = "/clients/northwind/billing"
        with served(home, Path(scratch) / "site") as address, chromium() as browser, running(CACHE) as emulator:
            for look, options in {
                "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
                "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
                "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
            }.items():
                person = Visitor(browser, address, **options)
                person.page.goto("/sign-in")
                person.sign_in(email, PASSWORD)
                for name, path in pages.items():
                    person.page.goto(path)
                    person.page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
            shop = open_shop(emulator, "Studio North")
            customer = shop.customer(None)
            there = shop.stripe.v1.subscriptions.create(
                {
                    "customer": customer,
                    "items": [{"price": shop.price()}],
                    "collection_method": "send_invoice",
                    "days_until_due": 14,
                }
            )
            plain = browser.new_page(viewport={"width": 900, "height": 900})
            portal = shop.stripe.v1.billing_portal.sessions.create({"customer": customer, "return_url": "http://x/"})
            invoice = shop.stripe.v1.invoices.retrieve(str(there.latest_invoice))
            for name, url in {"portal": portal.url, "invoice": invoice.hosted_invoice_url}.items():
                plain.goto(str(url))
                plain.screenshot(path=folder / f"emulator-{name}.png", full_page=True)
            plain.goto(f"{emulator.url}/accounts/{shop.account.id}")
            plain.screenshot(path=folder / "emulator-account.png", full_page=True)


def _money(home: Committed) -> None:
    owner = owner_of(home.agency)
    with home.database.unit(home.agency.id) as session:
        for tier in Plan:
            create_plan(session, principal=owner, slug=tier.value, tier=tier)
        clients = session.exec(select(Client).order_by(Client.slug)).all()
        for client, tier in zip(clients, cycle(Plan), strict=False):
            choose_plan(session, principal=owner, client=client.slug, plan=tier.value)
            for activity, minutes in ((Activity.COLLECT, 25), (Activity.COMPARE, 20), (Activity.DEPLOY, 10)):
                add_work(session, principal=owner, client=client.slug, activity=activity, minutes=minutes)
            session.add(
                Invoice(
                    client_id=client.id,
                    stripe_id=f"in_{client.slug}",
                    number=f"{client.slug[:4].upper()}-0007",
                    status="paid",
                    currency="usd",
                    total=200_000,
                    amount_paid=200_000,
                    amount_remaining=0,
                    issued_at=now() - timedelta(hours=3),
                    lines=[
                        {"description": "1 x Standard retrain", "amount": 200_000, "reference": None},
                        {"description": "Done: 12,431 answers served and watched", "amount": 0, "reference": None},
                    ],
                )
            )
        northwind = session.exec(select(Client).where(Client.slug == "northwind")).one()
        order_extra(
            session,
            principal=owner,
            client="northwind",
            feature=Feature.RETRAIN,
            reason="holiday campaign",
            agreed_price=70_000,
        )
        offer(session, client_id=northwind.id, feature=Feature.NEW_CATEGORY, reason="40 questions about gift cards")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    take(target)
