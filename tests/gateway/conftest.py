"""The gateway over real HTTP, on a database of its own: background work needs commits that others can see."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from openai import OpenAI
from psycopg import sql
from sqlalchemy import make_url

from tests.gateway.own_database import OwnDatabase
from tests.gateway.server import serving
from tests.gateway.world import World, make_world
from tests.support.upstream import ScriptedEngine, scripted_engine
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.migrations import migrate
from tuneloop.kit.settings import Settings
from tuneloop_local.engines import EngineUrls


@pytest.fixture(scope="session")
def own_database(urls: EngineUrls) -> OwnDatabase:
    name = "gateway_tests"
    with psycopg.connect(urls.migration, autocommit=True) as owner:
        owner.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    migrate(make_url(urls.migration).set(database=name).render_as_string(hide_password=False))
    url = make_url(urls.database).set(database=name).render_as_string(hide_password=False)
    return OwnDatabase(name, url, urls.migration)


@pytest.fixture
def database(own_database: OwnDatabase) -> Iterator[Database]:
    engine = make_engine(own_database.url)
    yield Database(engine)
    engine.dispose()


@pytest.fixture
def world(database: Database) -> World:
    return make_world(database)


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    with scripted_engine() as scripted:
        yield scripted


@pytest.fixture
def base_url(own_database: OwnDatabase, world: World, engine: ScriptedEngine, tmp_path: Path) -> Iterator[str]:
    """A running gateway whose local engine is the scripted one."""
    with serving(Settings(data_dir=tmp_path, serve_url=engine.url), own_database) as url:
        yield url


@pytest.fixture
def openai(base_url: str, world: World) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{base_url}/v1", api_key=world.key, max_retries=0) as client:
        yield client


@pytest.fixture
def http(base_url: str, world: World) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {world.key}"}
    with httpx.Client(base_url=base_url, headers=headers, trust_env=False, timeout=30) as client:
        yield client
