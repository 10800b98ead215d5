"""An approved promotion waits for the serving host, for as long as the approval lasts."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlmodel import select

from tests.support.cycles import make_workshop
from tests.support.factories import owner_of
from tests.support.runtime import silent_runtime
from tests.support.upstream import scripted_engine
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import aliases
from tuneloop.retraining.jobs import DeployCandidate, FailCycle
from tuneloop.retraining.service import approve_promotion
from tuneloop.tables import AdapterVersion, Agency, Alias, Approval, BaseModel, CycleState, RetrainingCycle

NOBODY = "http://127.0.0.1:1"


class Promotion:
    """A candidate that was approved while nothing listened where the serving host should be."""

    def __init__(self, database: Database, agency: Agency, storage: Storage, folder: Path) -> None:
        self.database, self.agency, self._storage, self._folder = database, agency, storage, folder
        self.workshop = make_workshop(database, agency, ["order", "refund"])
        with database.all_agencies() as session:
            session.get_one(BaseModel, self.workshop.base.id).upstream_url = None
        with database.unit(agency.id) as session:
            self.cycle_id = self.workshop.judged(session, "promote")
            digest = session.get_one(
                AdapterVersion, session.get_one(RetrainingCycle, self.cycle_id).candidate_version_id
            ).digest
            session.exec(select(Approval)).one().expires_at += timedelta(days=3)
            approve_promotion(session, principal=owner_of(agency), cycle_id=self.cycle_id, digest=digest)
            self.expires_at = session.exec(select(Approval)).one().expires_at

    def attempt(self, serve_url: str) -> JobRow:
        """The job's next try, whenever it would have been."""
        with self.database.unit(self.agency.id) as session:
            row = self._job(session)
            row.run_after = now() - timedelta(seconds=1)
            job_id: UUID = row.id
        settings = Settings(data_dir=self._folder, serve_url=serve_url, serve_token=SecretStr("token"))
        silent_runtime(self.database, self._storage, settings).run(job_id)
        with self.database.unit(self.agency.id) as session:
            return session.get_one(JobRow, job_id)

    def end_patience(self) -> None:
        with self.database.unit(self.agency.id) as session:
            self._job(session).give_up_at = now() - timedelta(seconds=1)

    def state(self) -> CycleState:
        with self.database.unit(self.agency.id) as session:
            return session.get_one(RetrainingCycle, self.cycle_id).state

    def _job(self, session: TenantSession) -> JobRow:
        return session.exec(select(JobRow).where(JobRow.name == DeployCandidate.name)).one()


@pytest.fixture
def promotion(database: Database, agency: Agency, storage: Storage, tmp_path: Path) -> Promotion:
    return Promotion(database, agency, storage, tmp_path)


def test_it_happens_when_the_host_comes_back_however_often_it_failed_before(promotion: Promotion) -> None:
    for tries in range(1, 12):
        job = promotion.attempt(NOBODY)
        assert (job.state, job.setbacks, job.give_up_at) == (JobState.QUEUED, tries, promotion.expires_at)
        assert "the serving host does not answer" in (job.error or "")
        assert promotion.state() is CycleState.AWAITING_PROMOTION
    with scripted_engine() as host:
        host.raw = b"{}"
        assert promotion.attempt(host.url).state is JobState.SUCCEEDED
    assert promotion.state() is CycleState.DEPLOYED
    with promotion.database.unit(promotion.agency.id) as session:
        assert aliases(session, promotion.workshop.model.id)[Alias.PRODUCTION].number == "1.1"


def test_it_fails_with_the_reason_once_the_approval_has_run_out(promotion: Promotion) -> None:
    promotion.attempt(NOBODY)
    promotion.end_patience()
    job = promotion.attempt(NOBODY)
    assert job.state is JobState.FAILED
    assert "given up after 2 tries" in (job.error or "")
    with promotion.database.unit(promotion.agency.id) as session:
        assert session.exec(select(JobRow).where(JobRow.name == FailCycle.name)).one().args["reason"] == job.error
