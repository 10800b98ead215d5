"""Alerts by mail, for those who want them: each opening and each rise of the level once."""

from datetime import datetime, timedelta
from html import escape

from sqlmodel import Session, col, select

from tuneloop.email.service import EmailContent, mail_person
from tuneloop.kit.settings import Settings
from tuneloop.people.alert_mail import readers
from tuneloop.registry.service import full_name
from tuneloop.tables import Alert, AlertChange, AlertEvent, AlertState, Mail, RegisteredModel

KIND = "alert"
NEWS = timedelta(days=1)
"""What is older is no news to somebody who has just asked for mail."""


def mail_about_alerts(session: Session, settings: Settings, *, at: datetime, slack: bool) -> None:
    query = (
        select(AlertEvent, Alert)
        .join(Alert, col(Alert.id) == AlertEvent.alert_id)
        .where(
            col(AlertEvent.change).in_((AlertChange.OPENED, AlertChange.RAISED)),
            AlertEvent.at > at - NEWS,
            Alert.state == AlertState.OPEN,
        )
        .order_by(col(AlertEvent.at))
    )
    found = session.exec(query).all()
    if not found:
        return
    known = set(session.exec(select(Mail.dedupe_key).where(Mail.subject_kind == KIND, Mail.created_at > at - 2 * NEWS)))
    for event, alert in found:
        name = full_name(session, session.get_one(RegisteredModel, alert.model_id))
        for person in readers(session, alert.client_id, slack=slack):
            reason = f"alert:{event.id}:{person.id}"
            if reason in known:
                continue
            mail_person(
                session,
                settings,
                person,
                agency_id=alert.agency_id,
                reason=reason,
                subject=(KIND, alert.id),
                content=alert_email(event, name, person.name, settings.site_url, f"/alerts/{alert.id}"),
            )


def alert_email(event: AlertEvent, model: str, name: str, site: str, path: str) -> EmailContent:
    what = "got worse" if event.change is AlertChange.RAISED else event.level.value
    lines = [f"Hello {name},", f"{model}: {event.summary}", "What it rests on, and what can be done, is on its page:"]
    closing = f"Whether alerts come by mail is up to you: {site}/account"
    html = "".join(f"<p>{escape(line)}</p>" for line in lines)
    html += f'<p><a href="{escape(site + path)}">Look at the alert</a></p><p>{escape(closing)}</p>'
    return EmailContent(subject=f"{model}: {what}"[:150], text="\n\n".join([*lines, site + path, closing]), html=html)
