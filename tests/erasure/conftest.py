"""A client with a row in every table, really committed, and a worker that does its erasures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text

from tests.support.committed import committed_agency
from tests.support.factories import make_base, owner_of
from tests.support.runtime import silent_runtime
from tests.support.world import World, make_world
from tuneloop.erasure.service import confirm_erasure, find_erasure, request_erasure
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Erasure, ErasureKind
from tuneloop_local.engines import EngineUrls


class Stage(NamedTuple):
    """`owner` may change what never changes, for planting; `other` is another client of the agency."""

    database: Database
    world: World
    other: World
    owner: Connection
    storage: Storage
    settings: Settings

    def work(self, request: Erasure) -> Erasure:
        """Do the request's job; whatever else it queued waits."""
        assert request.job_id is not None
        silent_runtime(self.database, self.storage, self.settings).run(request.job_id)
        with self.database.unit(request.agency_id) as session:
            job = session.get_one(JobRow, request.job_id)
            assert job.state is JobState.SUCCEEDED, job.error
            return find_erasure(session, request.id)

    def preview(self, kind: ErasureKind, target: str | None = None, **said: Any) -> Erasure:
        with self.database.unit(self.world.agency.id) as session:
            request = request_erasure(
                session, principal=owner_of(self.world.agency), kind=kind, target=target, reason="asked for", **said
            )
        return self.work(request)

    def erase(self, kind: ErasureKind, target: str | None = None, **said: Any) -> Erasure:
        return self.confirm(self.preview(kind, target, **said).id)

    def confirm(self, erasure_id: UUID) -> Erasure:
        with self.database.unit(self.world.agency.id) as session:
            confirmed = confirm_erasure(session, principal=owner_of(self.world.agency), erasure_id=erasure_id)
        return self.work(confirmed)


@pytest.fixture
def stage(engine: Engine, urls: EngineUrls, storage: Storage, tmp_path: Path) -> Iterator[Stage]:
    owner_engine = make_engine(urls.migration, pool_size=1)
    name = f"base-{new_id()}"
    with committed_agency(engine, urls) as (database, agency), owner_engine.connect() as owner:
        base = make_base(database, name)
        with database.all_agencies() as session:
            world = make_world(session, agency, base, f"acme-{new_id().hex[-8:]}")
            other = make_world(session, agency, base, f"beta-{new_id().hex[-8:]}")
        outside = owner.execution_options(isolation_level="AUTOCOMMIT")
        yield Stage(database, world, other, outside, storage, Settings(data_dir=tmp_path))
    with owner_engine.begin() as connection:
        connection.execute(text("delete from base_model where name = :name"), {"name": name})
    owner_engine.dispose()
