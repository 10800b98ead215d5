"""HTTP: the agency's workspaces, their channels, and linking oneself."""

from collections.abc import Sequence
from uuid import UUID

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.clients.service import client_slugs
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.errors import Unavailable
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role, SlackChannel
from tuneloop_bot.channels import channels, set_channel
from tuneloop_bot.delivery_problems import delivery_problems
from tuneloop_bot.identities import linked, unlink
from tuneloop_bot.installations import begin_installation, installations, remove_installation
from tuneloop_bot.schemas import (
    ChannelRead,
    ChannelSet,
    DeliveryProblemRead,
    InstallBegun,
    PersonRead,
    SlackRead,
    WorkspaceRead,
)


def _read_channels(session: TenantSession, rows: Sequence[SlackChannel]) -> list[ChannelRead]:
    teams = {each.id: each.team_id for each in installations(session)}
    slugs = client_slugs(session)
    return [
        ChannelRead(
            channel=row.channel,
            client=slugs[row.client_id] if row.client_id else None,
            team_id=teams.get(row.installation_id, ""),
        )
        for row in rows
    ]


class SlackController(Controller):
    path = "/api/v1/slack"
    tags = ("slack",)

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession]) -> SlackRead:
        """Connected workspaces, who is linked in them, and where messages go."""
        people_in = linked(session)
        return SlackRead(
            workspaces=[
                WorkspaceRead(
                    **each.model_dump(include={"id", "team_id", "team_name", "installed_at"}),
                    scopes=each.scopes.split(","),
                    people=[
                        PersonRead(id=link.id, slack_user_id=link.slack_user_id, name=person.name, how=link.how)
                        for link, person in people_in[each.id]
                    ],
                )
                for each in installations(session)
            ],
            channels=_read_channels(session, channels(session)),
            problems=[DeliveryProblemRead.model_validate(each) for each in delivery_problems(session)],
        )

    @post("/installations", role=Role.ADMIN, sync_to_thread=True)
    def install(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
    ) -> InstallBegun:
        """Begin to connect a workspace."""
        settings = settings_of(request)
        if not settings.slack_client_id:
            raise Unavailable("this installation has no Slack app; set TUNELOOP_SLACK_CLIENT_ID and its secrets")
        state = begin_installation(session, principal=principal)
        return InstallBegun(url=f"{settings.site_url}/slack/install?state={state}")

    @delete("/installations/{installation_id:uuid}", role=Role.ADMIN, sync_to_thread=True)
    def remove(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        installation_id: FromPath[UUID],
    ) -> None:
        """Disconnect a workspace and forget its tokens."""
        remove_installation(session, principal=principal, installation_id=installation_id)

    @put("/channel", role=Role.ADMIN, sync_to_thread=True)
    def route(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[ChannelSet],
    ) -> ChannelRead:
        """Send messages about a client, or all others, to a channel."""
        row = set_channel(session, principal=principal, channel=data.channel, client=data.client, team=data.team)
        return _read_channels(session, [row])[0]

    @delete("/identities/{identity_id:uuid}", role=Role.ADMIN, sync_to_thread=True)
    def forget(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        identity_id: FromPath[UUID],
    ) -> None:
        """Take away a link between a Slack user and a member."""
        unlink(session, principal=principal, identity_id=identity_id)
