"""Pages behind the links that people get by mail: join an agency, choose a new password."""

from typing import Any

from anyio.to_thread import run_sync
from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromQuery

from tuneloop.identity.request import HttpRequest, database_of, session_cookie, settings_of
from tuneloop.identity.second_factor import SecondFactorNeeded
from tuneloop.identity.service import WRONG
from tuneloop.kit.errors import InvalidInput, NotAllowed, NotAuthenticated, TooManyAttempts
from tuneloop.people.desk import accept_at_desk
from tuneloop.people.invitations import offer_of
from tuneloop.people.password_links import choose, forgotten, owner_of_link
from tuneloop.web.console.brand import brand_named, brand_of, brand_of_person
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.render import page


class InvitationPage(Controller):
    """Opening the page decides nothing: mail scanners open links too."""

    path = "/invitation"
    include_in_schema = False

    @get(public=True, sync_to_thread=True)
    def ask(self, request: HttpRequest, token: FromQuery[str] = "") -> Response[str]:
        return _invitation(request, token)

    @post(public=True)
    async def join(self, request: HttpRequest, form: NamedDependency[FormMultiDict]) -> Response[Any]:
        require_own_form(request)
        token, name = optional(form, "token"), optional(form, "name")
        try:
            password = twice(form) if "again" in form else typed(form, "password")
            code = optional(form, "code", longest=40) or None
            browser = await accept_at_desk(request, token=token, password=password, name=name, code=code, origin="web")
        except (InvalidInput, NotAllowed, NotAuthenticated, SecondFactorNeeded, TooManyAttempts) as refused:
            wrong = refused.message == WRONG
            problem = "that is not the password of this account" if wrong else refused.message
            status = refused.status
            return await run_sync(lambda: _invitation(request, token, problem=problem, name=name, status=status))
        answer = back_to("/", "You have joined.")
        answer.set_cookie(session_cookie(request, browser))
        return answer


class PasswordPage(Controller):
    path = "/password"
    include_in_schema = False

    @get("/forgotten", public=True, sync_to_thread=True)
    def forget(self, request: HttpRequest, agency: FromQuery[str] = "") -> Response[str]:
        return page(request, "people/forgotten.html", sent=False, brand=brand_named(request, agency))

    @post("/forgotten", public=True, status_code=200, sync_to_thread=True)
    def send(self, request: HttpRequest, form: NamedDependency[FormMultiDict]) -> Response[str]:
        require_own_form(request)
        email, settings = required(form, "email", "the e-mail address", longest=320), settings_of(request)
        with database_of(request).all_agencies() as session:
            forgotten(session, email=email, settings=settings)
        brand = brand_named(request, optional(form, "at"))
        return page(request, "people/forgotten.html", sent=True, minutes=settings.password_link_minutes, brand=brand)

    @get(public=True, sync_to_thread=True)
    def ask(self, request: HttpRequest, token: FromQuery[str] = "") -> Response[str]:
        return _password(request, token)

    @post(public=True, sync_to_thread=True)
    def choose(self, request: HttpRequest, form: NamedDependency[FormMultiDict]) -> Response[Any]:
        require_own_form(request)
        token = optional(form, "token")
        try:
            password = twice(form)
            with database_of(request).all_agencies() as session:
                _, person = owner_of_link(session, token)
                brand = brand_of_person(session, person.id)
                choose(session, token=token, password=password, settings=settings_of(request))
        except InvalidInput as refused:
            return _password(request, token, problem=refused.message, status=422)
        return back_to(brand.sign_in if brand else "/sign-in", "Your new password is set. Sign in with it.")


def require_own_form(request: HttpRequest) -> None:
    """Raises NotAllowed for a form of another site. These have no session whose token they could carry."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotAllowed("send this form from Tuneloop's own page")


def twice(form: FormMultiDict) -> str:
    """Raises InvalidInput unless a new password was typed the same both times."""
    password = typed(form, "password")
    if password != typed(form, "again"):
        raise InvalidInput("the two passwords are not the same; type them once more", field="again")
    return password


def typed(form: FormMultiDict, key: str) -> str:
    """As it was typed: spaces at the ends belong to a password."""
    value = form.get(key)
    return value if isinstance(value, str) else ""


def _invitation(
    request: HttpRequest, token: str, *, status: int = 200, problem: str = "", name: str = ""
) -> Response[str]:
    with database_of(request).all_agencies() as session:
        offer = offer_of(session, token)
        client = offer.client.id if offer.client else None
        brand = brand_of(session, offer.agency.id, client) if client else None
        context = {"offer": offer, "token": token, "problem": problem, "name": name}
        return page(request, "people/invitation.html", status=status, brand=brand, **context)


def _password(request: HttpRequest, token: str, *, status: int = 200, problem: str = "") -> Response[str]:
    with database_of(request).all_agencies() as session:
        _, person = owner_of_link(session, token)
        context = {"person": person, "token": token, "problem": problem, "brand": brand_of_person(session, person.id)}
        return page(request, "people/password.html", status=status, **context)
