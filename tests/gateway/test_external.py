"""The gateway passes questions on to a service that hosts the whole model."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from pydantic import SecretStr

from tests.gateway.own_database import OwnDatabase
from tests.gateway.server import serving
from tests.gateway.waiting import eventually
from tests.gateway.world import QUESTION, World
from tests.support.factories import owner_of
from tests.support.openai_account import KEY, LAST_DAY, TUNED, tuned_account
from tests.support.ports import free_port
from tuneloop.deployment.external import serve
from tuneloop.deployment.service import roll_back
from tuneloop.gateway.external import ServiceRefuses
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.outgoing.guard import AddressRefused
from tuneloop.kit.settings import Settings
from tuneloop.registry.external import Terms, Tried, add_external, endpoint_of, find_endpoint, try_service
from tuneloop.tables import AdapterVersion, ExternalEndpoint
from tuneloop_local.emulators.openai.account import Account, HostedModel
from tuneloop_local.emulators.openai.app import running


@pytest.fixture
def account() -> Account:
    return tuned_account()


@pytest.fixture
def service(account: Account) -> Iterator[str]:
    with running(account, free_port()) as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, secret_key=SecretStr("a key"), reachable_networks="127.0.0.0/8")


@pytest.fixture
def version(world: World, settings: Settings, service: str) -> AdapterVersion:
    """In production."""
    tried = try_service(settings, url=service, model=TUNED, key=KEY)
    with world.database.unit(world.agency.id) as session:
        made = add_external(
            session, principal=owner_of(world.agency), model=world.model, tried=tried, terms=Terms(), settings=settings
        )
    world.promote(made)
    return made


@pytest.fixture
def client(own_database: OwnDatabase, world: World, settings: Settings, version: AdapterVersion) -> Iterator[OpenAI]:
    with serving(settings, own_database) as url, OpenAI(base_url=f"{url}/v1", api_key=world.key, max_retries=0) as made:
        yield made


def endpoint(world: World, version: AdapterVersion) -> ExternalEndpoint:
    with world.database.unit(world.agency.id) as session:
        return find_endpoint(session, version)


def test_it_answers_streams_and_is_logged_as_any_version(
    client: OpenAI, world: World, account: Account, version: AdapterVersion
) -> None:
    account.models[TUNED].answer = lambda _messages: '"Refund"'
    account.asked.clear()
    whole = client.chat.completions.create(model="acme/support", messages=QUESTION)
    assert whole.choices[0].message.content == '"Refund"'
    assert whole.model == f"acme/support@v{version.number}"
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 4
    chunks = list(client.chat.completions.create(model="acme/support", messages=QUESTION, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == '"Refund"'
    own: list[Any] = [{"role": "system", "content": "Say refund."}, *QUESTION]
    client.chat.completions.create(model="acme/support", messages=own, max_tokens=5)
    eventually(lambda: len(world.predictions()) == 3)
    rows = world.predictions()
    assert {(row.answer, row.version_id, row.digest) for row in rows} == {("refund", version.id, version.digest)}
    assert all(0.9 < (row.confidence or 0) < 1 and row.margin for row in rows)
    first, _, last = account.asked
    assert first["messages"][0] == {"role": "system", "content": world.model.contract["system_prompt"]}
    assert (first["model"], first["logprobs"], first["temperature"]) == (TUNED, True, 0.0)
    assert (last["messages"], last["max_tokens"]) == (own, 5)


def test_without_log_probabilities_there_is_no_confidence(
    own_database: OwnDatabase, world: World, settings: Settings, service: str, account: Account
) -> None:
    account.models[TUNED].reasoning = True
    with pytest.raises(AddressRefused):
        try_service(Settings(), url=service, model=TUNED, key=KEY)
    tried = try_service(settings, url=f"{service}/chat/completions", model=TUNED, key=KEY)
    assert (tried.gives_confidence, tried.ends_on, tried.service.url) == (False, LAST_DAY, service)
    account.models[TUNED].reasoning = False
    with world.database.unit(world.agency.id) as session:
        made = add_external(
            session,
            principal=owner_of(world.agency),
            model=world.model,
            tried=tried,
            terms=Terms(ends_on=date(2027, 1, 1)),
            settings=settings,
        )
        kept = endpoint_of(session, made.id)
        assert kept is not None
        assert (kept.ends_on, kept.end_is_typed, KEY in str(kept.sealed_key)) == (date(2027, 1, 1), True, False)
    world.promote(made)
    headers = {"Authorization": f"Bearer {world.key}"}
    with serving(settings, own_database) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as http:
        said = http.post("/v1/chat/completions", json={"model": "acme/support", "messages": QUESTION}).json()
        assert (said["tuneloop"]["confidence"], said["tuneloop"]["margin"]) == (None, None)
        eventually(lambda: len(world.predictions()) == 1)
    (row,) = world.predictions()
    assert (row.answer, row.confidence, row.margin) == ("order", None, None)


def test_the_callers_faults_and_busy_times_are_passed_on(client: OpenAI, account: Account) -> None:
    account.models[TUNED].context_tokens = 3
    with pytest.raises(openai.BadRequestError, match="context"):
        client.chat.completions.create(model="acme/support", messages=QUESTION)
    account.requests_per_minute = 0
    with pytest.raises(openai.RateLimitError) as busy:
        client.chat.completions.create(model="acme/support", messages=QUESTION)
    assert int(busy.value.response.headers["retry-after"]) >= 1
    account.requests_per_minute = None
    account.failure = (503, {"message": "overloaded", "type": "server_error"})
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="acme/support", messages=QUESTION)


def test_a_refused_key_is_told_to_the_agency_and_not_to_its_client(
    client: OpenAI, world: World, account: Account, version: AdapterVersion
) -> None:
    account.keys = {"sk-another"}
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as refused:
            client.chat.completions.create(model="acme/support", messages=QUESTION, stream=stream)
        assert refused.value.status_code == 502
        assert refused.value.code == ServiceRefuses.code
        assert "key" not in refused.value.message.lower()
    eventually(lambda: endpoint(world, version).problem is not None)
    noted = endpoint(world, version)
    assert "401" in (noted.problem or "")
    assert noted.problem_at is not None


def test_after_its_last_day_the_agency_is_told_too(
    client: OpenAI, world: World, account: Account, version: AdapterVersion
) -> None:
    account.today = lambda: LAST_DAY
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="acme/support", messages=QUESTION)
    eventually(lambda: "deprecated" in (endpoint(world, version).problem or ""))


def test_another_service_takes_over_and_is_rolled_back_and_one_that_has_ended_is_refused(
    client: OpenAI, world: World, account: Account, settings: Settings, version: AdapterVersion
) -> None:
    """From one hosted model to another, such as a client who changes services."""
    successor = "ft:gpt-4.1-mini-2025-04-14:acme::Z9y8X7w6"
    account.add(HostedModel(successor, lambda _messages: "refund", owned_by="acme"))
    owner = owner_of(world.agency)

    def answered() -> str | None:
        said = client.chat.completions.create(model="acme/support", messages=QUESTION)
        return said.choices[0].message.content

    def put(reason: str = "the client moves", digest: str | None = None) -> None:
        with world.database.unit(world.agency.id) as session:
            serve(
                session,
                principal=owner,
                model=world.model,
                version=f"v{second.number}",
                digest=digest or second.digest,
                reason=reason,
            )

    assert answered() == "order"
    tried = Tried(try_service(settings, url=endpoint(world, version).url, model=successor, key=KEY).service, True, None)
    with world.database.unit(world.agency.id) as session:
        second = add_external(
            session, principal=owner, model=world.model, tried=tried, terms=Terms(), settings=settings
        )
    assert answered() == "order", "production stays until somebody says otherwise"
    with pytest.raises(InvalidInput, match="say why"):
        put(reason=" ")
    with pytest.raises(Conflict, match="another version"):
        put(digest="9" * 64)
    put()
    eventually(lambda: answered() == "refund")
    with pytest.raises(Conflict, match="in production already"):
        put()
    with world.database.unit(world.agency.id) as session:
        roll_back(session, principal=owner, model=world.model, digest=version.digest)
        find_endpoint(session, second).ends_on = date(2026, 1, 1)
    eventually(lambda: answered() == "order")
    with pytest.raises(Conflict, match="has answered until 2026-01-01"):
        put()


def test_what_was_tried_is_one_version_once(world: World, settings: Settings, version: AdapterVersion) -> None:
    kept = endpoint(world, version)
    tried = Tried(try_service(settings, url=kept.url, model=TUNED, key=KEY).service, True, None)
    with (
        pytest.raises(Exception, match=f"v{version.number} is this model"),
        world.database.unit(world.agency.id) as session,
    ):
        add_external(
            session, principal=owner_of(world.agency), model=world.model, tried=tried, terms=Terms(), settings=settings
        )
