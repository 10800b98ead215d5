"""Joining and changing a password try the password of an account, so they wait and count as signing in does."""

from anyio.to_thread import run_sync

from tuneloop.identity.request import HttpRequest, at_password_desk, database_of, seen_of, settings_of
from tuneloop.identity.service import Browser
from tuneloop.identity.sessions import person_of_principal
from tuneloop.kit.errors import InvalidInput, NotAuthenticated
from tuneloop.kit.principal import Principal
from tuneloop.people.invitations import accept, offer_of
from tuneloop.people.password_links import change_own
from tuneloop.tables import User


async def accept_at_desk(request: HttpRequest, *, token: str, password: str, name: str | None, origin: str) -> Browser:
    """Raises what accepting does, and TooManyAttempts."""
    seen = seen_of(request)

    def look() -> str:
        with database_of(request).all_agencies() as session:
            return offer_of(session, token).invitation.email

    def work() -> Browser:
        with database_of(request).all_agencies() as session:
            return accept(session, token=token, password=password, name=name, origin=origin, seen=seen)

    return await at_password_desk(request, await run_sync(look), work)


async def change_at_desk(request: HttpRequest, principal: Principal, *, old: str, new: str) -> None:
    """Raises what changing does, and TooManyAttempts."""

    def look() -> str:
        with database_of(request).all_agencies() as session:
            return session.get_one(User, person_of_principal(principal)).email

    def work() -> None:
        with database_of(request).all_agencies() as session:
            change_own(session, principal=principal, old=old, new=new, settings=settings_of(request))

    try:
        await at_password_desk(request, await run_sync(look), work)
    except NotAuthenticated as wrong:
        raise InvalidInput(wrong.message, field="old") from None
