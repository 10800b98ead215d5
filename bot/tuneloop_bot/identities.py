"""Who a Slack user is. Linking says which person; what they may do is looked up whenever they do something."""

from collections import defaultdict
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.identity.links import find_link, make_link, use_link
from tuneloop.kit.errors import Conflict, NotAllowed, NotAuthenticated, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.tables import ActorKind, Membership, OneTimeLink, Role, SlackIdentity, SlackInstallation, User

LINK = "slack.link"
LINK_WITHIN = timedelta(minutes=30)
ORIGIN = "slack"


def principal_of(session: Session, installation: SlackInstallation, slack_user: str) -> Principal:
    """The caller, with the role they have now.

    Raises:
        NotAuthenticated: this Slack user is linked to nobody. NotAllowed: the person is not a member (any more).
    """
    identity = _identity(session, installation, slack_user)
    if identity is None:
        raise NotAuthenticated("this Slack user is not linked to a member of the agency")
    user = session.get_one(User, identity.user_id)
    membership = session.exec(select(Membership).where(Membership.user_id == user.id)).one_or_none()
    if membership is None or user.disabled_at is not None:
        raise NotAllowed(f"{user.name} is not a member of this agency (any more)", user=str(user.id))
    return Principal(
        agency_id=installation.agency_id,
        role=membership.role,
        kind=ActorKind.USER,
        actor_id=user.id,
        name=user.name,
        origin=ORIGIN,
        client_id=membership.member_client_id,
    )


def link_by_email(
    session: Session, installation: SlackInstallation, slack_user: str, email: str
) -> SlackIdentity | None:
    """Link by an address that Slack has confirmed; None when no member has it or the workspace does not allow it."""
    if not installation.trust_email:
        return None
    query = (
        select(User)
        .join(Membership, col(Membership.user_id) == User.id)
        .where(User.email == email.lower(), col(User.disabled_at).is_(None))
    )
    user = session.exec(query).one_or_none()
    return _link(session, installation, slack_user, user.id, "email") if user is not None else None


class AskedToLink(NamedTuple):
    """Who asks to be somebody of the agency: `name` is what Slack calls them, "" when it did not say."""

    slack_user_id: str
    name: str
    installation: SlackInstallation


def new_identity_link(session: Session, installation: SlackInstallation, slack_user: str, *, name: str) -> str:
    """Token of a link that links whoever opens it, signs in and says yes to this Slack user."""
    return make_link(
        session,
        LINK,
        valid_for=LINK_WITHIN,
        installation_id=str(installation.id),
        slack_user_id=slack_user,
        slack_name=name,
    )


def look_at_identity_link(session: Session, *, token: str) -> AskedToLink:
    """Raises NotFound, Conflict: no such link in this agency, used, expired, or of a workspace that is gone."""
    return _asked(session, find_link(session, LINK, token))


def _asked(session: Session, link: OneTimeLink) -> AskedToLink:
    installation = session.get(SlackInstallation, UUID(link.payload["installation_id"]))
    if installation is None or installation.removed_at is not None:
        raise Conflict("the Slack workspace of this link is not connected any more")
    return AskedToLink(link.payload["slack_user_id"], link.payload.get("slack_name", ""), installation)


def use_identity_link(session: Session, *, principal: Principal, token: str) -> SlackIdentity:
    """Link the signed-in person. A link of another agency does not exist for them.

    Raises:
        NotFound, Conflict: no such link, used, or expired. NotAllowed: the caller is not a person.
    """
    if principal.kind is not ActorKind.USER or principal.actor_id is None:
        raise NotAllowed("a Slack user is linked to a person: sign in, an API key is not enough")
    asked = _asked(session, use_link(session, LINK, token))
    return _link(session, asked.installation, asked.slack_user_id, principal.actor_id, "link")


def unlink(session: Session, *, principal: Principal, identity_id: UUID) -> None:
    """Raises NotFound when there is no such link."""
    principal.require(Role.ADMIN)
    row = session.get(SlackIdentity, identity_id)
    if row is None:
        raise NotFound("Slack identity", identity_id)
    session.delete(row)
    record(session, principal, "slack.unlink", "user", row.user_id, slack_user=row.slack_user_id)


def linked(session: Session) -> dict[UUID, list[tuple[SlackIdentity, User]]]:
    """By installation and name."""
    found: dict[UUID, list[tuple[SlackIdentity, User]]] = defaultdict(list)
    query = select(SlackIdentity, User).join(User, col(User.id) == SlackIdentity.user_id)
    for identity, user in session.exec(query.order_by(User.name)):
        found[identity.installation_id].append((identity, user))
    return found


def slack_users_of(session: Session, installation: SlackInstallation, *, least: Role) -> list[tuple[str, User, Role]]:
    """Linked members with at least this role, by name: whom a message may call."""
    rows = session.exec(
        select(SlackIdentity, User, Membership)
        .join(User, col(User.id) == SlackIdentity.user_id)
        .join(Membership, col(Membership.user_id) == User.id)
        .where(SlackIdentity.installation_id == installation.id, col(User.disabled_at).is_(None))
        .order_by(User.name)
    )
    asks = (ActorKind.USER, None, "", ORIGIN)
    return [
        (identity.slack_user_id, user, membership.role)
        for identity, user, membership in rows
        if Principal(installation.agency_id, membership.role, *asks).may(least)
    ]


def _identity(session: Session, installation: SlackInstallation, slack_user: str) -> SlackIdentity | None:
    return session.exec(
        select(SlackIdentity).where(
            SlackIdentity.installation_id == installation.id, SlackIdentity.slack_user_id == slack_user
        )
    ).one_or_none()


def _link(session: Session, installation: SlackInstallation, slack_user: str, user_id: UUID, how: str) -> SlackIdentity:
    row = _identity(session, installation, slack_user)
    if row is None:
        row = SlackIdentity(
            agency_id=installation.agency_id,
            installation_id=installation.id,
            slack_user_id=slack_user,
            user_id=user_id,
            how=how,
        )
    row.user_id, row.how = user_id, how
    session.add(row)
    session.flush()
    user = session.get_one(User, user_id)
    who = Principal(installation.agency_id, Role.VIEWER, ActorKind.USER, user_id, user.name, ORIGIN)
    record(session, who, "slack.link", "user", user_id, slack_user=slack_user, team=installation.team_id, how=how)
    return row
