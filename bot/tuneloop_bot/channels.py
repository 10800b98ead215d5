"""Where messages go: a channel per client, one for all, or an owner or admin in person (`tuneloop_bot.fallback`)."""

from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.service import client_id_of
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.tables import Role, SlackChannel, SlackInstallation
from tuneloop_bot.delivery_problems import settle_delivery
from tuneloop_bot.installations import installations


class Place(NamedTuple):
    installation: SlackInstallation
    channel: str


def place_for(session: Session, client_id: UUID | None) -> Place | None:
    """The client's own channel, else the agency's, else a person: whom, is seen when it is sent. None without a
    workspace.
    """
    rows = session.exec(
        select(SlackChannel, SlackInstallation)
        .join(SlackInstallation, col(SlackInstallation.id) == SlackChannel.installation_id)
        .where(col(SlackInstallation.removed_at).is_(None))
    ).all()
    for wanted in (client_id, None):
        for channel, installation in rows:
            if channel.client_id == wanted:
                return Place(installation, channel.channel)
    known = installations(session)
    return Place(known[0], known[0].installer) if known else None


def set_channel(
    session: Session,
    *,
    principal: Principal,
    channel: str,
    client: str | None = None,
    team: str | None = None,
) -> SlackChannel:
    """Send messages about a client, or all others, to a channel of a workspace.

    Raises:
        InvalidInput: no workspace is connected, or it is not clear which of several is meant.
    """
    principal.require(Role.ADMIN)
    known = [each for each in installations(session) if team in (None, each.team_id, each.team_name)]
    if len(known) != 1:
        names = ", ".join(f"{each.team_name} ({each.team_id})" for each in installations(session)) or "none"
        raise InvalidInput(f"say in which workspace the channel is; connected: {names}", param="team")
    client_id = client_id_of(session, client)
    query = select(SlackChannel).where(col(SlackChannel.client_id).is_not_distinct_from(client_id))
    row = session.exec(query.with_for_update()).one_or_none() or SlackChannel(
        agency_id=principal.agency_id, installation_id=known[0].id, client_id=client_id, channel=channel
    )
    settle_delivery(session, f"channel:{row.channel}", f"channel:{channel}", f"workspace:{known[0].id}")
    row.installation_id, row.channel = known[0].id, channel
    session.add(row)
    session.flush()
    record(session, principal, "slack.channel", "slack_channel", row.id, client_id=client_id, channel=channel)
    return row


def channels(session: Session) -> list[SlackChannel]:
    return list(session.exec(select(SlackChannel).order_by(col(SlackChannel.client_id))))
