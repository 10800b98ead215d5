"""The weekly digest of an agency: every model in one line, worst first, and what waits for people."""

from sqlmodel import Session

from tuneloop.kit import figures
from tuneloop.monitoring.portfolio import portfolio
from tuneloop.monitoring.schemas import PortfolioRow
from tuneloop.tables import MonitorStatus
from tuneloop_bot.blocks.content import MessageContent
from tuneloop_bot.blocks.parts import Block, code, context, counted, divider, header, ours
from tuneloop_bot.what_waits import what_waits

MARKS = {
    MonitorStatus.OK: ":large_green_circle:",
    MonitorStatus.WARN: ":large_yellow_circle:",
    MonitorStatus.ALERT: ":red_circle:",
    MonitorStatus.NO_DATA: ":white_circle:",
    MonitorStatus.TOO_FEW_LABELS: ":white_circle:",
}
MOST = 40


def digest_message(session: Session) -> MessageContent:
    rows = portfolio(session)
    counts = {status: sum(row.status is status for row in rows) for status in MonitorStatus}
    words = ", ".join(f"{count} {status.value.replace('_', ' ')}" for status, count in counts.items() if count)
    return MessageContent(
        f"Your week: {words or 'no models yet'}",
        [
            header("Your week"),
            ours(f"*{counted(len(rows), 'model')}*: {words or 'none yet'}. {what_waits(session, rows).words}"),
            divider(),
            *(model_line(row) for row in rows[:MOST]),
            *([context(f"… and {len(rows) - MOST} more")] if len(rows) > MOST else []),
        ],
    )


def model_line(row: PortfolioRow) -> Block:
    accuracy = "no labels yet"
    if row.accuracy is not None and row.accuracy.value is not None:
        accuracy = figures.rate(row.accuracy)
    due = f" · {row.labels_due} to label" if row.labels_due else ""
    state = f"{MARKS[row.status]} {code(f'{row.client}/{row.model}')} {row.status.value.replace('_', ' ')}"
    return ours(f"{state} · {accuracy}{due}")
