"""A client on a plan, and a local Stripe."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from tests.billing.emulator import Running, Shop, open_shop, running
from tests.billing.office import Office, office
from tests.billing.three import make_three
from tests.support.web_application import web_application
from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency, Client
from tuneloop_local.emulators.stripe.spec import VERSION

CACHE = Path(gettempdir()) / f"tuneloop-stripe-{VERSION}.json"

Http = TestClient[Litestar]
OnPlan = Callable[..., dict[str, Any]]


@pytest.fixture
def on_plan(api: Http, client_row: Client) -> OnPlan:
    """Puts acme on a plan made from a template."""

    def put(tier: str, **choice: Any) -> dict[str, Any]:
        made = api.post("/api/v1/plans", json={"slug": tier, "tier": tier})
        assert made.status_code in (201, 409), made.text
        answer = api.put(f"/api/v1/clients/{client_row.slug}/plan", json={"plan": tier, **choice})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return put


@pytest.fixture(scope="session")
def emulator() -> Iterator[Running]:
    """A local Stripe; each test opens an account of its own there."""
    with running(CACHE) as started:
        yield started


@pytest.fixture
def shop(emulator: Running) -> Shop:
    return open_shop(emulator)


@pytest.fixture
def settings(tmp_path: Path, emulator: Running) -> Settings:
    port = int(emulator.url.rpartition(":")[2])
    return Settings(
        data_dir=tmp_path,
        secret_key=SecretStr("a test's"),
        stripe_emulator_port=port,
        stripe_url=f"http://127.0.0.1:{port}",
        stripe_platform_url=f"http://127.0.0.1:{port}",
        stripe_platform_key=SecretStr("sk_test_emulator_platform"),
        stripe_webhook_secret=SecretStr("whsec_platform"),
    )


@pytest.fixture
def app(settings: Settings, database: Database, storage: Storage) -> Litestar:
    return web_application(settings, database, storage)


@pytest.fixture
def north(
    database: Database, agency: Agency, settings: Settings, storage: Storage, api: Http, emulator: Running
) -> Iterator[Office]:
    """The agency, connected to the emulator."""
    with office(database, agency, settings, storage, api, emulator) as made:
        yield made


@pytest.fixture
def agency_of_three(north: Office) -> dict[str, Client]:
    return make_three(north)
