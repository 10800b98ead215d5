"""Jobs of the bot."""

from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop_bot.jobs import DeliverMessage, HandleReceipt, RenewToken
from tuneloop_bot.post_message import deliver
from tuneloop_bot.process_receipt import handle
from tuneloop_bot.token_rotation import renew


@handles(HandleReceipt)
def handle_receipt(context: JobContext, job: HandleReceipt) -> None:
    handle(context, job.receipt_id)


@handles(DeliverMessage)
def deliver_message(context: JobContext, job: DeliverMessage) -> None:
    deliver(context, job.message_id)


@handles(RenewToken)
def renew_token(context: JobContext, job: RenewToken) -> None:
    renew(context, job.installation_id)
