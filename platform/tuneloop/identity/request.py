"""Dependencies of every request: the caller, and one transaction confined to the caller's agency and client."""

from collections.abc import Iterator
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler

from tuneloop.identity.service import SESSION_LIFE, Browser, principal_of_key, visit_of_browser
from tuneloop.kit.db import Database
from tuneloop.kit.errors import NotAuthenticated
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role

COOKIE = "tuneloop_session"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

HttpRequest = Request[object, object, State]


def database_of(connection: ASGIConnection[Any, Any, Any, State]) -> Database:
    database = connection.app.state.database
    assert isinstance(database, Database)
    return database


def settings_of(connection: ASGIConnection[Any, Any, Any, State]) -> Settings:
    settings = connection.app.state.settings
    assert isinstance(settings, Settings)
    return settings


def authenticate(request: HttpRequest, *, form_token: str | None = None) -> Principal:
    """The caller. A browser's CSRF token comes in the header or, from a form, as `form_token`.

    Leaves the token that the page's own forms must carry in `request.state.csrf_token`.

    Raises:
        NotAuthenticated: neither a valid API key nor a browser session.
    """
    request.state.csrf_token = ""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    with database_of(request).all_agencies() as session:
        if scheme.lower() == "bearer" and token:
            origin = "cli" if request.headers.get("user-agent", "").startswith("tuneloop-cli") else "api"
            return principal_of_key(session, token=token.strip(), origin=origin)
        if cookie := request.cookies.get(COOKIE):
            visit = visit_of_browser(
                session,
                token=cookie,
                csrf_token=request.headers.get("x-csrf-token") or form_token,
                changes=request.method not in SAFE_METHODS,
            )
            request.state.csrf_token = visit.csrf_token
            return visit.principal
    raise NotAuthenticated("send an API key as 'Authorization: Bearer tl_…' or sign in")


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
    """The caller, refused unless they have the role that the route names in `role=`."""
    principal = authenticate(request)
    principal.require(role_of(request.route_handler))
    return principal


def provide_session(request: HttpRequest, principal: NamedDependency[Principal]) -> Iterator[TenantSession]:
    with database_of(request).unit(principal.agency_id, client_id=principal.client_id) as session:
        yield session


def role_of(handler: BaseRouteHandler) -> Role:
    """The least role a route asks for. A route that names none does not start (see `create_app`)."""
    return Role(handler.opt["role"])
