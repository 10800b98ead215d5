"""Somebody has loosened what binds a model, a plan or the agency's people."""

from tuneloop.tables import AuditEvent
from tuneloop_bot.blocks.content import MessageContent
from tuneloop_bot.blocks.parts import code, context, header, ours, theirs


def policy_message(event: AuditEvent) -> MessageContent:
    about = str(event.detail["about"])
    kept = (
        "" if event.subject_kind == "agency" else "Questions that are open keep the rules under which they were asked. "
    )
    blocks = [
        header("Policy loosened"),
        ours(f"{code(event.actor_name)} has loosened what binds {code(about)}, from {code(event.origin)}:"),
        theirs("\n".join(str(change) for change in event.detail["changes"])),
        context(f"{kept}Admins and owners got a mail."),
    ]
    return MessageContent(f"The policy of {about} was loosened.", blocks)
