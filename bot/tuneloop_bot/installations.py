"""Connecting a workspace to an agency: by whom, with which tokens, until when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.identity.links import make_link, use_link
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.tables import ActorKind, Role, SlackChannel, SlackInstallation, SlackMessage
from tuneloop_bot.delivery_problems import settle_delivery

INSTALL = "slack.install"
INSTALL_WITHIN = timedelta(minutes=15)
FIRST_LOOK = timedelta(days=90)
"""How far back a new workspace hears of what is still open."""

SCOPES = (
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:write",
    "users:read",
    "users:read.email",
)
"""Least scopes: the histories carry replies in our threads, the e-mail links people to members."""


@dataclass(frozen=True)
class SlackGrant:
    """What Slack gave for a workspace."""

    team_id: str
    team_name: str
    app_id: str
    bot_user_id: str
    bot_token: str
    refresh_token: str | None
    expires_at: datetime | None
    scopes: str
    installer: str


def begin_installation(session: Session, *, principal: Principal) -> str:
    """A one-time `state` for OAuth: whoever comes back with it installs for this agency."""
    principal.require(Role.ADMIN)
    record(session, principal, "slack.install_begin", "agency", principal.agency_id)
    person = str(principal.actor_id) if principal.kind is ActorKind.USER and principal.actor_id else None
    return make_link(session, INSTALL, valid_for=INSTALL_WITHIN, by=principal.name, user_id=person)


def complete_installation(session: Session, *, state: str, grant: SlackGrant, vault: Vault) -> SlackInstallation:
    """Needs a session across agencies.

    Raises:
        Conflict: the state is used or old, or the workspace belongs to another agency.
    """
    link = use_link(session, INSTALL, state)
    query = select(SlackInstallation).where(
        SlackInstallation.team_id == grant.team_id, col(SlackInstallation.removed_at).is_(None)
    )
    row = session.exec(query.with_for_update()).one_or_none()
    if row is not None and row.agency_id != link.agency_id:
        raise Conflict(
            f"the workspace {grant.team_name} is connected to another agency; remove Tuneloop there first",
            team=grant.team_id,
        )
    row = row or SlackInstallation(
        agency_id=link.agency_id,
        team_id=grant.team_id,
        team_name=grant.team_name,
        app_id=grant.app_id,
        bot_user_id=grant.bot_user_id,
        bot_token="",
        scopes=grant.scopes,
        installer=grant.installer,
        installed_by=UUID(link.payload["user_id"]) if link.payload["user_id"] else None,
        news_until=now() - FIRST_LOOK,
    )
    row.team_name, row.bot_user_id, row.scopes, row.installer = (
        grant.team_name,
        grant.bot_user_id,
        grant.scopes,
        grant.installer,
    )
    keep_tokens(row, vault, grant.bot_token, grant.refresh_token, grant.expires_at)
    session.add(row)
    session.flush()
    settle_delivery(session, f"workspace:{row.id}")
    principal = Principal(link.agency_id, Role.ADMIN, ActorKind.USER, row.installed_by, link.payload["by"], "slack")
    record(session, principal, "slack.install", "slack_installation", row.id, team=grant.team_id, name=grant.team_name)
    return row


def keep_tokens(
    row: SlackInstallation, vault: Vault, bot_token: str, refresh_token: str | None, expires_at: datetime | None
) -> None:
    row.bot_token = vault.seal(bot_token)
    row.refresh_token = vault.seal(refresh_token) if refresh_token else None
    row.token_expires_at = expires_at


def installation_of_team(session: Session, team_id: str) -> SlackInstallation | None:
    """Needs a session across agencies: this is where a request of Slack finds its tenant."""
    return session.exec(
        select(SlackInstallation).where(
            SlackInstallation.team_id == team_id, col(SlackInstallation.removed_at).is_(None)
        )
    ).one_or_none()


def installations(session: Session) -> list[SlackInstallation]:
    """Those in use, oldest first."""
    query = select(SlackInstallation).where(col(SlackInstallation.removed_at).is_(None))
    return list(session.exec(query.order_by(col(SlackInstallation.installed_at))))


def hold_installations(session: Session) -> list[SlackInstallation]:
    """Those in use, locked: whoever writes several messages or removes the workspace has its row first, so that none
    waits for another who waits for them.
    """
    query = select(SlackInstallation).where(col(SlackInstallation.removed_at).is_(None))
    query = query.order_by(col(SlackInstallation.installed_at), col(SlackInstallation.id))
    return list(session.exec(query.with_for_update(key_share=True).execution_options(populate_existing=True)))


def remove_installation(session: Session, *, principal: Principal, installation_id: UUID) -> SlackInstallation:
    """Forget the workspace and its tokens. Removing it twice is harmless; what was said there stays in the audit log.

    Raises:
        NotFound: no such workspace.
    """
    principal.require(Role.ADMIN)
    query = select(SlackInstallation).where(SlackInstallation.id == installation_id).with_for_update()
    row = session.exec(query).one_or_none()
    if row is None:
        raise NotFound("Slack workspace", installation_id)
    if row.removed_at is not None:
        return row
    row.removed_at, row.bot_token, row.refresh_token = now(), "", None
    session.add(row)
    for channel in session.exec(select(SlackChannel).where(SlackChannel.installation_id == row.id)):
        session.delete(channel)
    settle_delivery(session, f"workspace:{row.id}")
    for message in session.exec(select(SlackMessage).where(SlackMessage.installation_id == row.id)):
        message.sent = message.wanted
        session.add(message)
    record(session, principal, "slack.remove", "slack_installation", row.id, team=row.team_id, name=row.team_name)
    return row
