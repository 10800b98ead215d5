"""Sign in and out."""

from typing import Any
from urllib.parse import urlsplit

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from tuneloop.founding.setup_codes import Door, door
from tuneloop.identity.request import (
    COOKIE,
    HttpRequest,
    at_password_desk,
    database_of,
    seen_of,
    session_cookie,
    settings_of,
)
from tuneloop.identity.second_factor import SecondFactorNeeded, is_recovery_code
from tuneloop.identity.service import Browser, finish_sign_in, sign_in, sign_out
from tuneloop.identity.sign_in_steps import Step
from tuneloop.kit.errors import InvalidInput, NotAllowed, NotAuthenticated, TooManyAttempts
from tuneloop.kit.http import waiting
from tuneloop.kit.principal import Principal
from tuneloop.tables import Role
from tuneloop.web.console.brand import brand_named, visitor_s_brand
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional
from tuneloop.web.console.pages.joining import require_own_form
from tuneloop.web.console.render import page


class SignInPage(Controller):
    path = "/"
    include_in_schema = False

    @get("/sign-in", public=True, sync_to_thread=True)
    def ask(
        self,
        request: HttpRequest,
        next: FromQuery[str] = "/",  # noqa: A002 - the query's name
        agency: FromQuery[str] = "",
    ) -> Response[Any]:
        """Where nobody can sign in yet, the first page is the one that sets everything up."""
        return back_to("/setup") if _door(request) is Door.FIRST else _form(request, next, at=agency)

    @post("/sign-in", public=True)
    async def enter(self, request: HttpRequest, form: NamedDependency[FormMultiDict]) -> Response[Any]:
        require_own_form(request)
        email, agency, following, at = (optional(form, key) for key in ("email", "agency", "next", "at"))
        password = form.get("password")

        def work() -> Browser:
            with database_of(request).all_agencies() as session:
                return sign_in(
                    session,
                    email=email,
                    password=str(password or ""),
                    agency=agency or None,
                    keys=settings_of(request).secret_key,
                    seen=seen_of(request),
                )

        try:
            browser = await at_password_desk(request, email, work)
        except (NotAuthenticated, NotAllowed, TooManyAttempts) as refused:
            answer = _form(request, following, status=refused.status, email=email, problem=refused.message, at=at)
            answer.headers.update(waiting(refused))
            return answer
        except InvalidInput as several:
            homes = several.details.get("agencies", [])
            return _form(request, following, status=422, email=email, problem=several.message, agencies=homes, at=at)
        except SecondFactorNeeded as needed:
            return _code(request, following, needed.step, at=at)
        return _entered(request, following, browser)

    @post("/sign-in/code", public=True)
    async def prove(self, request: HttpRequest, form: NamedDependency[FormMultiDict]) -> Response[Any]:
        require_own_form(request)
        keys, following, sealed = settings_of(request).secret_key, optional(form, "next"), optional(form, "step")
        code, at = optional(form, "code", longest=40), optional(form, "at")
        try:
            step = Step.opened(sealed, keys)
        except NotAuthenticated as over:
            return _form(request, following, status=over.status, problem=over.message, at=at)

        def work() -> Browser:
            with database_of(request).all_agencies() as session:
                return finish_sign_in(session, step=step, code=code, keys=keys, seen=seen_of(request))

        try:
            browser = await at_password_desk(request, step.email, work)
        except (NotAuthenticated, NotAllowed, TooManyAttempts, SecondFactorNeeded) as refused:
            answer = _code(request, following, sealed, status=refused.status, problem=refused.message, at=at)
            answer.headers.update(waiting(refused))
            return answer
        return _entered(request, following, browser, recovery=is_recovery_code(code))

    @post("/sign-out", role=Role.CLIENT_VIEWER, without_second_factor=True, sync_to_thread=True)
    def leave(self, request: HttpRequest, principal: NamedDependency[Principal]) -> Redirect:
        del principal
        brand = visitor_s_brand(request)
        with database_of(request).all_agencies() as session:
            sign_out(session, token=request.cookies.get(COOKIE, ""))
        answer = back_to(brand.sign_in if brand else "/sign-in", "You are signed out.")
        answer.delete_cookie(COOKIE)
        return answer


def _entered(request: HttpRequest, following: str, browser: Browser, *, recovery: bool = False) -> Redirect:
    used = "That recovery code is used up. My account says how many are left." if recovery else ""
    answer = back_to(own_path(following), used)
    answer.set_cookie(session_cookie(request, browser))
    return answer


def _code(
    request: HttpRequest, following: str, step: str, *, status: int = 200, problem: str = "", at: str = ""
) -> Response[str]:
    context = {"next": own_path(following), "step": step, "problem": problem, "brand": brand_named(request, at)}
    return page(request, "sign_in_code.html", status=status, **context)


def _form(
    request: HttpRequest,
    following: str,
    *,
    status: int = 200,
    email: str = "",
    problem: str = "",
    agencies: list[str] | None = None,
    at: str = "",
) -> Response[str]:
    """`at` names the agency whose colours it has."""
    return page(
        request,
        "sign_in.html",
        status=status,
        next=own_path(following),
        email=email,
        problem=problem,
        agencies=agencies or [],
        door=_door(request),
        brand=brand_named(request, at),
    )


def _door(request: HttpRequest) -> Door:
    with database_of(request).all_agencies() as session:
        return door(session, settings_of(request))


def own_path(address: str) -> str:
    """A path of this site; anything else, such as another host, becomes the start page."""
    parts = urlsplit(address)
    good = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return address if good and "\\" not in address and address.isprintable() else "/"
