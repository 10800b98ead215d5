"""A base of the catalogue is ordered by who may, and a worker brings it from the hub."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from tests.support.committed import Committed, committed_agency
from tests.support.factories import owner_of
from tests.support.hub import StandIn, hub_stand_in
from tests.support.tiny_models import build_tiny_pair
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.errors import Conflict, NotAllowed, NotFound
from tuneloop.kit.jobs import JobRow, JobState, Queue
from tuneloop.kit.jobs.runtime import Runtime
from tuneloop.kit.principal import Principal, Role
from tuneloop.kit.settings import BaseAdding, Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.base_orders import order_base, orders, suggestion, why_not
from tuneloop.registry.service import list_bases
from tuneloop.tables import Agency
from tuneloop.worker import load_handlers
from tuneloop_local.engines import EngineUrls

NAME = "qwen3-0.6b"


@pytest.fixture
def hub() -> Iterator[StandIn]:
    with hub_stand_in() as made:
        yield made


@pytest.fixture
def own(engine: Engine, urls: EngineUrls) -> Iterator[Committed]:
    with committed_agency(engine, urls) as made:
        yield made
    owner = make_engine(urls.migration, pool_size=1)
    with owner.begin() as connection:
        connection.execute(text("delete from base_model where name = :name"), {"name": NAME})
    owner.dispose()


def test_the_worker_brings_it_and_says_what_is_wrong_where_it_cannot(
    own: Committed, hub: StandIn, urls: EngineUrls, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data", database_url=urls.database, hub_url=hub.url)
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    load_handlers(Queue.GPU)
    worker = Runtime(own.database, storage, settings)
    owner = owner_of(own.agency)

    def ordered() -> UUID:
        with own.database.unit(own.agency.id) as session:
            job = order_base(session, principal=owner, name=NAME, refusal=None)
            with pytest.raises(Conflict, match="being added already"):
                order_base(session, principal=owner, name=NAME, refusal=None)
            return job.id

    first = ordered()
    worker.run(first)
    with own.database.unit(own.agency.id) as session:
        (failed,) = orders(session)
        assert (failed.id, failed.state) == (first, JobState.FAILED)
        assert failed.error is not None
        assert suggestion(NAME).repository in failed.error
        assert NAME not in {base.name for base in list_bases(session)}

    pair = build_tiny_pair(tmp_path / "pair", "qwen3")
    hub.repositories[suggestion(NAME).repository] = {
        "Qwen3-0.6B-Q8_0.gguf": pair.gguf.read_bytes(),
        "Qwen3-0.6B-Q4_K_M.gguf": b"another one",
    }
    second = ordered()
    worker.run(second)
    with own.database.unit(own.agency.id) as session:
        job = session.get_one(JobRow, second)
        assert (job.state, job.error) == (JobState.SUCCEEDED, None)
        (base,) = [each for each in list_bases(session) if each.name == NAME]
        assert (base.architecture, base.licence) == ("qwen3", suggestion(NAME).licence)
        assert base.source.startswith(f"hub:{suggestion(NAME).repository}@")
        assert list(orders(session)) == [], "neither what came nor what failed before it came"
        with pytest.raises(Conflict, match="already"):
            order_base(session, principal=owner, name=NAME, refusal=None)


def test_who_may_add_one_is_a_setting_and_whoever_may_not_hears_who_can(
    database: Database, agency: Agency, own: Committed
) -> None:
    owner = owner_of(own.agency)
    admin = replace(owner, role=Role.ADMIN)
    with database.all_agencies() as everywhere:
        assert why_not(everywhere, owner, BaseAdding.OWNERS) is None
        assert "An owner of your agency" in (why_not(everywhere, admin, BaseAdding.OWNERS) or "")
        assert "Several agencies" in (why_not(everywhere, owner, BaseAdding.ONLY_AGENCY) or ""), agency.slug
        assert "Whoever runs this installation" in (why_not(everywhere, owner, BaseAdding.NOBODY) or "")


def test_only_what_the_catalogue_names_is_brought(session: TenantSession, principal: Principal) -> None:
    with pytest.raises(NotFound, match="catalogue"):
        order_base(session, principal=principal, name="hub:somebody/anything", refusal=None)
    with pytest.raises(NotAllowed, match="owner"):
        order_base(session, principal=principal, name=NAME, refusal="An owner adds it.")
