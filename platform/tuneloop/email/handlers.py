"""Deliver mail. The network is used between transactions, never in one."""

from tuneloop.email import delivery
from tuneloop.email.jobs import GiveUpMail, SendMail
from tuneloop.email.message import compose
from tuneloop.email.smtp import MailRefused, MailServerDown, transmit
from tuneloop.kit.jobs.runtime import JobContext, handles


@handles(SendMail)
def send_one_mail(context: JobContext, job: SendMail) -> None:
    with context.unit() as session:
        started = delivery.start(session, job.mail_id)
    if started is None:
        return
    message = delivery.message_of(started.mail, context.settings, context.storage)
    key = delivery.dkim_of(started, context.settings)
    raw = compose(message)

    def handing_over() -> None:
        with context.unit() as session:
            delivery.handing_over(session, started.attempt_id)

    try:
        receipt = transmit(
            context.settings.smtp.get_secret_value(),
            key.sign(raw) if key else raw,
            sender=message.envelope_sender,
            recipient=message.recipient.email,
            handing_over=handing_over,
        )
    except (MailRefused, MailServerDown) as error:
        with context.unit() as session:
            delivery.not_sent(session, started.attempt_id, error)
        return
    with context.unit() as session:
        delivery.sent(session, started.attempt_id, receipt)


@handles(GiveUpMail)
def give_up_one_mail(context: JobContext, job: GiveUpMail) -> None:
    with context.unit() as session:
        delivery.give_up(session, job.mail_id, job.reason)
