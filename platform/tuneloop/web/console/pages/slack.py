"""Slack: connect a workspace, say which channel, see who is linked."""

from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from tuneloop.clients.service import list_clients
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.errors import Unavailable
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.render import page
from tuneloop_bot.channels import channels, set_channel
from tuneloop_bot.delivery_problems import delivery_problems
from tuneloop_bot.identities import linked, unlink
from tuneloop_bot.installations import begin_installation, installations, remove_installation


class SlackPage(Controller):
    path = "/slack"
    include_in_schema = False

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
    ) -> Response[str]:
        return _slack(request, session, principal)

    @post("/connect", role=Role.ADMIN, status_code=200, sync_to_thread=True)
    def connect(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
    ) -> Response[str]:
        """Answers with a link: browsers do not let a form lead to another site."""
        if not settings_of(request).slack_client_id:
            raise Unavailable("this installation has no Slack app; set TUNELOOP_SLACK_CLIENT_ID and its secrets")
        state = begin_installation(session, principal=principal)
        return _slack(request, session, principal, onward=f"/slack/install?state={state}")

    @post("/channel", role=Role.ADMIN, sync_to_thread=True)
    def route(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Redirect:
        row = set_channel(
            session,
            principal=principal,
            channel=required(form, "channel", "the channel's id", longest=40),
            client=optional(form, "client") or None,
            team=optional(form, "team") or None,
        )
        return back_to("/slack", f"Messages go to {row.channel} now. Invite the app there: /invite @Tuneloop")

    @post("/installations/{installation_id:uuid}/remove", role=Role.ADMIN, sync_to_thread=True)
    def remove(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        installation_id: FromPath[UUID],
    ) -> Redirect:
        row = remove_installation(session, principal=principal, installation_id=installation_id)
        return back_to("/slack", f"{row.team_name} is disconnected, and its tokens are forgotten.")

    @post("/identities/{identity_id:uuid}/unlink", role=Role.ADMIN, sync_to_thread=True)
    def forget(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        identity_id: FromPath[UUID],
    ) -> Redirect:
        unlink(session, principal=principal, identity_id=identity_id)
        return back_to("/slack", "This Slack user is linked to nobody now.")


def _slack(request: HttpRequest, session: TenantSession, principal: Principal, *, onward: str = "") -> Response[str]:
    people_in = linked(session)
    workspaces = [(each, people_in[each.id]) for each in installations(session)]
    clients = list_clients(session)
    return page(
        request,
        "slack.html",
        has_app=bool(settings_of(request).slack_client_id),
        onward=onward,
        workspaces=workspaces,
        channels=channels(session),
        clients=clients,
        client_names={each.id: each.name for each in clients},
        linked_myself=any(person.id == principal.person_id for _, people in workspaces for _, person in people),
        problems=delivery_problems(session),
    )
