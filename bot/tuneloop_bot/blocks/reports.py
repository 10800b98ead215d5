"""A client's monthly report is ready: look, add a word, send it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tuneloop.tables import ReportState
from tuneloop_bot.blocks.content import Content
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
from tuneloop_bot.ids import Act, Ref


@dataclass(frozen=True)
class ReportView:
    """`digest` names the content that *Send* approves."""

    id: UUID
    client: str
    month: str
    url: str
    state: ReportState
    digest: str
    note: str
    recipients: list[str]
    approved_by: str | None
    approved_at: datetime | None
    delivered_at: datetime | None


def report_message(view: ReportView) -> Content:
    to = ", ".join(view.recipients) or "nobody yet: add a contact to the client"
    blocks = [
        header(f"Report of {view.client} for {view.month}"),
        ours(f"Goes to {code(to, 500)} · bound to {code(view.digest[:12])}"),
        *([ours("*Your note*"), theirs(view.note, 1500)] if view.note else []),
        *_state(view),
        *_buttons(view),
    ]
    return Content(f"The report of {view.client} for {view.month} is ready.", blocks)


def _state(view: ReportView) -> list[Block]:
    lines = []
    if view.approved_at is not None:
        lines.append(f":white_check_mark: Sent by {code(view.approved_by or '?')} {when(view.approved_at)}")
    if view.delivered_at is not None:
        lines.append(f"Delivered {when(view.delivered_at)}")
    return [context(*lines)] if lines else []


def _buttons(view: ReportView) -> list[Block]:
    look = link("Preview", view.url)
    if view.state is not ReportState.DRAFT:
        return buttons(look)
    ref = Ref(report=view.id, digest=view.digest)
    sure = confirm("Send it?", f"{view.client} gets the report for {view.month}.", "Send")
    return buttons(
        look,
        button("Send to client", Act.SEND_REPORT, ref, style="primary", confirm=sure),
        button("Edit note", Act.EDIT_NOTE, ref),
    )
