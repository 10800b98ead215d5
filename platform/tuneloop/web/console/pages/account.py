"""My account: where I am signed in, my keys, my password."""

from typing import Any
from uuid import UUID

from anyio.to_thread import run_sync
from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from tuneloop.identity.controller import read_account
from tuneloop.identity.request import COOKIE, HttpRequest, database_of, second_factor_is_fresh
from tuneloop.identity.second_factor import SecondFactorNeeded
from tuneloop.identity.sessions import end_own_session, sign_out_everywhere
from tuneloop.kit.errors import InvalidInput, TooManyAttempts
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.people.alert_mail import choose, own_membership
from tuneloop.people.desk import change_at_desk
from tuneloop.tables import AlertMail, Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.pages.joining import twice, typed
from tuneloop.web.console.render import page


class AccountPage(Controller):
    path = "/account"
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
        return _account(request, principal)

    @post("/password", role=Role.CLIENT_VIEWER)
    async def change(
        self,
        request: HttpRequest,
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Response[Any]:
        try:
            await change_at_desk(request, principal, old=typed(form, "old"), new=twice(form), code=code_of(form))
        except (InvalidInput, SecondFactorNeeded, TooManyAttempts) as refused:
            problem, status = refused.message, refused.status
            return await run_sync(lambda: _account(request, principal, problem=problem, status=status))
        return _out("Your password is changed. Sign in with the new one.")

    @post("/alert-mail", role=Role.OPERATOR, sync_to_thread=True)
    def choose(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Redirect:
        when = required(form, "when", "when alerts come by mail")
        if when not in set(AlertMail):
            raise InvalidInput("choose when alerts come by mail", field="when")
        choose(session, principal=principal, when=AlertMail(when))
        return back_to("/account", "Kept.")

    @post("/sessions/end", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def leave_everywhere(
        self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]
    ) -> Redirect:
        sign_out_everywhere(session, principal=principal)
        return _out("You are signed out everywhere.")

    @post("/sessions/{session_id:uuid}/end", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def end(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        session_id: FromPath[UUID],
    ) -> Redirect:
        end_own_session(session, principal=principal, session_id=session_id)
        return back_to("/account", "That browser is signed out.")


def code_of(form: FormMultiDict) -> str | None:
    return optional(form, "code", longest=40) or None


def _account(request: HttpRequest, principal: Principal, *, status: int = 200, problem: str = "") -> Response[str]:
    with database_of(request).all_agencies() as everywhere:
        account = read_account(everywhere, principal)
        alert_mail = own_membership(everywhere, principal).alert_mail
    asks_code = account.second_factor and not second_factor_is_fresh(request)
    return page(
        request,
        "people/account.html",
        status=status,
        account=account,
        problem=problem,
        asks_code=asks_code,
        alert_mail=alert_mail,
    )


def _out(text: str) -> Redirect:
    answer = back_to("/sign-in", text)
    answer.delete_cookie(COOKIE)
    return answer
