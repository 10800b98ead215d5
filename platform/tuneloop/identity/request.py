"""Dependencies of every request: the caller, and one transaction confined to the caller's agency and client."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from anyio.to_thread import run_sync
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler

from tuneloop.identity.key_failures import KeyFailures
from tuneloop.identity.keys import KeyUse, note_use, principal_of_key
from tuneloop.identity.password_desk import PasswordDesk
from tuneloop.identity.second_factor import FRESH, SecondFactorMissing
from tuneloop.identity.service import (
    SESSION_LIFE,
    Browser,
    Seen,
    Visit,
    require_form_token,
    visit_of_browser,
)
from tuneloop.identity.sign_in_limits import Attempt
from tuneloop.kit.client_address import client_address
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import NotAllowed, NotAuthenticated
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role

COOKIE = "tuneloop_session"
SECOND_FACTOR_PAGE = "/account/second-factor"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

T = TypeVar("T")

HttpRequest = Request[object, object, State]


def database_of(connection: ASGIConnection[Any, Any, Any, State]) -> Database:
    database = connection.app.state.database
    assert isinstance(database, Database)
    return database


def settings_of(connection: ASGIConnection[Any, Any, Any, State]) -> Settings:
    settings = connection.app.state.settings
    assert isinstance(settings, Settings)
    return settings


def address_of(connection: ASGIConnection[Any, Any, Any, State]) -> str:
    """Where the request comes from."""
    peer = connection.client.host if connection.client else "local"
    forwarded = connection.headers.getall("x-forwarded-for", [])
    return client_address(peer, forwarded, settings_of(connection).trusted_networks)


async def at_password_desk(request: HttpRequest, email: str, work: Callable[[], T]) -> T:
    """What `work` gives, which looks at a password or code of this person and raises NotAuthenticated if it is wrong.

    Every route that anybody can use to try passwords does it here.

    Raises:
        TooManyAttempts: not now.
    """
    desk = request.app.state.password_desk
    assert isinstance(desk, PasswordDesk)
    return await desk.check(database_of(request), Attempt(email, address_of(request)), work)


def _caller_by_key(connection: ASGIConnection[Any, Any, Any, State], token: str) -> Principal:
    origin = "cli" if connection.headers.get("user-agent", "").startswith("tuneloop-cli") else "api"
    failures, address = connection.app.state.key_failures, address_of(connection)
    assert isinstance(failures, KeyFailures)
    try:
        with database_of(connection).all_agencies() as session:
            principal = principal_of_key(session, token=token, origin=origin)
            assert principal.actor_id is not None
            note_use(session, {principal.actor_id: KeyUse(now(), address)})
            return principal
    except NotAuthenticated:
        failures.require_patience(address)
        failures.count(address)
        raise


def identify(connection: ASGIConnection[Any, Any, Any, State]) -> Visit:
    """The caller, by the headers alone.

    Raises:
        NotAuthenticated: neither a valid API key nor a browser session.
    """
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return Visit(_caller_by_key(connection, token.strip()))
    if cookie := connection.cookies.get(COOKIE):
        with database_of(connection).all_agencies() as session:
            return visit_of_browser(session, token=cookie)
    raise NotAuthenticated("send an API key as 'Authorization: Bearer tl_…' or sign in")


async def known_visitor(connection: ASGIConnection[Any, Any, Any, State], handler: BaseRouteHandler) -> None:
    """Guard: a route that names a role is closed to others before anything of the body is read.

    Leaves the caller in `request.state.visitor` and the token that a page's own forms must carry in
    `request.state.csrf_token`.
    """
    if "role" not in handler.opt:
        return
    visit = await run_sync(identify, connection)
    if visit.principal.inference_only:
        raise NotAllowed("this key only asks models, at /v1; use another key for this", needed="a key of the API")
    if visit.principal.upload_only and not handler.opt.get("upload"):
        raise NotAllowed("this key only imports data; use another key for this", needed="a key of the API")
    connection.scope["auth"] = connection.state.visitor = visit.principal
    connection.state.csrf_token = visit.csrf_token
    connection.state.second_factor_at = visit.second_factor_at
    if visit.lacks_second_factor and not handler.opt.get("without_second_factor"):
        raise SecondFactorMissing(f"your agency asks for a second factor: set one up at {SECOND_FACTOR_PAGE}")
    visit.principal.require(role_of(handler))


async def known_caller(connection: ASGIConnection[Any, Any, Any, State], handler: BaseRouteHandler) -> None:
    """Guard: as `known_visitor`; what a browser changes must carry its token as a header."""
    await known_visitor(connection, handler)
    if "role" in handler.opt:
        assert isinstance(connection, Request)
        require_own_page(connection, connection.headers.get("x-csrf-token"))


def require_own_page(request: HttpRequest, sent: str | None) -> None:
    """Raises NotAuthenticated unless a change that a browser asks for carries the token of its session."""
    if request.method not in SAFE_METHODS and request.state.csrf_token:
        require_form_token(sent, expected=request.state.csrf_token)


def second_factor_is_fresh(request: HttpRequest) -> bool:
    """This browser has shown the person's second factor just now; it is not asked for again."""
    shown_at: datetime | None = request.state.get("second_factor_at")
    return shown_at is not None and shown_at > now() - FRESH


def seen_of(request: HttpRequest) -> Seen:
    return Seen(request.headers.get("user-agent", ""), address_of(request))


def session_cookie(request: HttpRequest, browser: Browser) -> Cookie:
    """What keeps a browser signed in: out of reach of scripts and other sites, and of plain text where we have TLS."""
    return Cookie(
        key=COOKIE,
        value=browser.token,
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=settings_of(request).site_url.startswith("https"),
    )


def provide_principal(request: HttpRequest) -> Principal:
    """The caller, whom the guard found and who has the role that the route names in `role=`."""
    principal = request.auth
    assert isinstance(principal, Principal)
    return principal


def provide_session(request: HttpRequest, principal: NamedDependency[Principal]) -> Iterator[TenantSession]:
    with database_of(request).unit(principal.agency_id, client_id=principal.client_id) as session:
        yield session


def role_of(handler: BaseRouteHandler) -> Role:
    """The least role a route asks for. A route that names none does not start (see `create_app`)."""
    return Role(handler.opt["role"])
