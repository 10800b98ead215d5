"""What a person is told about their own account, by mail from the installation, and every agency by its audit log."""

from html import escape

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.email.service import EmailContent, mail_person
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.tables import ActorKind, Agency, Membership, Role, User

KIND = "account"


def memberships_of(session: Session, user: User) -> list[Membership]:
    """The eldest first."""
    query = select(Membership).where(Membership.user_id == user.id).order_by(col(Membership.created_at))
    return list(session.exec(query))


def site_of(session: Session, user: User) -> str:
    """What somebody knows their account by: to a client's viewer the agency, to everybody else the product."""
    mine = memberships_of(session, user)
    if len(mine) != 1 or mine[0].role is not Role.CLIENT_VIEWER:
        return "Tuneloop"
    return session.get_one(Agency, mine[0].agency_id).name


def tell_everywhere(
    session: Session, settings: Settings, user: User, action: str, content: EmailContent, *, origin: str = "web"
) -> None:
    """Every agency that the account opens hears of it, and so does the person. Needs a session across agencies."""
    for membership in memberships_of(session, user):
        who = Principal(membership.agency_id, membership.role, ActorKind.USER, user.id, user.name, origin)
        record(session, who, action, "user", user.id)
    mail_about_account(session, settings, user, f"{action}:{new_id()}", content)


def mail_about_account(
    session: Session, settings: Settings, user: User, reason: str, content: EmailContent, *, kind: str = KIND
) -> None:
    """Never from an agency's own sender: the account is nobody's but the person's."""
    mail_person(
        session,
        settings,
        user,
        agency_id=memberships_of(session, user)[0].agency_id,
        reason=reason,
        subject=(kind, user.id),
        content=content,
    )


def notice(subject: str, *lines: str) -> EmailContent:
    html = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return EmailContent(subject=subject, text="\n\n".join(lines), html=html)
