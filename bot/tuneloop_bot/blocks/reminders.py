"""Nobody has answered: remind those who may, then those above."""

from tuneloop.tables import Approval
from tuneloop_bot.blocks.content import Content
from tuneloop_bot.blocks.parts import Block, code, ours, when
from tuneloop_bot.waiting import Asked

MOST_CALLED = 10


def reminder_message(asked: Asked) -> Content:
    """A reply in the question's thread that calls the people who may answer; changes once it is answered."""
    people = " ".join(f"<@{each}>" for each in asked.people[:MOST_CALLED])
    text = f":bell: The {asked.what} of {code(asked.model)} still waits for an answer. {people}"
    return _message(asked, text, f"The {asked.what} of {asked.model} still waits.")


def escalation_message(asked: Asked) -> Content:
    people = " ".join(f"<@{each}>" for each in asked.admins[:MOST_CALLED])
    text = f":rotating_light: Nobody has answered about the {asked.what} of {code(asked.model)}. {people}"
    return _message(asked, text, f"Nobody has answered about the {asked.what} of {asked.model}.")


def _message(asked: Asked, text: str, notice: str) -> Content:
    approval = asked.approval
    blocks: list[Block] = [ours(answered(approval) or f"{text}\nIt expires {when(approval.expires_at)}.")]
    return Content(notice, blocks)


def answered(approval: Approval) -> str | None:
    if approval.decision is None or approval.decided_at is None:
        return None
    by = code(approval.decided_by or "?")
    return f":white_check_mark: {approval.decision.value.capitalize()} by {by} {when(approval.decided_at)}"
