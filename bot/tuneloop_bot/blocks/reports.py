"""A client's monthly report is ready: look, add a word, send it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tuneloop.tables import ReportState
from tuneloop_bot.action_ids import Act, Ref
from tuneloop_bot.blocks.content import MessageContent
from tuneloop_bot.blocks.parts import (
    Block,
    button,
    buttons,
    code,
    confirm,
    context,
    header,
    link,
    ours,
    theirs,
    when,
)


@dataclass(frozen=True)
class ReportView:
    """`digest` names the content that *Send* approves; `over` is whether the month is, so that it can be sent."""

    id: UUID
    client: str
    month: str
    url: str
    state: ReportState
    over: bool
    digest: str
    note: str
    recipients: list[str]
    approved_by: str | None
    approved_at: datetime | None
    delivered_at: datetime | None


def report_message(view: ReportView) -> MessageContent:
    to = ", ".join(view.recipients) or "nobody yet: add a contact to the client"
    blocks = [
        header(f"Report of {view.client} for {view.month}"),
        ours(f"Goes to {code(to, 500)} · bound to {code(view.digest[:12])}"),
        *([ours("*Your note*"), theirs(view.note, 1500)] if view.note else []),
        *report_state(view),
        *report_buttons(view),
    ]
    return MessageContent(f"The report of {view.client} for {view.month} is ready.", blocks)


def report_state(view: ReportView) -> list[Block]:
    """How far it has got: a line for each step, with who and when."""
    if view.state is ReportState.DRAFT:
        waits = "waits for somebody to send it" if view.over else "its month is not over, so its numbers still change"
        return [context(f":pencil2: Draft: {waits}")]
    lines = []
    if view.approved_at is not None:
        lines.append(f":white_check_mark: Sent by {code(view.approved_by or '?')} {when(view.approved_at)}")
    lines.append(f"Delivered {when(view.delivered_at)}" if view.delivered_at is not None else "On its way")
    return [context(*lines)]


def report_buttons(view: ReportView) -> list[Block]:
    look = link("Preview", view.url)
    if view.state is not ReportState.DRAFT:
        return buttons(look)
    ref = Ref(report=view.id, digest=view.digest)
    sure = confirm("Send it?", f"{view.client} gets the report for {view.month}.", "Send")
    return buttons(
        look,
        button("Send to client", Act.SEND_REPORT, ref, style="primary", confirm=sure) if view.over else None,
        button("Edit note", Act.EDIT_NOTE, ref),
    )
