"""Deliver mail. The network is used between transactions, never in one."""

from tuneloop.kit.mail import MailRefused, MailServerDown, compose, transmit
from tuneloop.mail import delivery
from tuneloop.mail.jobs import GiveUpMail, SendMail
from tuneloop_workers.runtime import Context, handles


@handles(SendMail)
def send_one_mail(context: Context, job: SendMail) -> None:
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
def give_up_one_mail(context: Context, job: GiveUpMail) -> None:
    with context.unit() as session:
        delivery.give_up(session, job.mail_id, job.reason)
