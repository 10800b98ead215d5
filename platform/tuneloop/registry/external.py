"""External versions: a service that speaks OpenAI's protocol answers for a model."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from urllib.parse import urlsplit
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.kit.outgoing.guard import Guard
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.registry.contract import ExternalManifest, ServiceRef
from tuneloop.registry.external_probe import Service, check_answers, last_day
from tuneloop.registry.names import next_number
from tuneloop.registry.service import contract_of, list_versions, lock_model
from tuneloop.tables import AdapterVersion, ExternalEndpoint, Origin, RegisteredModel, Role

MICROS = 1_000_000


@dataclass(frozen=True)
class Terms:
    """What a person knows about a service: prices in the currency's unit for a million tokens, and its last day."""

    input_price: Decimal | None = None
    output_price: Decimal | None = None
    currency: str | None = None
    ends_on: date | None = None


@dataclass(frozen=True)
class Tried:
    """A service that has answered, and what it told about itself."""

    service: Service
    gives_confidence: bool
    ends_on: date | None


def try_service(settings: Settings, *, url: str, model: str, key: str | None) -> Tried:
    """Ask the service one question, outside of any transaction.

    Raises:
        AddressRefused, HostNotFound, ServiceProblem: what to change. Unavailable: it can't be asked just now.
    """
    guard = Guard.of(settings)
    service = Service(_with_version(guard.check(url)), model.strip(), key.strip() or None if key else None)
    return Tried(service, check_answers(guard, service), last_day(guard, service))


def add_external(
    session: Session, *, principal: Principal, model: RegisteredModel, tried: Tried, terms: Terms, settings: Settings
) -> AdapterVersion:
    """A version that the service answers for, by the model's contract.

    Raises:
        Conflict: the model has this version already.
    """
    principal.require(Role.OPERATOR)
    lock_model(session, model)
    service = tried.service
    manifest = ExternalManifest(contract=contract_of(model), service=ServiceRef(url=service.url, model=service.model))
    known = list_versions(session, model)
    for version in known:
        if version.digest == manifest.digest:
            raise Conflict(
                f"v{version.number} is this model of this service already; change its key or prices instead",
                version=version.number,
            )
    version = AdapterVersion(
        client_id=model.client_id,
        model_id=model.id,
        number=next_number([each.number for each in known], from_base=True),
        digest=manifest.digest,
        manifest=manifest.model_dump(mode="json"),
        parts=[],
        files=[],
        parity={},
        origin=Origin.EXTERNAL,
        training={},
    )
    session.add(version)
    session.flush()
    endpoint = ExternalEndpoint(
        client_id=model.client_id,
        model_id=model.id,
        version_id=version.id,
        url=service.url,
        model_name=service.model,
        gives_confidence=tried.gives_confidence,
        currency=settings.currency,
        ends_on=tried.ends_on,
    )
    _agree(endpoint, terms)
    _keep_key(endpoint, service.key, settings)
    session.add(endpoint)
    session.flush()
    record(
        session,
        principal,
        "version.external",
        "model",
        model.id,
        client_id=model.client_id,
        number=version.number,
        digest=version.digest,
        service=f"{service.host} {service.model}",
    )
    return version


def endpoint_of(session: Session, version_id: UUID) -> ExternalEndpoint | None:
    return session.exec(select(ExternalEndpoint).where(ExternalEndpoint.version_id == version_id)).one_or_none()


def find_endpoint(session: Session, version: AdapterVersion) -> ExternalEndpoint:
    """Raises NotFound where the version is not external."""
    found = endpoint_of(session, version.id)
    if found is None:
        raise NotFound("external version", f"v{version.number}")
    return found


def is_over(endpoint: ExternalEndpoint, *, at: datetime | None = None) -> bool:
    """Whether its last day has come. A service that does not answer just now may do so tomorrow."""
    return endpoint.ends_on is not None and endpoint.ends_on <= (at or now()).date()


def endpoints_of(session: Session, model_id: UUID) -> list[ExternalEndpoint]:
    """Oldest first."""
    query = select(ExternalEndpoint).where(ExternalEndpoint.model_id == model_id)
    return list(session.exec(query.order_by(col(ExternalEndpoint.created_at))))


def service_of(endpoint: ExternalEndpoint, settings: Settings) -> Service:
    """Raises Unavailable when its key can't be opened here."""
    sealed = endpoint.sealed_key
    key = Vault(settings.secret_key.get_secret_value()).open(sealed) if sealed else None
    return Service(endpoint.url, endpoint.model_name, key)


def change_external(
    session: Session,
    *,
    principal: Principal,
    endpoint: ExternalEndpoint,
    terms: Terms,
    tried: Tried | None,
    settings: Settings,
) -> ExternalEndpoint:
    """New prices, another end, and with `tried` another key. What the terms leave out stays."""
    principal.require(Role.OPERATOR)
    _agree(endpoint, terms)
    if tried is not None:
        _keep_key(endpoint, tried.service.key, settings)
        endpoint.gives_confidence = tried.gives_confidence
        endpoint.problem = endpoint.problem_at = endpoint.confirmed_at = None
        endpoint.checked_at = now()
    session.add(endpoint)
    session.flush()
    record(
        session,
        principal,
        "version.external_change",
        "model",
        endpoint.model_id,
        client_id=endpoint.client_id,
        new_key=tried is not None,
        ends_on=endpoint.ends_on.isoformat() if endpoint.ends_on else None,
    )
    return endpoint


def cost_of(endpoint: ExternalEndpoint, *, prompt_tokens: int, completion_tokens: int) -> int | None:
    """In millionths of the currency's unit; None where nobody typed both prices."""
    if endpoint.input_price is None or endpoint.output_price is None:
        return None
    return (prompt_tokens * endpoint.input_price + completion_tokens * endpoint.output_price) // MICROS


def price(micros: int | None) -> Decimal | None:
    """Millionths in the currency's unit."""
    return None if micros is None else Decimal(micros) / MICROS


def _agree(endpoint: ExternalEndpoint, terms: Terms) -> None:
    if terms.input_price is not None:
        endpoint.input_price = int(terms.input_price * MICROS)
    if terms.output_price is not None:
        endpoint.output_price = int(terms.output_price * MICROS)
    if terms.currency is not None:
        endpoint.currency = terms.currency.upper()
    if terms.ends_on is not None:
        endpoint.ends_on, endpoint.end_is_typed = terms.ends_on, True


def _keep_key(endpoint: ExternalEndpoint, key: str | None, settings: Settings) -> None:
    endpoint.sealed_key = Vault(settings.secret_key.get_secret_value()).seal(key) if key else None


def _with_version(url: str) -> str:
    """`https://api.openai.com` means its /v1, and so does the address of a single operation."""
    url = url.removesuffix("/chat/completions")
    return url if urlsplit(url).path.strip("/") else f"{url}/v1"
