"""`tuneloop slack`: the agency's workspaces and where messages go."""

from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.output import stack, table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="Slack workspaces, channels, and who is linked.")


@command(app, "show")
def show(terminal: Terminal) -> None:
    """Connected workspaces, linked people, and channels."""
    terminal.out.show(terminal.api.get("/slack"), render_slack)


@command(app, "install")
def install(terminal: Terminal) -> None:
    """Connect a workspace: prints the link to open in a browser."""
    terminal.out.show(terminal.api.post("/slack/installations", {}), lambda begun: f"open {begun['url']}")


@command(app, "remove")
def remove(
    terminal: Terminal, workspace: Annotated[UUID, typer.Argument(metavar="WORKSPACE", help="Id, from slack show.")]
) -> None:
    """Disconnect a workspace and forget its tokens."""
    reply = terminal.api.delete(f"/slack/installations/{workspace}")
    terminal.out.show(reply, lambda _: "the workspace is disconnected")


@command(app, "channel")
def channel(
    terminal: Terminal,
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Slack's id of the channel, such as C0123456789.")],
    client: Annotated[str | None, typer.Option(help="Messages about this client; all others when left out.")] = None,
    team: Annotated[str | None, typer.Option(help="The workspace, if there are several.")] = None,
) -> None:
    """Send messages about a client, or all others, to a channel."""
    reply = terminal.api.put("/slack/channel", {"channel": channel, "client": client, "team": team})
    terminal.out.show(
        reply, lambda row: f"messages about {row['client'] or 'all other clients'} go to {row['channel']}"
    )


@command(app, "unlink")
def unlink(
    terminal: Terminal, identity: Annotated[UUID, typer.Argument(metavar="IDENTITY", help="Id, from slack show.")]
) -> None:
    """Take away the link between a Slack user and a member."""
    terminal.out.show(terminal.api.delete(f"/slack/identities/{identity}"), lambda _: "the link is gone")


def render_slack(found: dict[str, Any]) -> Group:
    workspaces = table(
        whole("Workspace"),
        "Name",
        whole("Team"),
        "Since",
        rows=[
            (each["id"], each["team_name"], each["team_id"], figures.moment(each["installed_at"]))
            for each in found["workspaces"]
        ],
    )
    people = table(
        whole("Identity"),
        "Member",
        whole("Slack user"),
        rows=[
            (each["id"], each["name"], each["slack_user_id"])
            for workspace in found["workspaces"]
            for each in workspace["people"]
        ],
    )
    channels = table(
        whole("Channel"),
        "Client",
        whole("Team"),
        rows=[(each["channel"], each["client"] or "all others", each["team_id"]) for each in found["channels"]],
    )
    none = Text("No workspace is connected: tuneloop slack install", "dim")
    return stack(workspaces, people, channels) if found["workspaces"] else stack(none)
