"""The states of a mail on its way out. Each step is a transaction of its own, so a killed worker leaves a trace.

A message is sent once: a finished mail is never sent again, and an attempt that was lost is repeated with the same
Message-ID and the same bytes, so that a mailbox which got it already shows one message (RFC 1047 is why no sender can
do better).
"""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.email.dkim import DkimKey
from tuneloop.email.hiding import hide, put_back, unseal
from tuneloop.email.jobs import SendMail
from tuneloop.email.message import Address, Attachment, Message
from tuneloop.email.senders import key_of, sender_of
from tuneloop.email.service import block, block_of, find_mail
from tuneloop.email.smtp import MailRefused, Receipt
from tuneloop.kit.clock import now
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import AttemptOutcome, BlockReason, Mail, MailAttempt, MailSender, MailState

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 10, 60, 4 * 60, 12 * 60, 24 * 60))
"""How long to wait after the first, second, … attempt that the server put off; after the last one, it has failed."""


class Started(NamedTuple):
    mail: Mail
    attempt_id: UUID
    sender: MailSender | None


def start(session: Session, mail_id: UUID) -> Started | None:
    """Open an attempt; None when the mail is finished. An attempt still open is one whose worker died."""
    mail = session.exec(
        select(Mail).where(Mail.id == mail_id).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if mail is None:
        mail = find_mail(session, mail_id)
    if mail.state not in (MailState.QUEUED, MailState.SENDING):
        return None
    unfinished = select(MailAttempt).where(MailAttempt.mail_id == mail.id, col(MailAttempt.outcome).is_(None))
    for lost in session.exec(unfinished):
        lost.outcome, lost.ended_at, lost.reply = AttemptOutcome.LOST, now(), "the worker died"
        session.add(lost)
    blocked = block_of(session, mail.recipient_email, mail.client_id, agency_id=mail.agency_id)
    if blocked is not None:
        mail.state, mail.failure = MailState.BLOCKED, f"{mail.recipient_email}: {blocked.reason}"
        _forget_tokens(mail)
        session.add(mail)
        return None
    mail.attempts += 1
    mail.state = MailState.SENDING
    attempt = MailAttempt(client_id=mail.client_id, mail_id=mail.id, number=mail.attempts)
    session.add_all([mail, attempt])
    session.flush()
    sender = sender_of(session, mail.client_id)
    return Started(mail, attempt.id, sender if sender and sender.email == mail.sender_email else None)


def message_of(mail: Mail, settings: Settings, storage: Storage) -> Message:
    """The same mail is the same message, whenever and wherever it is composed, until it is sent.

    Raises:
        Unavailable: the key that sealed its tokens is gone.
    """
    secret = unseal(mail.sealed_tokens, settings)
    headers = {"Auto-Submitted": "auto-generated"}
    if secret.unsubscribe:
        headers["List-Unsubscribe"] = f"<{settings.site_url}/mail/unsubscribe/{secret.unsubscribe}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    sender = Address(mail.sender_email, mail.sender_name)
    return Message(
        message_id=f"<{mail.id}@{sender.domain}>",
        date=mail.created_at,
        sender=sender,
        recipient=Address(mail.recipient_email, mail.recipient_name),
        reply_to=Address.parse(mail.reply_to) if mail.reply_to else None,
        bounces_to=bounce_address(settings, mail.id),
        subject=mail.subject,
        text=put_back(mail.text, secret.tokens),
        html=put_back(mail.html, secret.tokens),
        headers=headers,
        attachments=tuple(
            Attachment(each["filename"], each["media_type"], storage.read(each["digest"])) for each in mail.attachments
        ),
    )


def bounce_address(settings: Settings, mail_id: UUID) -> str | None:
    """Bounces name the mail they are about (VERP), where an address for them is set."""
    if not settings.mail_bounces:
        return None
    local, _, domain = settings.mail_bounces.partition("@")
    return f"{local}+{mail_id}@{domain}"


def dkim_of(started: Started, settings: Settings) -> DkimKey | None:
    return key_of(started.sender, settings) if started.sender else None


def handing_over(session: Session, attempt_id: UUID) -> None:
    """From here on the message may arrive even if we never hear of it."""
    session.get_one(MailAttempt, attempt_id).handed_over_at = now()


def sent(session: Session, attempt_id: UUID, receipt: Receipt) -> None:
    attempt, mail = _both(session, attempt_id)
    attempt.outcome, attempt.ended_at = AttemptOutcome.SENT, now()
    attempt.code, attempt.reply = receipt.code, receipt.reply
    attempt.server, attempt.encrypted = receipt.server, receipt.encrypted
    mail.state, mail.sent_at, mail.failure = MailState.SENT, now(), None
    _forget_tokens(mail)
    session.add_all([attempt, mail])


def not_sent(session: Session, attempt_id: UUID, error: Exception) -> None:
    """Try again after a pause, or give up: when the server refuses for good, or has put us off too often."""
    attempt, mail = _both(session, attempt_id)
    final = isinstance(error, MailRefused)
    attempt.outcome = AttemptOutcome.REFUSED if final else AttemptOutcome.LATER
    attempt.ended_at, attempt.reply = now(), str(error)
    attempt.code = getattr(error, "details", {}).get("code")
    session.add(attempt)
    if final:
        bad_address = "the recipient was refused" in str(error)
        _end(session, mail, MailState.BOUNCED if bad_address else MailState.FAILED, str(error))
        if bad_address:
            block(session, mail=mail, reason=BlockReason.BOUNCED, detail=str(error))
    elif mail.attempts > len(PAUSES):
        _end(session, mail, MailState.FAILED, f"put off {mail.attempts} times, the last time: {error}")
    else:
        mail.state, mail.failure = MailState.QUEUED, str(error)
        session.add(mail)
        enqueue(
            session,
            SendMail(mail_id=mail.id),
            agency_id=mail.agency_id,
            client_id=mail.client_id,
            dedupe_key=f"mail:{mail.id}:{mail.attempts}",
            delay=PAUSES[mail.attempts - 1],
        )


def give_up(session: Session, mail_id: UUID, reason: str) -> None:
    mail = find_mail(session, mail_id)
    if mail.state in (MailState.QUEUED, MailState.SENDING):
        _end(session, mail, MailState.FAILED, reason)


def _end(session: Session, mail: Mail, state: MailState, reason: str) -> None:
    mail.state, mail.failure = state, reason
    _forget_tokens(mail)
    session.add(mail)
    actor = Principal.system(mail.agency_id, "mail")
    record(session, actor, f"mail.{state}", "mail", mail.id, client_id=mail.client_id, reason=reason)


def _forget_tokens(mail: Mail) -> None:
    """A finished mail is never sent again. One that was queued before tokens were kept apart loses them here."""
    mail.sealed_tokens = None
    mail.text, mail.html, _ = hide(mail.text, mail.html)


def _both(session: Session, attempt_id: UUID) -> tuple[MailAttempt, Mail]:
    attempt = session.get_one(MailAttempt, attempt_id)
    return attempt, session.exec(select(Mail).where(Mail.id == attempt.mail_id).with_for_update()).one()
