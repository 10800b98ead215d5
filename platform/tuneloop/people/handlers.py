"""Mail about a policy that was loosened, to whoever answers for it."""

from html import escape

from sqlmodel import col, select

from tuneloop.email.message import Address
from tuneloop.email.senders import address_for
from tuneloop.email.service import EmailContent, queue_mail
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.people.jobs import TellAdmins
from tuneloop.tables import Agency, AuditEvent, Membership, Role, User


@handles(TellAdmins)
def tell_admins(context: JobContext, job: TellAdmins) -> None:
    with context.unit() as session:
        event = session.get_one(AuditEvent, job.event_id)
        agency = session.exec(select(Agency)).one()
        sender, reply_to = address_for(session, None, settings=context.settings, name="Tuneloop")
        people = session.exec(
            select(User)
            .join(Membership, col(Membership.user_id) == User.id)
            .where(col(Membership.role).in_((Role.ADMIN, Role.OWNER)), col(User.disabled_at).is_(None))
        ).all()
        for person in people:
            queue_mail(
                session,
                agency_id=agency.id,
                client_id=None,
                dedupe_key=f"policy:{event.id}:{person.id}",
                subject=("policy", event.id),
                sender=sender,
                reply_to=reply_to,
                recipient=Address(person.email, person.name),
                content=_content(event, person.name, site=context.settings.site_url),
                settings=context.settings,
            )


def _content(event: AuditEvent, name: str, *, site: str) -> EmailContent:
    about, changes = str(event.detail["about"]), [str(change) for change in event.detail["changes"]]
    opening = f"{event.actor_name} has loosened what binds {about}, from {event.origin}:"
    kept = (
        "" if event.subject_kind == "agency" else "Questions that are open keep the rules under which they were asked. "
    )
    closing = f"{kept}If you did not expect this, set it back and look at the audit log: {site}/audit"
    text = "\n\n".join([f"Hello {name},", opening, "\n".join(f"- {each}" for each in changes), closing])
    items = "".join(f"<li>{escape(each)}</li>" for each in changes)
    html = f"<p>Hello {escape(name)},</p><p>{escape(opening)}</p><ul>{items}</ul><p>{escape(closing)}</p>"
    return EmailContent(subject=f"{about}: policy loosened by {event.actor_name}", text=text, html=html)
