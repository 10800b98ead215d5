"""An agency writes from its own address once that address's domain says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from tests.support.dns import dns_server
from tests.support.factories import make_key
from tests.support.web_application import web_application
from tuneloop.email.dkim import DkimKey, new_dkim_key
from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency

Http = TestClient[Litestar]
SENDER = "/api/v1/mail/sender"
OURS = "post@tuneloop.example"


@pytest.fixture
def records() -> dict[str, str]:
    return {}


@pytest.fixture
def settings(tmp_path: Path, records: dict[str, str]) -> Iterator[Settings]:
    with dns_server(records) as address:
        yield Settings(
            data_dir=tmp_path,
            smtp_url=SecretStr("smtp://mail.example"),
            mail_from=f"Tuneloop <{OURS}>",
            dns_server=address,
            secret_key=SecretStr("secret"),
        )


@pytest.fixture
def api(settings: Settings, database: Database, storage: Storage, agency: Agency) -> Iterator[Http]:
    with TestClient(web_application(settings, database, storage)) as http:
        http.headers["Authorization"] = f"Bearer {make_key(database, agency)}"
        yield http


def test_an_own_address_is_used_once_its_key_is_in_the_dns(api: Http, records: dict[str, str]) -> None:
    body = {"email": "reports@north.example", "name": "North", "new_dkim_key": True}
    made = api.put(SENDER, json=body).json()
    assert (made["used"], made["proven_at"]) == (OURS, None)
    refused = api.post(f"{SENDER}/proof")
    assert (refused.status_code, f"no TXT record at {made['dns_name']}" in refused.text) == (409, True)
    records[made["dns_name"]] = new_dkim_key("north.example").dns_value
    refused = api.post(f"{SENDER}/proof")
    assert (refused.status_code, "holds another record" in refused.text) == (409, True)
    assert api.get(SENDER).json()["used"] == OURS
    records[made["dns_name"]] = made["dns_value"].replace("; ", " ;")
    proven = api.post(f"{SENDER}/proof").json()
    assert proven["used"] == "reports@north.example"
    assert proven["proven_at"] is not None
    renamed = api.put(SENDER, json={"email": "hello@north.example", "name": "North"}).json()
    assert (renamed["used"], renamed["proven_at"]) == ("hello@north.example", proven["proven_at"])
    assert api.put(SENDER, json=body).json()["proven_at"] is None, "a new key is published nowhere"
    elsewhere = api.put(SENDER, json={"email": "boss@bank.example", "name": "North"}).json()
    assert (elsewhere["used"], elsewhere["dns_name"]) == (OURS, None)
    refused = api.post(f"{SENDER}/proof")
    assert (refused.status_code, "no DKIM key to look for" in refused.text) == (422, True)


def test_a_dns_that_does_not_answer_proves_nothing(api: Http, settings: Settings, records: dict[str, str]) -> None:
    api.put(SENDER, json={"email": "reports@north.example", "name": "North", "new_dkim_key": True})
    api.app.state.settings = settings.model_copy(update={"dns_server": "127.0.0.1:9"})
    refused = api.post(f"{SENDER}/proof")
    assert (refused.status_code, "the DNS does not say" in refused.text) == (503, True)


@pytest.mark.parametrize("changed", [{"mail_proof": False}, {"smtp_url": SecretStr("")}])
def test_no_proof_is_asked_for_where_it_is_off_or_nothing_goes_out(
    api: Http, settings: Settings, changed: dict[str, object]
) -> None:
    api.app.state.settings = settings.model_copy(update=changed)
    found = api.put(SENDER, json={"email": "reports@north.example", "name": "North"}).json()
    assert (found["used"], found["proven_at"]) == ("reports@north.example", None)


def test_a_key_is_known_by_its_public_half_alone() -> None:
    key: DkimKey = new_dkim_key("north.example", "s1")
    assert key.dns_name == "s1._domainkey.north.example"
    public = key.dns_value.partition("p=")[2]
    assert key.is_published(["v=spf1 -all", f"k=rsa;p={public[:90]} {public[90:]}; t=s"])
    assert not key.is_published(["", "p=", f"v=DKIM1; p={public[:-4]}"])
