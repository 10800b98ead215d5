"""Joining, and changing how one signs in, try the password of an account, so they wait and count as signing in does."""

from collections.abc import Callable
from typing import TypeVar

from anyio.to_thread import run_sync

from tuneloop.identity.proof import prove
from tuneloop.identity.request import (
    HttpRequest,
    at_password_desk,
    database_of,
    second_factor_is_fresh,
    seen_of,
    settings_of,
)
from tuneloop.identity.service import Browser
from tuneloop.identity.sessions import person_of_principal
from tuneloop.kit.errors import InvalidInput, NotAuthenticated
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.people.invitations import accept, offer_of
from tuneloop.people.password_links import change_own
from tuneloop.tables import User

T = TypeVar("T")


async def accept_at_desk(
    request: HttpRequest, *, token: str, password: str, name: str | None, code: str | None, origin: str
) -> Browser:
    """Raises what accepting does, and TooManyAttempts."""
    seen, keys = seen_of(request), settings_of(request).secret_key

    def look() -> str:
        with database_of(request).all_agencies() as session:
            return offer_of(session, token).invitation.email

    def work() -> Browser:
        with database_of(request).all_agencies() as session:
            return accept(
                session, token=token, password=password, name=name, code=code, origin=origin, keys=keys, seen=seen
            )

    return await at_password_desk(request, await run_sync(look), work)


async def as_oneself(
    request: HttpRequest,
    principal: Principal,
    *,
    password: str,
    code: str | None,
    then: Callable[[TenantSession, User], T],
) -> T:
    """What `then` gives, once the person has shown again that it is them. Its session sees all agencies.

    Raises:
        NotAllowed: a key is nobody. InvalidInput: a wrong password or code. SecondFactorNeeded: the code is missing.
        TooManyAttempts: not now.
    """
    fresh, keys = second_factor_is_fresh(request), settings_of(request).secret_key

    def look() -> str:
        with database_of(request).all_agencies() as session:
            return session.get_one(User, person_of_principal(principal)).email

    def work() -> T:
        with database_of(request).all_agencies() as session:
            user = session.get_one(User, person_of_principal(principal))
            prove(session, user, password=password, code=code, fresh=fresh, keys=keys)
            return then(session, user)

    try:
        return await at_password_desk(request, await run_sync(look), work)
    except NotAuthenticated as wrong:
        raise InvalidInput(wrong.message, field="password") from None


async def change_at_desk(
    request: HttpRequest, principal: Principal, *, old: str, new: str, code: str | None = None
) -> None:
    """Raises what changing does, and what `as_oneself` does."""

    def change(session: TenantSession, user: User) -> None:
        change_own(session, user=user, old=old, new=new, settings=settings_of(request))

    await as_oneself(request, principal, password=old, code=code, then=change)
