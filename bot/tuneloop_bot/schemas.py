"""What the Slack endpoints read and write."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class PersonRead(BaseModel):
    """A member who is linked to a Slack user; `id` is the link's."""

    id: UUID
    slack_user_id: str
    name: str
    how: str


class WorkspaceRead(BaseModel):
    id: UUID
    team_id: str
    team_name: str
    scopes: list[str]
    installed_at: datetime
    people: list[PersonRead]


class ChannelSet(BaseModel):
    """Without a client: where everything goes that has no channel of its own."""

    model_config = ConfigDict(extra="forbid")

    channel: str = Field(pattern=r"^[CGD][A-Z0-9]{2,20}$", description="Slack's id of the channel, such as C0123456789")
    client: str | None = None
    team: str | None = Field(default=None, description="id or name of the workspace, if there are several")


class ChannelRead(BaseModel):
    channel: str
    client: str | None
    team_id: str


class DeliveryProblemRead(BaseModel):
    """Messages that don't arrive as they should, and what mends it."""

    model_config = ConfigDict(from_attributes=True)

    summary: str
    to_do: str
    found_at: datetime


class SlackRead(BaseModel):
    workspaces: list[WorkspaceRead]
    channels: list[ChannelRead]
    problems: list[DeliveryProblemRead] = []


class InstallBegun(BaseModel):
    url: str = Field(description="open it in a browser within 15 minutes")
