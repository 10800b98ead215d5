"""Whom a key lets call what."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx

from tests.gateway.waiting import eventually
from tests.gateway.world import QUESTION, World, make_version, make_world
from tests.support.factories import SUPPORT, make_client, make_model, owner_of
from tuneloop.identity.keys import keys, revoke_key
from tuneloop.kit.db import Database
from tuneloop.registry.service import point
from tuneloop.tables import Alias, Role


@contextmanager
def caller(base_url: str, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as http:
        yield http


def ask(http: httpx.Client, name: str) -> int:
    return http.post("/v1/chat/completions", json={"model": name, "messages": QUESTION}).status_code


def test_another_agencys_model_does_not_exist(base_url: str, world: World, database: Database) -> None:
    other = make_world(database)
    second = make_model(database, other.client, other.base, "only-theirs")
    version = make_version(database, second, "1.0", SUPPORT)
    with database.unit(other.agency.id) as session:
        point(session, second, Alias.PRODUCTION, version.id)
    with caller(base_url, world.key) as ours, caller(base_url, other.key) as theirs:
        assert ask(theirs, "acme/only-theirs") == 200
        assert ask(ours, "acme/only-theirs") == 404
        assert "acme/only-theirs" not in ours.get("/v1/models").text


def test_same_name_in_two_agencies_reaches_each_its_own(base_url: str, world: World, database: Database) -> None:
    other = make_world(database)
    for each in (world, other):
        with caller(base_url, each.key) as http:
            answer = http.post("/v1/chat/completions", json={"model": "acme/support", "messages": QUESTION}).json()
            assert answer["tuneloop"]["digest"] == each.v10.digest


def test_client_scoped_key_reaches_its_client_only(base_url: str, world: World, database: Database) -> None:
    globex = make_client(database, world.agency, "globex")
    model = make_model(database, globex, world.base)
    version = make_version(database, model, "1.0", SUPPORT)
    with database.unit(world.agency.id) as session:
        point(session, model, Alias.PRODUCTION, version.id)
    key = world.another_key(client="globex")
    with caller(base_url, key) as scoped, caller(base_url, world.key) as whole:
        assert ask(whole, "globex/support") == 200
        assert ask(scoped, "globex/support") == 200
        assert ask(scoped, "acme/support") == 404
        assert {model["owned_by"] for model in scoped.get("/v1/models").json()["data"]} == {"globex"}


def test_candidate_answers_to_operators_only(base_url: str, world: World) -> None:
    with caller(base_url, world.another_key(role=Role.OPERATOR)) as operator:
        assert ask(operator, "acme/support@candidate") == 200
    with caller(base_url, world.another_key(role=Role.VIEWER)) as viewer:
        assert ask(viewer, "acme/support") == 200
        assert ask(viewer, "acme/support@candidate") == 404
        assert ask(viewer, "acme/support@v1.1") == 404


def test_new_key_works_at_once(base_url: str, world: World) -> None:
    with caller(base_url, world.another_key()) as http:
        assert ask(http, "acme/support") == 200


def test_revoked_key_stops_working(base_url: str, world: World, database: Database) -> None:
    with caller(base_url, world.key) as http:
        assert ask(http, "acme/support") == 200
        with database.unit(world.agency.id) as session:
            revoke_key(session, principal=owner_of(world.agency), key_id=_only_key(database, world))
        eventually(lambda: ask(http, "acme/support") == 401)


def _only_key(database: Database, world: World) -> UUID:
    with database.unit(world.agency.id) as session:
        return keys(session)[0].id


def test_damaged_version_hides_no_other(base_url: str, world: World, database: Database) -> None:
    damaged = make_model(database, world.client, world.base, "damaged")
    version = make_version(database, damaged, "1.0", SUPPORT, manifest={"contract": {"task": "sing"}})
    with database.unit(world.agency.id) as session:
        point(session, damaged, Alias.PRODUCTION, version.id)
    with caller(base_url, world.key) as http:
        assert ask(http, "acme/damaged") == 404
        assert ask(http, "acme/support") == 200


def test_an_address_that_sends_many_unknown_keys_waits_and_a_known_key_does_not(
    http: httpx.Client, base_url: str
) -> None:
    asked = [
        httpx.get(f"{base_url}/v1/models", headers={"Authorization": f"Bearer tl_{number}"}, trust_env=False)
        for number in range(31)
    ]
    assert [answer.status_code for answer in asked] == [401] * 30 + [429]
    assert int(asked[-1].headers["retry-after"]) > 0
    assert http.get("/v1/models").status_code == 200
