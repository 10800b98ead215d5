"""Signing in through an agency's own identity provider, and setting it."""

from typing import Any

from anyio.to_thread import run_sync
from litestar import Controller, Response, get, post
from litestar.datastructures import Cookie, FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from pydantic import SecretStr, ValidationError

from tuneloop.identity.request import HttpRequest, database_of, session_cookie, settings_of
from tuneloop.kit.errors import InvalidInput, NotFound, TooManyAttempts, TuneloopError, Unavailable
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.people.oidc.controller import read_provider
from tuneloop.people.oidc.desk import arrive, depart, set_at_desk
from tuneloop.people.oidc.protocol import LASTS, ProviderRefused
from tuneloop.people.oidc.schemas import ProviderOrder, ProviderRead
from tuneloop.people.oidc.settings import GIVEN, callback, provider_by_slug, provider_of, remove_provider
from tuneloop.tables import Agency, Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.pages.sign_in import own_path
from tuneloop.web.console.render import page

COOKIE = "tuneloop_provider"
PLACE = "/sign-in/provider"
REFUSALS = (ProviderRefused, InvalidInput, NotFound, Unavailable, TooManyAttempts)


class ProviderSignInPage(Controller):
    """Public. Browsers follow no redirect to another site after a form, so people leave by a link."""

    path = PLACE
    include_in_schema = False

    @get(public=True, sync_to_thread=True)
    def ask(
        self,
        request: HttpRequest,
        agency: FromQuery[str] = "",
        next: FromQuery[str] = "/",  # noqa: A002 - the query's name
    ) -> Response[str]:
        """Which agency; then a link to its provider."""
        slug = agency.strip().lower()
        if not slug:
            return _ask(request, next)
        try:
            with database_of(request).all_agencies() as session:
                issuer = provider_by_slug(session, slug).issuer
        except NotFound as unknown:
            return _ask(request, next, status=404, slug=slug, problem=unknown.message)
        return _ask(request, next, slug=slug, issuer=issuer)

    @get("/{slug:str}", public=True)
    async def leave(
        self,
        request: HttpRequest,
        slug: FromPath[str],
        next: FromQuery[str] = "/",  # noqa: A002 - the query's name
    ) -> Response[Any]:
        try:
            departure = await depart(request, slug, own_path(next))
        except REFUSALS as refused:
            return await run_sync(_refusal, request, next, slug, refused)
        answer = Redirect(departure.url, status_code=303)
        answer.set_cookie(_cookie(request, departure.sealed))
        return answer

    @get("/back", public=True)
    async def back(self, request: HttpRequest) -> Response[Any]:
        """Where the provider sends people back to."""
        given = request.query_params
        state, code, problem = given.get("state", ""), given.get("code", ""), given.get("error")
        try:
            if problem or not code:
                said = given.get("error_description") or problem or "it says nothing"
                raise ProviderRefused(f"your agency's identity provider lets you in here not: {str(said)[:200]}")
            arrival = await arrive(
                request,
                sealed=request.cookies.get(COOKIE, ""),
                state=state,
                code=code,
                issuer=given.get("iss"),
            )
        except REFUSALS as refused:
            answer = await run_sync(_refusal, request, "/", "", refused)
        else:
            answer = back_to(own_path(arrival.following))
            answer.set_cookie(session_cookie(request, arrival.browser))
        answer.delete_cookie(COOKIE, path=PLACE)
        return answer


class ProviderPage(Controller):
    path = "/members/provider"
    include_in_schema = False

    @get(role=Role.ADMIN, sync_to_thread=True)
    def show(
        self, request: HttpRequest, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]
    ) -> Response[str]:
        return _settings(request, session, principal)

    @post(role=Role.OWNER)
    async def change(
        self, request: HttpRequest, principal: NamedDependency[Principal], form: NamedDependency[FormMultiDict]
    ) -> Response[Any]:
        try:
            await set_at_desk(request, principal, _order(form))
        except TuneloopError as refused:
            typed = {name: str(value) for name, value in form.items() if name not in ("csrf_token", "client_secret")}
            problem, status = refused.message, refused.status
            return await run_sync(lambda: _again(request, principal, typed, problem, status))
        return back_to("/members/provider", "Set. Try it in another browser before you sign out here.")

    @post("/remove", role=Role.OWNER, sync_to_thread=True)
    def remove(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> Redirect:
        remove_provider(session, principal=principal)
        return back_to("/members/provider", "Removed. People sign in by password again.")


def _order(form: FormMultiDict) -> ProviderOrder:
    """Raises InvalidInput with a sentence about the first field that does not fit."""
    secret = optional(form, "client_secret", longest=1000)
    try:
        return ProviderOrder(
            issuer=required(form, "issuer", "the issuer"),
            client_id=required(form, "client_id", "the client id"),
            client_secret=SecretStr(secret) if secret else None,
            groups_claim=optional(form, "groups_claim") or "groups",
            roles=_roles(optional(form, "roles", longest=10_000)),
            only=bool(optional(form, "only")),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _roles(text: str) -> dict[str, Role]:
    """One group a line: tuneloop-admins = admin."""
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        group, mark, role = (part.strip() for part in line.rpartition("="))
        if not mark or not group or role not in set(GIVEN):
            raise InvalidInput(
                f"{line[:80]!r} is no group with a role; write one a line, such as: tuneloop-admins = admin",
                field="roles",
            )
        found[group] = Role(role)
    return found


def _cookie(request: HttpRequest, sealed: str) -> Cookie:
    secure = settings_of(request).site_url.startswith("https")
    age = int(LASTS.total_seconds())
    return Cookie(key=COOKIE, value=sealed, max_age=age, path=PLACE, httponly=True, samesite="lax", secure=secure)


def _refusal(request: HttpRequest, following: str, slug: str, refused: TuneloopError) -> Response[Any]:
    return _ask(request, following, status=refused.status, slug=slug, problem=refused.message)


def _ask(
    request: HttpRequest, following: str, *, status: int = 200, slug: str = "", issuer: str = "", problem: str = ""
) -> Response[Any]:
    return page(
        request,
        "people/provider_sign_in.html",
        status=status,
        next=own_path(following),
        slug=slug,
        issuer=issuer,
        problem=problem,
    )


def _again(
    request: HttpRequest, principal: Principal, typed: dict[str, str], problem: str, status: int
) -> Response[str]:
    with database_of(request).unit(principal.agency_id) as session:
        return _settings(request, session, principal, typed=typed, problem=problem, status=status)


def _settings(
    request: HttpRequest,
    session: TenantSession,
    principal: Principal,
    *,
    typed: dict[str, str] | None = None,
    problem: str = "",
    status: int = 200,
) -> Response[str]:
    request.state.agency = session.get_one(Agency, principal.agency_id).name
    found: ProviderRead | None
    try:
        found = read_provider(session, provider_of(session, principal), settings_of(request))
    except NotFound:
        found = None
    stored = {
        "issuer": found.issuer if found else "",
        "client_id": found.client_id if found else "",
        "groups_claim": found.groups_claim if found else "groups",
        "roles": "\n".join(f"{group} = {role}" for group, role in found.roles.items()) if found else "",
        "only": "yes" if found and found.only else "",
    }
    return page(
        request,
        "people/provider.html",
        status=status,
        found=found,
        form=(stored | {"only": ""} | typed) if typed else stored,
        redirect=callback(settings_of(request)),
        problem=problem,
    )
