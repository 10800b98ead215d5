"""An agency connected to the emulator, whose jobs run when a test says so."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx
from sqlmodel import select

from tests.billing.emulator import Running, Shop, client_of
from tests.support.runtime import silent_runtime
from tests.support.sample_jobs import Errand
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState, claim, enqueue
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency, BillingAccount, Invoice, Subscription
from tuneloop_billing.webhooks.service import receive


@dataclass(frozen=True)
class Office:
    """`shop` is the agency's account at the emulator, `http` its owner."""

    database: Database
    agency: Agency
    settings: Settings
    storage: Storage
    http: httpx.Client
    shop: Shop

    def work(self, kind: str = "billing.") -> list[str]:
        """Run every queued job of a kind until none is left; returns the names of those that ran."""
        runtime, ran = silent_runtime(self.database, self.storage, self.settings), []
        while due := self._due(kind):
            for job_id, name in due:
                runtime.run(job_id)
                ran.append(name)
        return ran

    def at_work(self) -> JobContext:
        """What a handler works with: the context of a job that is claimed, for a test that calls the service itself."""
        with self.database.all_agencies() as session:
            job_id = enqueue(session, Errand(subject=new_id()), agency_id=self.agency.id)
            assert job_id is not None
            held = claim(session, job_id, worker="test")
        assert held is not None
        return JobContext(self.database, self.storage, self.settings, held, threading.Event())

    def _due(self, kind: str) -> list[tuple[UUID, str]]:
        with self.database.unit(self.agency.id) as session:
            rows = session.exec(
                select(JobRow).where(JobRow.state == JobState.QUEUED).order_by(JobRow.created_at, JobRow.id)  # type: ignore[arg-type]
            ).all()
            due = [row for row in rows if row.name.startswith(kind) and row.run_after.timestamp() <= time.time()]
            return [(row.id, row.name) for row in due]

    def failed(self) -> list[str]:
        with self.database.unit(self.agency.id) as session:
            return [f"{row.name}: {row.error}" for row in session.exec(select(JobRow)) if row.error]

    def take_webhooks(self, deliveries: list[dict[str, Any]] | None = None, *, copies: int = 1) -> int:
        """Hand webhooks over as they would come in over HTTP; returns how many were new."""
        new = 0
        for each in self.shop.deliveries() if deliveries is None else deliveries:
            for _ in range(copies):
                new += receive(
                    self.database,
                    self.settings,
                    token=each["url"].rpartition("/")[2],
                    body=each["body"].encode(),
                    header=each["headers"]["Stripe-Signature"],
                )
        return new

    def settle(self) -> None:
        """Webhooks and jobs until nothing changes any more."""
        self.work()
        while self.take_webhooks():
            for delivery in self.shop.account.deliveries:
                delivery.done = True
            self.work()

    def account(self) -> BillingAccount:
        with self.database.unit(self.agency.id) as session:
            return session.exec(select(BillingAccount)).one()

    def subscription(self) -> Subscription:
        with self.database.unit(self.agency.id) as session:
            return session.exec(select(Subscription)).one()

    def invoices(self) -> list[Invoice]:
        with self.database.unit(self.agency.id) as session:
            return list(session.exec(select(Invoice).order_by(Invoice.issued_at, Invoice.stripe_id)))  # type: ignore[arg-type]


@contextmanager
def office(
    database: Database, agency: Agency, settings: Settings, storage: Storage, http: httpx.Client, emulator: Running
) -> Iterator[Office]:
    answer = http.post("/api/v1/billing/connection", json={"emulator": True})
    assert answer.status_code == 201, answer.text
    account = emulator.world.accounts[answer.json()["stripe_account"]]
    shop = Shop(emulator, account, client_of(emulator, account.key))
    made = Office(database, agency, settings, storage, http, shop)
    made.work()
    yield replace(made)
