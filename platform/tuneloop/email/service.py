"""Queue mail, and know who gets none."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.email.hiding import Sealed, hide, seal
from tuneloop.email.jobs import SendMail
from tuneloop.email.message import Address
from tuneloop.identity.secrets import new_token, token_digest
from tuneloop.kit.errors import NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.tables import BlockReason, Mail, MailAttempt, MailBlock, MailState, User


class StoredFile(NamedTuple):
    """An attachment that lies in the object store."""

    filename: str
    media_type: str
    digest: str


class EmailContent(NamedTuple):
    """What a mail says; `unsubscribe_token` is what its own unsubscribe link carries."""

    subject: str
    text: str
    html: str
    attachments: Sequence[StoredFile] = ()
    unsubscribe_token: str | None = None


def unsubscribe_token() -> str:
    return new_token().token


def queue_mail(
    session: Session,
    *,
    agency_id: UUID,
    client_id: UUID | None,
    dedupe_key: str,
    subject: tuple[str, object],
    sender: Address,
    reply_to: str | None,
    recipient: Address,
    content: EmailContent,
    settings: Settings,
) -> Mail:
    """Write a mail and enqueue its delivery; a known `dedupe_key` returns the mail that was written then.

    `subject` is the kind and id of what the mail is about. Mail to a blocked address is written, as blocked. Tokens of
    links are kept apart, sealed: nobody but the recipient reads them (`tuneloop.email.hiding`).

    Raises:
        InvalidInput: the recipient's or sender's address is none.
        Unavailable: the mail has a token, and there is no TUNELOOP_SECRET_KEY to seal it with.
    """
    for address in (sender, recipient):
        address.header()
    block = block_of(session, recipient.email, client_id, agency_id=agency_id)
    hidden = hide(content.text, content.html)
    row = Mail(
        agency_id=agency_id,
        client_id=client_id,
        dedupe_key=dedupe_key,
        subject_kind=subject[0],
        subject_id=str(subject[1]),
        recipient_email=recipient.email,
        recipient_name=recipient.name,
        sender_email=sender.email,
        sender_name=sender.name,
        reply_to=reply_to,
        subject=content.subject,
        text=hidden.text,
        html=hidden.html,
        attachments=[attachment._asdict() for attachment in content.attachments],
        sealed_tokens=None if block else seal(Sealed(hidden.tokens, content.unsubscribe_token), settings),
        unsubscribe_hash=token_digest(content.unsubscribe_token) if content.unsubscribe_token else None,
        state=MailState.BLOCKED if block else MailState.QUEUED,
        failure=f"{recipient.email} {_why(block)}" if block else None,
    )
    written = session.execute(
        insert(Mail)
        .values(**{name: getattr(row, name) for name in Mail.model_fields})
        .on_conflict_do_nothing(index_elements=["agency_id", "dedupe_key"])
        .returning(col(Mail.id))
    ).scalar_one_or_none()
    if written is not None and not block:
        enqueue(
            session, SendMail(mail_id=row.id), agency_id=agency_id, client_id=client_id, dedupe_key=f"mail:{row.id}:0"
        )
    return session.exec(select(Mail).where(Mail.agency_id == agency_id, Mail.dedupe_key == dedupe_key)).one()


def mail_person(
    session: Session,
    settings: Settings,
    person: User,
    *,
    agency_id: UUID,
    reason: str,
    subject: tuple[str, object],
    content: EmailContent,
) -> Mail:
    """From the installation, never from an agency's own sender. `reason` is the `dedupe_key`.

    Raises:
        InvalidInput, Unavailable: as `queue_mail`.
    """
    return queue_mail(
        session,
        agency_id=agency_id,
        client_id=None,
        dedupe_key=reason,
        subject=subject,
        sender=Address.parse(settings.mail_from),
        reply_to=None,
        recipient=Address(person.email, person.name),
        content=content,
        settings=settings,
    )


def block_of(session: Session, email: str, client_id: UUID | None, *, agency_id: UUID) -> MailBlock | None:
    """Why an address gets no mail of the agency about this client, if so."""
    return session.exec(
        select(MailBlock)
        .where(
            MailBlock.agency_id == agency_id,
            MailBlock.email == email.lower(),
            or_(col(MailBlock.client_id).is_(None), col(MailBlock.client_id) == client_id),
        )
        .limit(1)
    ).one_or_none()


def block(session: Session, *, mail: Mail, reason: BlockReason, detail: str = "") -> None:
    """No more mail to this address: about the client when unsubscribed, at all when it bounced. Again is fine."""
    client_id = mail.client_id if reason is BlockReason.UNSUBSCRIBED else None
    session.execute(
        insert(MailBlock)
        .values(
            id=new_id(),
            agency_id=mail.agency_id,
            client_id=client_id,
            email=mail.recipient_email.lower(),
            reason=reason,
            detail=detail,
        )
        .on_conflict_do_nothing(index_elements=["agency_id", "email", "client_id"])
    )
    actor = Principal.system(mail.agency_id, "mail")
    record(session, actor, f"mail.{reason}", "mail", mail.id, client_id=mail.client_id, email=mail.recipient_email)


def unsubscribe(session: Session, token: str) -> Mail:
    """What the link at a mail's end does. Raises NotFound for an unknown token."""
    mail = find_by_token(session, token)
    block(session, mail=mail, reason=BlockReason.UNSUBSCRIBED)
    return mail


def find_by_token(session: Session, token: str) -> Mail:
    mail = session.exec(select(Mail).where(Mail.unsubscribe_hash == token_digest(token))).one_or_none()
    if mail is None:
        raise NotFound("mail", "of this link")
    return mail


def lift_block(session: Session, *, principal: Principal, block_id: UUID) -> None:
    row = session.get(MailBlock, block_id)
    if row is None:
        raise NotFound("block", block_id)
    session.delete(row)
    record(session, principal, "mail.unblock", "mail_block", block_id, client_id=row.client_id, email=row.email)


def blocks(session: Session) -> list[MailBlock]:
    return list(session.exec(select(MailBlock).order_by(col(MailBlock.at).desc())))


def find_mail(session: Session, mail_id: UUID) -> Mail:
    mail = session.get(Mail, mail_id)
    if mail is None:
        raise NotFound("mail", mail_id)
    return mail


def list_mail(session: Session, *, subject: tuple[str, object] | None = None, limit: int = 100) -> list[Mail]:
    """Newest first."""
    query = select(Mail)
    if subject is not None:
        query = query.where(Mail.subject_kind == subject[0], Mail.subject_id == str(subject[1]))
    return list(session.exec(query.order_by(col(Mail.created_at).desc(), col(Mail.id).desc()).limit(limit)))


def attempts_of(session: Session, mail_id: UUID) -> list[MailAttempt]:
    return list(
        session.exec(select(MailAttempt).where(MailAttempt.mail_id == mail_id).order_by(col(MailAttempt.number)))
    )


def _why(block: MailBlock) -> str:
    return {
        BlockReason.UNSUBSCRIBED: "has unsubscribed",
        BlockReason.BOUNCED: f"does not exist any more ({block.detail}); correct the contact",
    }[block.reason]
