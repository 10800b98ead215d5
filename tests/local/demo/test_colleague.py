"""The demo's second person is one: two keys of the same person are not two labellers, nor two approvals."""

from typing import Any

from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from tests.support.factories import make_key
from tuneloop.identity.keys import principal_of_key
from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency, Role
from tuneloop.web.app import create_app
from tuneloop_local.demo.office import colleague_s_key


def test_the_second_labeller_is_a_second_person(database: Database, agency: Agency, storage: Storage) -> None:
    site: Litestar = create_app(Settings(secret_key=SecretStr("a test's")), database, storage, lifespan=())
    owner_key = make_key(database, agency)
    with TestClient(site) as owner, TestClient(site) as browser:
        owner.headers["Authorization"] = f"Bearer {owner_key}"

        def post(path: str, body: Any) -> Any:
            return owner.post(path, json=body).raise_for_status().json()

        key = colleague_s_key(post, browser, "otto@north.example")
    with database.all_agencies() as session:
        first, second = (principal_of_key(session, token=each, origin="api") for each in (owner_key, key))
    assert first.person_id != second.person_id
    assert (second.role, second.signature) == (Role.OPERATOR, "Otto Operator (key labelling)")
