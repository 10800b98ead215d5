"""Setting up, changing and turning off one's second factor."""

from typing import Any

import segno
from anyio.to_thread import run_sync
from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.response import Redirect

from tuneloop.identity.controller import read_account
from tuneloop.identity.request import HttpRequest, database_of, second_factor_is_fresh, settings_of
from tuneloop.identity.second_factor import SecondFactorNeeded
from tuneloop.identity.sessions import person_of_principal
from tuneloop.kit.errors import InvalidInput, TooManyAttempts
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.people.schemas import OwnProof
from tuneloop.people.second_factor import Begun, begun
from tuneloop.people.second_factor_controller import begin_at_desk, confirm_code, renew_at_desk, turn_off_at_desk
from tuneloop.tables import Agency, Role, User
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional
from tuneloop.web.console.pages.account import code_of
from tuneloop.web.console.pages.joining import typed
from tuneloop.web.console.render import page

REFUSALS = (InvalidInput, SecondFactorNeeded, TooManyAttempts)
PATH = "/account/second-factor"


class SecondFactorPage(Controller):
    path = PATH
    include_in_schema = False
    opt = {"without_second_factor": True}

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def show(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
    ) -> Response[str]:
        del session  # opened for the name of the agency
        return _page(request, principal)

    @post("/begin", role=Role.CLIENT_VIEWER, status_code=200)
    async def begin(
        self, request: HttpRequest, principal: NamedDependency[Principal], form: NamedDependency[FormMultiDict]
    ) -> Response[Any]:
        """Answers with the page itself: the secret never travels in an address."""
        try:
            made = await begin_at_desk(request, principal, _proof(form))
        except REFUSALS as refused:
            return await _refused(request, principal, refused)
        return await run_sync(lambda: _page(request, principal, made=made))

    @post("/confirm", role=Role.CLIENT_VIEWER, status_code=200)
    async def confirm(
        self, request: HttpRequest, principal: NamedDependency[Principal], form: NamedDependency[FormMultiDict]
    ) -> Response[Any]:
        code = optional(form, "code", longest=40)
        try:
            codes = await confirm_code(request, principal, code)
        except InvalidInput as refused:
            problem = refused.message
            made = await run_sync(lambda: _begun(request, principal))
            return await run_sync(lambda: _page(request, principal, made=made, problem=problem, status=422))
        return await run_sync(lambda: _page(request, principal, codes=codes))

    @post("/codes", role=Role.CLIENT_VIEWER, status_code=200)
    async def renew(
        self, request: HttpRequest, principal: NamedDependency[Principal], form: NamedDependency[FormMultiDict]
    ) -> Response[Any]:
        try:
            codes = await renew_at_desk(request, principal, _proof(form))
        except REFUSALS as refused:
            return await _refused(request, principal, refused)
        return await run_sync(lambda: _page(request, principal, codes=codes))

    @post("/off", role=Role.CLIENT_VIEWER)
    async def off(
        self, request: HttpRequest, principal: NamedDependency[Principal], form: NamedDependency[FormMultiDict]
    ) -> Response[Any] | Redirect:
        try:
            await turn_off_at_desk(request, principal, _proof(form))
        except REFUSALS as refused:
            return await _refused(request, principal, refused)
        return back_to(PATH, "Your second factor is off.")


def _proof(form: FormMultiDict) -> OwnProof:
    """Raises InvalidInput: no password."""
    password = typed(form, "password")
    if not 0 < len(password) <= 200:
        raise InvalidInput("type your password", field="password")
    return OwnProof(password=password, code=code_of(form))


async def _refused(
    request: HttpRequest, principal: Principal, refused: InvalidInput | SecondFactorNeeded | TooManyAttempts
) -> Response[str]:
    problem, status = refused.message, refused.status
    return await run_sync(lambda: _page(request, principal, problem=problem, status=status))


def _begun(request: HttpRequest, principal: Principal) -> Begun:
    with database_of(request).all_agencies() as everywhere:
        user = everywhere.get_one(User, person_of_principal(principal))
        return begun(everywhere, principal=principal, user=user, settings=settings_of(request))


def _page(
    request: HttpRequest,
    principal: Principal,
    *,
    status: int = 200,
    made: Begun | None = None,
    codes: list[str] | None = None,
    problem: str = "",
) -> Response[str]:
    with database_of(request).all_agencies() as everywhere:
        account = read_account(everywhere, principal)
        agency = everywhere.get_one(Agency, principal.agency_id)
        request.state.agency = agency.name
        required = agency.second_factor_required
    return page(
        request,
        "people/second_factor.html",
        status=status,
        account=account,
        required=required,
        asks_code=account.second_factor and not second_factor_is_fresh(request),
        made=made,
        image=_image(made.address) if made else "",
        codes=codes or [],
        problem=problem,
    )


def _image(address: str) -> str:
    return str(segno.make(address, error="m").svg_data_uri(scale=5, border=3, light="#fff"))
