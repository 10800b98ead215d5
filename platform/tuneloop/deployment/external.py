"""Bring a model that somebody else hosts: it answers from the first day, and everything else looks after it."""

from sqlmodel import Session

from tuneloop.audit.service import record
from tuneloop.deployment.service import deploy
from tuneloop.identity.request import HttpRequest, database_of, settings_of
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.registry.external import (
    Terms,
    Tried,
    add_external,
    change_external,
    find_endpoint,
    is_over,
    try_service,
)
from tuneloop.registry.external_schemas import ExternalChange, ExternalCreate, ExternalRead
from tuneloop.registry.service import aliases, find_model, find_version
from tuneloop.tables import AdapterVersion, Alias, RegisteredModel, Role


def bring(
    request: HttpRequest, principal: Principal, *, client: str, model: str, wanted: ExternalCreate
) -> ExternalRead:
    """Try the service between two transactions, then add the version.

    Raises:
        NotFound, Conflict: no such model, or it has this version. AddressRefused, HostNotFound, ServiceProblem,
        Unavailable: as `try_service`.
    """
    settings = settings_of(request)
    with database_of(request).unit(principal.agency_id, client_id=principal.client_id) as session:
        find_model(session, client=client, model=model)
    key = wanted.key.get_secret_value() if wanted.key else None
    tried = try_service(settings, url=wanted.url, model=wanted.model, key=key)
    with database_of(request).unit(principal.agency_id, client_id=principal.client_id) as session:
        found = find_model(session, client=client, model=model)
        return add_and_serve(
            session,
            principal=principal,
            model=found,
            tried=tried,
            terms=wanted.terms(),
            settings=settings,
            name=f"{client}/{model}",
        )


def add_and_serve(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    tried: Tried,
    terms: Terms,
    settings: Settings,
    name: str,
) -> ExternalRead:
    """It becomes production where nothing is: the client's application has been asking it all along."""
    version = add_external(session, principal=principal, model=model, tried=tried, terms=terms, settings=settings)
    if Alias.PRODUCTION not in aliases(session, model.id):
        deploy(session, principal=principal, model=model, version=version)
    return ExternalRead.of(find_endpoint(session, version), version, model=name)


def serve(
    session: Session, *, principal: Principal, model: RegisteredModel, version: str, digest: str, reason: str
) -> AdapterVersion:
    """Put an external version into production though another one is there: nothing has compared the two.

    Raises:
        InvalidInput: no reason is given.
        Conflict: it is another version than the one named, is in production already, or its service has ended.
    """
    principal.require(Role.ADMIN)
    if not (why := reason.strip()):
        raise InvalidInput("say why, for no gate has compared it with what is in production", field="reason")
    found = find_version(session, model, version)
    endpoint = find_endpoint(session, found)
    if found.digest != digest:
        raise Conflict(f"v{found.number} is another version than the one named; look at it again", version=found.digest)
    if is_over(endpoint):
        raise Conflict(f"the service of v{found.number} has answered until {endpoint.ends_on}; it can't any more")
    deploy(session, principal=principal, model=model, version=found)
    record(
        session,
        principal,
        "version.serve_external",
        "model",
        model.id,
        client_id=model.client_id,
        number=found.number,
        reason=why,
    )
    return found


def change(
    request: HttpRequest, principal: Principal, *, client: str, model: str, version: str, wanted: ExternalChange
) -> ExternalRead:
    """A new key is tried before it replaces the old one. Raises as `bring`."""
    settings = settings_of(request)
    with database_of(request).unit(principal.agency_id, client_id=principal.client_id) as session:
        found = find_model(session, client=client, model=model)
        endpoint = find_endpoint(session, find_version(session, found, version))
        url, model_name = endpoint.url, endpoint.model_name
    key = wanted.key.get_secret_value() if wanted.key else None
    tried = try_service(settings, url=url, model=model_name, key=key) if key else None
    with database_of(request).unit(principal.agency_id, client_id=principal.client_id) as session:
        row = find_version(session, find_model(session, client=client, model=model), version)
        endpoint = change_external(
            session,
            principal=principal,
            endpoint=find_endpoint(session, row),
            terms=wanted.terms(),
            tried=tried,
            settings=settings,
        )
        return ExternalRead.of(endpoint, row, model=f"{client}/{model}")
