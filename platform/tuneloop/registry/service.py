"""Registered models, their versions and aliases."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.entitlements import require as require_included
from tuneloop.clients.service import find_client
from tuneloop.kit.clock import now
from tuneloop.kit.error_report import describe
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.registry.contract import (
    BaseChat,
    Contract,
    Definition,
    ExternalManifest,
    Manifest,
    Quantisation,
    Template,
)
from tuneloop.registry.labels import clean_contract
from tuneloop.registry.policy import Policy
from tuneloop.registry.policy_change import authorise_policy, tell_loosened
from tuneloop.tables import (
    AdapterVersion,
    Alias,
    BaseModel,
    Client,
    Feature,
    Origin,
    RegisteredModel,
    Role,
    VersionAlias,
)


def find_base(session: Session, name: str) -> BaseModel:
    base = session.exec(select(BaseModel).where(BaseModel.name == name)).one_or_none()
    if base is None:
        raise NotFound("base model", name)
    return base


def list_bases(session: Session) -> list[BaseModel]:
    return list(session.exec(select(BaseModel).order_by(BaseModel.name)))


def add_base(session: Session, base: BaseModel) -> BaseModel:
    """Register a base, or return the one that has the same name and the same files."""
    known = session.exec(select(BaseModel).where(BaseModel.name == base.name)).one_or_none()
    if known is None:
        session.add(base)
        session.flush()
        return base
    if (known.gguf_sha256, known.weights_sha256) != (base.gguf_sha256, base.weights_sha256):
        raise Conflict(f"base model {base.name} is registered with other files; choose another name", name=base.name)
    return known


def with_own_template(contract: Contract, base: BaseModel) -> Contract:
    """The base's chat template becomes part of a contract that wants it; nobody else can supply one.

    Raises:
        InvalidInput: the base has none.
    """
    if contract.template is not Template.BASE:
        return contract.model_copy(update={"chat": None})
    if base.chat is None:
        shipped = ", ".join(template for template in Template if template is not Template.BASE)
        raise InvalidInput(f"{base.name} has no chat template of its own; choose another template: {shipped}")
    return contract.model_copy(update={"chat": BaseChat.model_validate(base.chat)})


def create_model(
    session: Session,
    *,
    principal: Principal,
    client: str,
    slug: str,
    base: str,
    contract: Contract,
    policy: Policy,
    quantisation: Quantisation | None = None,
) -> RegisteredModel:
    principal.require(Role.OPERATOR)
    owner, contract = find_client(session, client), clean_contract(contract)
    authorise_policy(session, principal=principal, client=owner, before=Policy(), after=policy)
    query = select(RegisteredModel).where(RegisteredModel.client_id == owner.id, RegisteredModel.slug == slug)
    if session.exec(query).one_or_none():
        raise Conflict(f"there is a model {client}/{slug} already", name=f"{client}/{slug}")
    on = find_base(session, base)
    model = RegisteredModel(
        client_id=owner.id,
        slug=slug,
        base_id=on.id,
        contract=with_own_template(contract, on).model_dump(mode="json"),
        policy=policy.model_dump(mode="json"),
        quantisation=quantisation,
    )
    session.add(model)
    session.flush()
    record(session, principal, "model.create", "model", model.id, client_id=owner.id, name=f"{client}/{slug}")
    tell_loosened(session, principal=principal, model=model, client=owner, before=Policy(), after=policy)
    return model


def change_model(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    contract: Contract | None,
    policy: Policy | None,
) -> RegisteredModel:
    """Change what the next version is built and judged with. Labels may be added, never taken away.

    Raises:
        NotIncluded, Suspended: a label is new to a model in production, and the client's plan has no category left.
        NotAllowed: the policy binds the caller (`registry.policy_change`).
    """
    principal.require(Role.OPERATOR)
    changed: dict[str, Any] = {}
    if contract is not None:
        before = contract_of(model)
        contract = clean_contract(contract, kept=before.labels)
        if before.task is not contract.task:
            raise InvalidInput("a model's task cannot change; register another model")
        missing = sorted(set(before.labels) - set(contract.labels))
        if missing:
            raise InvalidInput(f"labels cannot be removed while examples use them: {', '.join(missing)}")
        contract = with_own_template(contract, session.get_one(BaseModel, model.base_id))
        model.contract = contract.model_dump(mode="json")
        changed["labels_added"] = added = sorted(set(contract.labels) - set(before.labels))
        if Alias.PRODUCTION in aliases(session, model.id):
            for label in added:
                subject = f"category:{model.id}:{label}"
                require_included(session, client_id=model.client_id, feature=Feature.NEW_CATEGORY, subject=subject)
    if policy is not None:
        kept, client = policy_of(model), session.get_one(Client, model.client_id)
        authorise_policy(session, principal=principal, client=client, before=kept, after=policy)
        tell_loosened(session, principal=principal, model=model, client=client, before=kept, after=policy)
        model.policy = policy.model_dump(mode="json")
        changed["policy"] = model.policy
    session.add(model)
    record(session, principal, "model.change", "model", model.id, client_id=model.client_id, **changed)
    return model


def find_model(session: Session, *, client: str, model: str) -> RegisteredModel:
    found = session.exec(
        select(RegisteredModel)
        .join(Client, col(Client.id) == RegisteredModel.client_id)
        .where(Client.slug == client, RegisteredModel.slug == model)
    ).one_or_none()
    if found is None:
        raise NotFound("model", f"{client}/{model}")
    return found


def model_of_id(session: Session, model_id: UUID | None) -> RegisteredModel:
    """Raises NotFound."""
    found = session.get(RegisteredModel, model_id) if model_id else None
    if found is None:
        raise NotFound("model", model_id or "")
    return found


def lock_model(session: Session, model: RegisteredModel) -> None:
    """Of several who move what a model serves, one does. Rows that refer to the model can still be added."""
    session.exec(select(RegisteredModel.id).where(RegisteredModel.id == model.id).with_for_update(key_share=True)).one()


def list_models(session: Session) -> list[RegisteredModel]:
    return list(session.exec(select(RegisteredModel).order_by(col(RegisteredModel.created_at))))


def contract_of(model: RegisteredModel) -> Contract:
    return Contract.model_validate(model.contract)


def policy_of(model: RegisteredModel) -> Policy:
    return Policy.model_validate(model.policy)


def manifest_of(version: AdapterVersion) -> Manifest:
    """Of a version that we serve from files.

    Raises:
        InvalidInput: the stored manifest does not hash to the version's digest, or the version is external.
    """
    found = definition_of(version)
    if not isinstance(found, Manifest):
        raise InvalidInput(
            f"v{version.number} is external: a service answers for it, and there are no files of it here"
        )
    return found


def definition_of(version: AdapterVersion) -> Definition:
    """A Manifest, or an ExternalManifest. Raises InvalidInput when it does not hash to the version's digest."""
    try:
        manifest = (ExternalManifest if is_external(version) else Manifest).model_validate(version.manifest)
    except ValidationError as error:
        raise InvalidInput(f"version {version.number} has a damaged manifest: {describe(error)}") from error
    if manifest.digest != version.digest:
        raise InvalidInput(f"version {version.number} does not match its digest {version.digest[:12]}")
    return manifest


def is_external(version: AdapterVersion) -> bool:
    return version.origin is Origin.EXTERNAL


def served_here(session: Session, version: AdapterVersion) -> bool:
    """Whether our serving host answers for it: the version is not external, and its base has no server of its own."""
    if is_external(version):
        return False
    model = session.get_one(RegisteredModel, version.model_id)
    return session.get_one(BaseModel, model.base_id).upstream_url is None


def full_name(session: Session, model: RegisteredModel) -> str:
    client = session.get_one(Client, model.client_id)
    return f"{client.slug}/{model.slug}"


def list_versions(session: Session, model: RegisteredModel) -> list[AdapterVersion]:
    """Oldest first."""
    query = select(AdapterVersion).where(AdapterVersion.model_id == model.id)
    return list(session.exec(query.order_by(col(AdapterVersion.created_at))))


def find_version(session: Session, model: RegisteredModel, version: str) -> AdapterVersion:
    """By alias (`production`), number (`v1.2`) or digest."""
    query = select(AdapterVersion).where(AdapterVersion.model_id == model.id)
    if version in {alias.value for alias in Alias}:
        query = query.join(VersionAlias, col(VersionAlias.version_id) == AdapterVersion.id).where(
            VersionAlias.name == version
        )
    elif version.startswith("v"):
        query = query.where(AdapterVersion.number == version.removeprefix("v"))
    else:
        query = query.where(AdapterVersion.digest == version)
    found = session.exec(query).one_or_none()
    if found is None:
        raise NotFound("version", version)
    return found


def aliases(session: Session, model_id: UUID) -> dict[Alias, AdapterVersion]:
    rows = session.exec(
        select(VersionAlias, AdapterVersion)
        .join(AdapterVersion, col(AdapterVersion.id) == VersionAlias.version_id)
        .where(VersionAlias.model_id == model_id)
    )
    return {alias.name: version for alias, version in rows}


def numbers_by_alias(session: Session, model_ids: Collection[UUID]) -> dict[UUID, dict[Alias, str]]:
    """The versions' numbers behind the names of each model."""
    found: dict[UUID, dict[Alias, str]] = {model_id: {} for model_id in model_ids}
    query = select(VersionAlias.model_id, VersionAlias.name, AdapterVersion.number).join(
        AdapterVersion, col(AdapterVersion.id) == VersionAlias.version_id
    )
    for model_id, alias, number in session.exec(query.where(col(VersionAlias.model_id).in_(model_ids))):
        found[model_id][Alias(alias)] = number
    return found


def point(session: Session, model: RegisteredModel, alias: Alias, version_id: UUID | None) -> None:
    """Move an alias; None takes it away."""
    row = session.exec(
        select(VersionAlias).where(VersionAlias.model_id == model.id, VersionAlias.name == alias).with_for_update()
    ).one_or_none()
    if version_id is None:
        if row is not None:
            session.delete(row)
    elif row is None:
        session.add(VersionAlias(client_id=model.client_id, model_id=model.id, name=alias, version_id=version_id))
    else:
        row.version_id, row.moved_at = version_id, now()
        session.add(row)
    session.flush()
