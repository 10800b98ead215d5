"""`tuneloop slack`: the agency's workspaces and where messages go."""

from types import NoneType
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Group
from rich.text import Text

from tuneloop.cli.render import Rows, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop_bot.schemas import ChannelRead, DeliveryProblemRead, InstallBegun, PersonRead, SlackRead, WorkspaceRead

app = typer.Typer()


@command(app, "show")
def show(terminal: Terminal) -> None:
    """Connected workspaces, linked people, and channels."""
    terminal.show(terminal.api.get("/slack", SlackRead), render_slack)


@command(app, "install")
def install(terminal: Terminal) -> None:
    """Connect a workspace: prints the link to open in a browser."""
    terminal.show(terminal.api.post("/slack/installations", InstallBegun, {}), lambda begun: f"open {begun.url}")


@command(app, "remove")
def remove(
    terminal: Terminal, workspace: Annotated[UUID, typer.Argument(metavar="WORKSPACE", help="Id, from slack show.")]
) -> None:
    """Disconnect a workspace and forget its tokens."""
    gone = terminal.api.delete(f"/slack/installations/{workspace}", NoneType)
    terminal.show(gone, lambda _: "the workspace is disconnected")


@command(app, "channel")
def channel(
    terminal: Terminal,
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Slack's id of the channel, such as C0123456789.")],
    client: Annotated[str | None, typer.Option(help="Messages about this client; all others when left out.")] = None,
    team: Annotated[str | None, typer.Option(help="The workspace, if there are several.")] = None,
) -> None:
    """Send messages about a client, or all others, to a channel."""
    body = {"channel": channel, "client": client, "team": team}
    terminal.show(
        terminal.api.put("/slack/channel", ChannelRead, body),
        lambda row: f"messages about {row.client or 'all other clients'} go to {row.channel}",
    )


@command(app, "unlink")
def unlink(
    terminal: Terminal, identity: Annotated[UUID, typer.Argument(metavar="IDENTITY", help="Id, from slack show.")]
) -> None:
    """Take away the link between a Slack user and a member."""
    terminal.show(terminal.api.delete(f"/slack/identities/{identity}", NoneType), lambda _: "the link is gone")


def render_slack(found: SlackRead) -> Group:
    if not found.workspaces:
        return stack(Text("No workspace is connected: tuneloop slack install", "dim"))
    people = [person for workspace in found.workspaces for person in workspace.people]
    shown = [WORKSPACES(found.workspaces), PEOPLE(people), CHANNELS(found.channels)]
    return stack(*shown, *([PROBLEMS(found.problems)] if found.problems else []))


WORKSPACES = Rows[WorkspaceRead](
    whole("Workspace", lambda it: it.id),
    text("Name", lambda it: it.team_name),
    whole("Team", lambda it: it.team_id),
    text("Since", lambda it: it.installed_at),
)
PEOPLE = Rows[PersonRead](
    whole("Identity", lambda it: it.id),
    text("Member", lambda it: it.name),
    whole("Slack user", lambda it: it.slack_user_id),
)
CHANNELS = Rows[ChannelRead](
    whole("Channel", lambda it: it.channel),
    text("Client", lambda it: it.client or "all others"),
    whole("Team", lambda it: it.team_id),
)
PROBLEMS = Rows[DeliveryProblemRead](
    text("What doesn't arrive", lambda it: it.summary),
    text("To do", lambda it: it.to_do),
    text("Since", lambda it: it.found_at),
)
