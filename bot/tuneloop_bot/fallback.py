"""Where a message goes whose channel is gone, or that has none: to an active owner or admin in Slack, else by mail."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from sqlmodel import Session, col, select

from tuneloop.email.service import EmailContent, mail_person
from tuneloop.kit.settings import Settings
from tuneloop.tables import Membership, Role, SlackIdentity, SlackInstallation, SlackMessage, User
from tuneloop_bot.blocks.content import MessageContent
from tuneloop_bot.web_api import GONE, Calls, Refusal

NO_PERSON = {"user_disabled", "user_not_found", "user_not_visible", "cannot_dm_bot", "messages_tab_disabled"}
_MARKUP = (
    (re.compile(r"<[^<>|]*\|([^<>]*)>"), r"\1"),
    (re.compile(r"<([^<>]*)>"), r"\1"),
    (re.compile(r":[a-z_]+: ?"), ""),
)


@dataclass(frozen=True)
class Confidants:
    """Who may get what was meant for a channel: Slack users linked to active owners and admins of the whole agency,
    and the installer, if Slack confirms one of their addresses.
    """

    linked: Sequence[str]
    installer: str
    emails: frozenset[str]


def confidants_of(session: Session, installation: SlackInstallation) -> Confidants:
    people = list(owners_and_admins(session, Role.OWNER, Role.ADMIN))
    query = select(SlackIdentity.slack_user_id, SlackIdentity.user_id).where(
        SlackIdentity.installation_id == installation.id
    )
    linked = {user_id: slack_user for slack_user, user_id in session.exec(query)}
    emails = frozenset(each.email.lower() for each in people) if installation.trust_email else frozenset[str]()
    return Confidants([linked[each.id] for each in people if each.id in linked], installation.installer, emails)


def owners_and_admins(session: Session, *roles: Role) -> Iterator[User]:
    """Active members of the whole agency, in the order of these roles."""
    for role in roles:
        query = select(User).join(Membership, col(Membership.user_id) == User.id)
        yield from session.exec(
            query.where(
                Membership.role == role, col(Membership.member_client_id).is_(None), col(User.disabled_at).is_(None)
            ).order_by(User.name)
        )


def reachable(calls: Calls, confidants: Confidants) -> Iterator[str]:
    """Those who are active full members of the workspace now. Raises Refusal when the workspace itself is gone."""
    for slack_user in dict.fromkeys([*confidants.linked, confidants.installer]):
        person = _active(calls, slack_user)
        if person is None:
            continue
        email = str(person.get("profile", {}).get("email", "")).lower()
        known = bool(person.get("is_email_confirmed")) and email in confidants.emails
        if slack_user in confidants.linked or known:
            yield slack_user


def _active(calls: Calls, slack_user: str) -> dict[str, Any] | None:
    try:
        person: dict[str, Any] = calls.ask("users.info", user=slack_user)["user"]
    except Refusal as refusal:
        if refusal.code in GONE:
            raise
        return None
    barred = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")
    return None if any(person.get(each) for each in barred) else person


def mail_instead(session: Session, settings: Settings, message: SlackMessage, content: MessageContent) -> None:
    """To the owners, once per message; to the admins, if there are none."""
    people = list(owners_and_admins(session, Role.OWNER)) or list(owners_and_admins(session, Role.ADMIN))
    for person in people:
        mail_person(
            session,
            settings,
            person,
            agency_id=message.agency_id,
            reason=f"slack_message:{message.id}:{person.id}",
            subject=("slack_message", message.id),
            content=_email(content, person.name, settings.site_url),
        )


def _email(content: MessageContent, name: str, site: str) -> EmailContent:
    lines = [
        f"Hello {name},",
        *dict.fromkeys([content.notice, *(_plain(each) for each in _texts(content.blocks))]),
        "This could not be delivered in Slack. What has to be decided waits for you on the page.",
    ]
    html = "".join(f"<p>{escape(line)}</p>" for line in lines) + f'<p><a href="{escape(site)}">Open Tuneloop</a></p>'
    return EmailContent(subject=content.notice[:150], text="\n\n".join([*lines, site]), html=html)


def _texts(blocks: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What is said in the blocks, without their buttons."""
    for block in blocks:
        for each in (block.get("text"), *block.get("fields", ()), *_context(block)):
            if isinstance(each, dict) and isinstance(each.get("text"), str):
                yield each["text"]


def _context(block: dict[str, Any]) -> Sequence[Any]:
    return block.get("elements", ()) if block.get("type") == "context" else ()


def _plain(text: str) -> str:
    for pattern, instead in _MARKUP:
        text = pattern.sub(instead, text)
    text = text.replace("*", "").replace("`", "")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()
