"""Nobody has answered: remind those who may, then those above. An alert stays open or gets worse: call people anew."""

from tuneloop.tables import AlertChange, AlertState, Approval
from tuneloop_bot.blocks.content import MessageContent
from tuneloop_bot.blocks.parts import Block, code, context, ours, theirs, when
from tuneloop_bot.pending_approvals import AlertCall, PendingApproval

MOST_CALLED = 10


def reminder_message(asked: PendingApproval) -> MessageContent:
    """A reply in the question's thread that calls the people who may answer; changes once it is answered."""
    people = " ".join(f"<@{each}>" for each in asked.people[:MOST_CALLED])
    text = f":bell: The {asked.what} of {code(asked.model)} still waits for an answer. {people}"
    return _message(asked, text, f"The {asked.what} of {asked.model} still waits.")


def escalation_message(asked: PendingApproval) -> MessageContent:
    people = " ".join(f"<@{each}>" for each in asked.admins[:MOST_CALLED])
    text = f":rotating_light: Nobody has answered about the {asked.what} of {code(asked.model)}. {people}"
    return _message(asked, text, f"Nobody has answered about the {asked.what} of {asked.model}.")


def call_message(call: AlertCall) -> MessageContent:
    """A reply in the alert's thread; says how it ended once it has."""
    alert, name = call.alert, code(call.model)
    if alert.state is not AlertState.OPEN:
        blocks = [context(f":white_check_mark: The alert about {name} is {alert.state}.")]
        return MessageContent(f"The alert about {call.model} is {alert.state}.", blocks)
    people = " ".join(f"<@{each}>" for each in call.people[:MOST_CALLED])
    worse = call.event.change is AlertChange.RAISED
    lead = f":rotating_light: It got worse: {name}." if worse else f":bell: The alert about {name} is still open."
    words = f"{call.model}: it got worse." if worse else f"The alert about {call.model} is still open."
    return MessageContent(words, [ours(f"{lead} {people}".strip()), theirs(call.event.summary, 1500)])


def _message(asked: PendingApproval, text: str, notice: str) -> MessageContent:
    approval = asked.approval
    decided = answered(approval)
    blocks: list[Block] = [ours(decided or f"{text}\nIt expires {when(approval.expires_at)}.")]
    if decided is None and asked.evidence is not None:
        blocks.append(theirs(asked.evidence))
    return MessageContent(notice, blocks)


def answered(approval: Approval) -> str | None:
    if approval.decision is None or approval.decided_at is None:
        return None
    by = code(approval.decided_by or "?")
    return f":white_check_mark: {approval.decision.value.capitalize()} by {by} {when(approval.decided_at)}"
