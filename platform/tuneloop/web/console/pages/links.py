"""Pages behind links that the bot and mail hand out: answer a question, link oneself to a Slack user."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromQuery

from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.retraining.answer_links import Invited, answer, look
from tuneloop.retraining.reading import read_cycle
from tuneloop.tables import ApprovalKind, Decision, Role
from tuneloop.web.console.render import page
from tuneloop_bot.identities import look_at_identity_link, use_identity_link


class AnswerPage(Controller):
    """For the person to whom the mail went, signed in. Opening the page decides nothing."""

    path = "/answer"
    include_in_schema = False

    @get(role=Role.OPERATOR, sync_to_thread=True)
    def show(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        token: FromQuery[str] = "",
    ) -> Response[str]:
        return _question(request, session, look(session, principal=principal, token=token), token=token)

    @post(role=Role.OPERATOR, sync_to_thread=True)
    def decide(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Response[str]:
        token, said, note = (str(form.get(name, "")) for name in ("token", "decision", "note"))
        if said not in set(Decision):
            raise InvalidInput("say approved or rejected", param="decision")
        invited = answer(session, principal=principal, token=token, decision=Decision(said), note=note.strip() or None)
        return _question(request, session, invited, token="")


class SlackLinkPage(Controller):
    """For somebody who is signed in: their Slack user is the one who asked for the link."""

    path = "/slack/link"
    include_in_schema = False

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def show(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        token: FromQuery[str] = "",
    ) -> Response[str]:
        del principal
        return page(request, "links/slack.html", token=token, asked=look_at_identity_link(session, token=token))

    @post(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def link(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Response[str]:
        token = str(form.get("token", ""))
        asked = look_at_identity_link(session, token=token)
        use_identity_link(session, principal=principal, token=token)
        return page(request, "links/slack.html", token="", asked=asked)


def _question(request: HttpRequest, session: TenantSession, invited: Invited, *, token: str) -> Response[str]:
    read = read_cycle(session, invited.cycle)
    shown: dict[str, Any] = {
        "approval": invited.approval,
        "person": invited.principal.name,
        "model": read.model,
        "evidence": read.evidence if invited.approval.kind is ApprovalKind.PROMOTION else None,
        "outcome": read.comparison.outcome if read.comparison else None,
        "reasons": read.comparison.reasons if read.comparison else [],
    }
    return page(request, "links/answer.html", token=token, **shown)
