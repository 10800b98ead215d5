"""A sign-in through a provider, from the browser's first request to its last. The provider is asked between
transactions, and few at a time, so that no slow provider keeps others waiting.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar
from uuid import UUID

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from pydantic import SecretStr
from sqlmodel import select

from tuneloop.identity.request import HttpRequest, database_of, seen_of, settings_of
from tuneloop.identity.service import Browser
from tuneloop.kit.errors import TooManyAttempts
from tuneloop.kit.outgoing.guard import Guard
from tuneloop.kit.principal import Principal
from tuneloop.people.oidc.entering import enter
from tuneloop.people.oidc.protocol import (
    Attempt,
    ProviderRefused,
    authorization_url,
    claims_by_code,
    discover,
)
from tuneloop.people.oidc.schemas import ProviderOrder
from tuneloop.people.oidc.settings import credentials_of, provider_by_slug, set_provider
from tuneloop.tables import OidcProvider

AT_ONCE = 4
IN_LINE = 20

T = TypeVar("T")


class Departure(NamedTuple):
    """Where the browser goes, and what it brings back."""

    url: str
    sealed: str


class Arrival(NamedTuple):
    browser: Browser
    following: str


async def depart(request: HttpRequest, slug: str, following: str) -> Departure:
    """Raises NotFound, InvalidInput, Unavailable."""
    settings = settings_of(request)

    def work() -> Departure:
        with database_of(request).all_agencies() as session:
            provider = provider_by_slug(session, slug)
            agency_id, issuer, mine = provider.agency_id, provider.issuer, credentials_of(provider, settings)
        attempt = Attempt.new(agency_id, following)
        url = authorization_url(discover(Guard.of(settings), issuer), attempt, mine)
        return Departure(url, attempt.sealed(settings.secret_key))

    return await _in_line(request, work)


async def arrive(request: HttpRequest, *, sealed: str, state: str, code: str, issuer: str | None) -> Arrival:
    """`issuer` is what the answer says of itself, if it does (RFC 9207).

    Raises:
        ProviderRefused: nobody gets in. InvalidInput, Unavailable.
    """
    settings, seen = settings_of(request), seen_of(request)
    attempt = Attempt.opened(sealed, settings.secret_key, state=state)

    def work() -> Arrival:
        found = _provider(request, attempt.agency_id)
        if issuer is not None and issuer != found.issuer:
            raise ProviderRefused("the answer comes from another provider than the one that was asked")
        guard, mine = Guard.of(settings), credentials_of(found, settings)
        claims = claims_by_code(guard, discover(guard, found.issuer), attempt, mine, code)
        with database_of(request).all_agencies() as session:
            browser = enter(session, agency_id=attempt.agency_id, issuer=found.issuer, claims=claims, seen=seen)
        return Arrival(browser, attempt.following)

    return await _in_line(request, work)


async def set_at_desk(request: HttpRequest, principal: Principal, order: ProviderOrder) -> OidcProvider:
    """Raises what setting does, and InvalidInput: there is no provider at that address."""
    settings = settings_of(request)
    guard = Guard.of(settings)

    def work() -> OidcProvider:
        guard.check(order.issuer)
        discover(guard, order.issuer)
        secret = SecretStr(order.client_secret.get_secret_value()) if order.client_secret else None
        with database_of(request).unit(principal.agency_id) as session:
            return set_provider(
                session,
                principal=principal,
                settings=settings,
                issuer=order.issuer,
                audience=order.client_id,
                secret=secret,
                groups_claim=order.groups_claim,
                roles=order.roles,
                only=order.only,
            )

    return await _in_line(request, work)


def _provider(request: HttpRequest, agency_id: UUID) -> OidcProvider:
    with database_of(request).unit(agency_id) as session:
        found = session.exec(select(OidcProvider)).one_or_none()
        if found is None:
            raise ProviderRefused("this agency does not sign people in this way any more")
        session.expunge(found)
        return found


def provider_line() -> CapacityLimiter:
    """One per process."""
    return CapacityLimiter(AT_ONCE)


async def _in_line(request: HttpRequest, work: Callable[[], T]) -> T:
    line = request.app.state.provider_line
    assert isinstance(line, CapacityLimiter)
    if line.statistics().tasks_waiting >= IN_LINE:
        raise TooManyAttempts("many people sign in just now; try again in a few seconds", retry_after_seconds=3)
    return await run_sync(work, limiter=line)
