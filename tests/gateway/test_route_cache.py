"""What the route table costs: a change is told by the schema and read by itself, a name that is none once."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Engine, event, text
from sqlmodel import select

from tests.gateway.own_database import OwnDatabase
from tests.gateway.waiting import eventually
from tests.gateway.world import World, make_version, make_world
from tests.support.factories import SUPPORT, make_model
from tuneloop.gateway.kept_routes import KeptRoutes
from tuneloop.gateway.route_cache import RouteKeeper
from tuneloop.gateway.route_changes import CHANNEL, Changes
from tuneloop.gateway.route_reading import RouteReader
from tuneloop.gateway.route_table import RouteTable
from tuneloop.identity.secrets import token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.registry.service import point
from tuneloop.tables import Alias, ApiKey


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    assert isinstance(database.engine, Engine)
    sent: list[str] = []

    def keep(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "set_config" not in statement:
            sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", keep)
    yield sent
    event.remove(database.engine, "before_cursor_execute", keep)


def caller(world: World) -> Principal:
    return Principal.system(world.agency.id, "test")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("update version_alias set version_id = :v11 where version_id = :v10", "model {model}"),
        ("delete from version_alias where version_id = :v10", "model {model}"),
        ("update registered_model set slug = 'help' where id = :model", "model {model}"),
        ("update client set slug = 'acme-2' where agency_id = :agency", "agency {agency}"),
        ("update base_model set upstream_url = 'http://127.0.0.1:1' where id = :base", "base {base}"),
        ("update api_key set revoked_at = now() where agency_id = :agency", "key {key}"),
        ("delete from api_key where agency_id = :agency", "key {key}"),
        ("update api_key set last_used_at = now() where agency_id = :agency", None),
        ("update registered_model set policy = policy where id = :model", None),
    ],
)
def test_whoever_changes_a_route_tells_the_gateways(
    statement: str, told: str | None, world: World, own_database: OwnDatabase
) -> None:
    with world.database.unit(world.agency.id) as session:
        key = session.exec(select(ApiKey.id)).one()
    ids = {
        "model": world.model.id,
        "agency": world.agency.id,
        "base": world.base.id,
        "v10": world.v10.id,
        "v11": world.v11.id,
        "key": key,
    }
    with psycopg.connect(own_database.url, autocommit=True) as ear:
        ear.execute(f"listen {CHANNEL}")
        with world.database.all_agencies() as session:
            session.execute(text(statement), ids)
            session.execute(text(f"notify {CHANNEL}, 'done'"))
        heard = []
        for notice in ear.notifies():
            if notice.payload == "done":
                break
            heard.append(notice.payload)
    assert heard == ([] if told is None else [told.format(**ids)])


def test_a_notice_names_what_to_read_and_an_unknown_one_everything() -> None:
    first, second = new_id(), new_id()
    changes = Changes()
    assert not changes
    for payload in (f"model {first}", f"key {second}", f"person {second}"):
        changes.note(payload)
    assert (changes.models, changes.keys, changes.people, changes.everything) == ({first}, {second}, {second}, False)
    for payload in ("", "model x", "weather 1"):
        other = Changes()
        other.note(payload)
        assert other.everything
    changes.add(other)
    assert (changes.models, changes.everything) == ({first}, True)


def test_one_change_costs_the_same_among_many_models(world: World, database: Database) -> None:
    reader, table = RouteReader(), RouteTable()
    for number in range(5):
        make_version(database, make_model(database, world.client, world.base, f"model-{number}"), "1.0", SUPPORT)
    last: UUID | None = None
    with statements(database) as paged, database.all_agencies() as session:
        while (page := reader.models_after(session, last)).models:
            table.take(page)
            last = list(page.models)[-1]
    assert len(paged) <= 12
    route = table.find(caller(world), "acme/support")
    assert route is not None
    assert route.version_id == world.v10.id
    world.promote(world.v11)
    with statements(database) as sent, database.all_agencies() as session:
        reading = reader.changed(session, Changes(models={world.model.id}))
    assert set(reading.models) == {world.model.id}
    assert len(sent) == 5, "versions, services, aliases, tests: of this model alone, and no manifest again"
    table.take(reading)
    after = table.find(caller(world), "acme/support")
    assert after is not None
    assert after.version_id == world.v11.id
    assert table.find(caller(world), "acme/model-3@v1.0") is not None
    with database.all_agencies() as session:
        gone = new_id()
        assert reader.changed(session, Changes(models={gone})).models == {gone: None}
        table.take(reader.changed(session, Changes(models={gone}))._replace(models={world.model.id: None}))
    assert table.find(caller(world), "acme/support") is None


def test_a_secret_ends_on_time_without_the_database(world: World, database: Database) -> None:
    table = RouteTable()
    with database.all_agencies() as session:
        page = RouteReader().keys_after(session, None)
    table.take(page)
    digest = token_digest(world.key)
    known = table.caller(digest)
    assert known is not None
    (secret,) = page.keys[known.actor_id or new_id()]
    table.take(page._replace(models={}, keys={secret.key_id: [secret._replace(until=now() + timedelta(hours=1))]}))
    assert table.caller(digest) is not None
    table.take(page._replace(models={}, keys={secret.key_id: [secret._replace(until=now())]}))
    assert table.caller(digest) is None
    table.take(page._replace(models={}, keys={secret.key_id: []}))
    assert table.caller(digest) is None


def test_a_name_that_is_none_is_looked_up_once_and_a_new_one_is_found(world: World, tmp_path: Path) -> None:
    async def ask() -> None:
        keeper = RouteKeeper(world.database, KeptRoutes(tmp_path))
        await keeper.begin()
        with statements(world.database) as sent:
            for _ in range(50):
                assert await keeper.route(caller(world), "acme/suport") is None
        assert len(sent) == 1
        version = make_version(
            world.database, made := make_model(world.database, world.client, world.base, "new"), "1.0", SUPPORT
        )
        with world.database.unit(world.agency.id) as session:
            point(session, made, Alias.PRODUCTION, version.id)
        with statements(world.database) as sent:
            found = await keeper.route(caller(world), "acme/new")
        assert found is not None
        assert found.version_id == version.id
        assert len(sent) <= 7

    asyncio.run(ask())


def test_a_gateway_that_hears_nothing_reads_everything_at_every_look(world: World, tmp_path: Path) -> None:
    def digest(keeper: RouteKeeper) -> str | None:
        found = keeper.table.find(caller(world), "acme/support")
        return None if found is None else found.digest

    async def wait() -> None:
        keeper = RouteKeeper(world.database, KeptRoutes(tmp_path), poll_seconds=0.05)
        await keeper.begin()
        running = asyncio.create_task(keeper.run())
        world.promote(world.v11)
        await asyncio.to_thread(eventually, lambda: digest(keeper) == world.v11.digest)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    asyncio.run(wait())


def test_what_is_kept_is_what_was_read_and_forgets_what_is_gone(tmp_path: Path, database: Database) -> None:
    world = make_world(database)
    world.begin_test()
    reader, kept = RouteReader(), KeptRoutes(tmp_path)
    with database.all_agencies() as session:
        models = reader.changed(session, Changes(models={world.model.id}))
        keys = reader.keys_after(session, None)
    kept.keep(models)
    kept.keep(keys)
    assert kept.recall() is None, "a file that is not whole yet, or begins anew after a fault, does not count"
    kept.forget_before(0)
    again = kept.recall()
    assert again is not None
    assert again.models == models.models
    assert {key: list(secrets) for key, secrets in again.keys.items()} == {
        key: list(secrets) for key, secrets in keys.keys.items() if secrets
    }
    kept.keep(models._replace(models={world.model.id: None}))
    again = kept.recall()
    assert again is not None
    assert again.models == {}
