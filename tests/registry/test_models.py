"""Registered models, their versions and aliases."""

import pytest
from sqlmodel import Session

from tests.support.factories import SUPPORT, make_base, make_client, make_model
from tests.support.world import make_version, manifest
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import BaseChat, Contract, Task, Template
from tuneloop.registry.policy import Policy
from tuneloop.registry.service import (
    add_base,
    aliases,
    change_model,
    contract_of,
    create_model,
    find_model,
    find_version,
    full_name,
    list_versions,
    manifest_of,
    point,
    policy_of,
)
from tuneloop.tables import AdapterVersion, Agency, Alias, BaseModel, Client, Pool, RegisteredModel, Snapshot


@pytest.fixture
def base(database: Database) -> BaseModel:
    return make_base(database)


@pytest.fixture
def model(database: Database, client_row: Client, base: BaseModel) -> RegisteredModel:
    return make_model(database, client_row, base)


def add_versions(session: Session, model: RegisteredModel, base: BaseModel, *numbers: str) -> list[AdapterVersion]:
    snapshot = Snapshot(
        client_id=model.client_id, model_id=model.id, pool=Pool.TRAINING, digest="1" * 64, size=1, categories={}
    )
    session.add(snapshot)
    session.flush()
    versions = [
        make_version(model, manifest(base, adapter=f"{place:064x}"), number, snapshot)
        for place, number in enumerate(numbers)
    ]
    session.add_all(versions)
    session.flush()
    return versions


def _create(session: Session, principal: Principal, slug: str = "support", client: str = "acme") -> RegisteredModel:
    return create_model(
        session, principal=principal, client=client, slug=slug, base="tiny", contract=SUPPORT, policy=Policy()
    )


@pytest.mark.usefixtures("base", "client_row")
def test_a_name_is_taken_once_per_client(
    session: TenantSession, principal: Principal, database: Database, agency: Agency
) -> None:
    model = _create(session, principal)
    make_client(database, agency, "beta")
    _create(session, principal, client="beta")
    with pytest.raises(Conflict, match="acme/support already"):
        _create(session, principal)
    assert full_name(session, model) == "acme/support"
    assert (contract_of(model), policy_of(model)) == (SUPPORT, Policy())


@pytest.mark.usefixtures("client_row")
def test_an_unknown_base_or_client_is_not_found(session: TenantSession, principal: Principal) -> None:
    with pytest.raises(NotFound, match="base model tiny"):
        _create(session, principal)
    with pytest.raises(NotFound, match="client nowhere"):
        _create(session, principal, client="nowhere")


def test_labels_may_be_added_but_not_removed(
    session: TenantSession, principal: Principal, model: RegisteredModel
) -> None:
    more = SUPPORT.model_copy(update={"labels": (*SUPPORT.labels, "rental")})
    change_model(session, principal=principal, model=model, contract=more, policy=None)
    assert contract_of(model).labels == ("order", "refund", "repair", "rental")
    with pytest.raises(InvalidInput, match=r"cannot be removed.*: rental"):
        change_model(session, principal=principal, model=model, contract=SUPPORT, policy=None)


def test_a_template_of_the_base_comes_from_the_base_alone(
    session: TenantSession, principal: Principal, model: RegisteredModel, base: BaseModel
) -> None:
    own = BaseChat(template="{{ messages }}", controls=(), bos="", eos="</s>", begins=False, end="</s>")
    forged = own.model_copy(update={"template": "mine"})
    wanted = SUPPORT.model_copy(update={"template": Template.BASE, "chat": forged})
    with pytest.raises(InvalidInput, match="no chat template of its own"):
        change_model(session, principal=principal, model=model, contract=wanted, policy=None)
    session.get_one(BaseModel, base.id).chat = own.model_dump(mode="json")
    change_model(session, principal=principal, model=model, contract=wanted, policy=None)
    assert contract_of(model).chat == own
    change_model(session, principal=principal, model=model, contract=SUPPORT, policy=None)
    assert "chat" not in model.contract, "contracts without one are as they always were"


def test_the_task_cannot_change(session: TenantSession, principal: Principal, model: RegisteredModel) -> None:
    other = Contract(task=Task.GENERATE, system_prompt="Reply.")
    with pytest.raises(InvalidInput, match="register another model"):
        change_model(session, principal=principal, model=model, contract=other, policy=None)


def test_a_policy_changes_alone(session: TenantSession, principal: Principal, model: RegisteredModel) -> None:
    change_model(session, principal=principal, model=model, contract=None, policy=Policy(overall_margin=0.01))
    assert policy_of(model).overall_margin == 0.01
    assert contract_of(model) == SUPPORT


def test_an_alias_moves_and_can_be_taken_away(session: TenantSession, model: RegisteredModel, base: BaseModel) -> None:
    first, second = add_versions(session, model, base, "1.0", "1.1")
    point(session, model, Alias.PRODUCTION, first.id)
    point(session, model, Alias.CANDIDATE, second.id)
    assert aliases(session, model.id) == {Alias.PRODUCTION: first, Alias.CANDIDATE: second}
    point(session, model, Alias.PRODUCTION, second.id)
    point(session, model, Alias.CANDIDATE, None)
    point(session, model, Alias.PREVIOUS, None)
    assert aliases(session, model.id) == {Alias.PRODUCTION: second}


def test_a_version_is_found_by_alias_number_or_digest(
    session: TenantSession, model: RegisteredModel, base: BaseModel
) -> None:
    first, second = add_versions(session, model, base, "1.0", "1.1")
    point(session, model, Alias.PRODUCTION, second.id)
    assert find_version(session, model, "production") == second
    assert find_version(session, model, "v1.0") == first
    assert find_version(session, model, first.digest) == first
    assert list_versions(session, model) == [first, second]


@pytest.mark.parametrize("name", ["candidate", "v9.9", "1.0", "v", "0" * 64, "%"])
def test_an_unknown_version_is_not_found(
    session: TenantSession, model: RegisteredModel, base: BaseModel, name: str
) -> None:
    add_versions(session, model, base, "1.0")
    with pytest.raises(NotFound, match="no version"):
        find_version(session, model, name)


def test_another_model_s_digest_is_not_found(
    session: TenantSession, database: Database, client_row: Client, model: RegisteredModel, base: BaseModel
) -> None:
    other = make_model(database, client_row, base, slug="answers")
    (version,) = add_versions(session, other, base, "1.0")
    with pytest.raises(NotFound):
        find_version(session, model, version.digest)
    assert find_model(session, client="acme", model="answers").id == other.id


def test_a_damaged_manifest_is_noticed(session: TenantSession, model: RegisteredModel, base: BaseModel) -> None:
    (version,) = add_versions(session, model, base, "1.0")
    assert manifest_of(version).digest == version.digest
    other = AdapterVersion(**(version.model_dump() | {"manifest": {**version.manifest, "engine": "other"}}))
    with pytest.raises(InvalidInput, match="does not match its digest"):
        manifest_of(other)
    broken = AdapterVersion(**(version.model_dump() | {"manifest": {}}))
    with pytest.raises(InvalidInput, match="damaged manifest"):
        manifest_of(broken)


def test_a_base_is_registered_once_with_the_same_files(database: Database, base: BaseModel) -> None:
    with database.all_agencies() as session:
        again = BaseModel(**base.model_dump(exclude={"id"}))
        assert add_base(session, again).id == base.id
        other = BaseModel(**(base.model_dump(exclude={"id"}) | {"gguf_sha256": "9" * 64}))
        with pytest.raises(Conflict, match="other files"):
            add_base(session, other)
