"""What waits for people, counted once: the week's message and App Home say the same sentence."""

from typing import NamedTuple

from sqlmodel import Session, col, or_, select

from tuneloop.kit.clock import now
from tuneloop.monitoring.schemas import PortfolioRow
from tuneloop.retraining.states import ENDED
from tuneloop.tables import Alert, AlertState, RetrainingCycle
from tuneloop_bot.blocks.parts import counted
from tuneloop_bot.pending_approvals import open_questions
from tuneloop_bot.report_view import waiting_reports


class Waiting(NamedTuple):
    """`alerts` are those that nobody looks after; `cared_for` those that are put off or being mended."""

    questions: int
    alerts: int
    cared_for: int
    reports: int
    labels: int

    @property
    def words(self) -> str:
        """Never "nothing" beside an open alert."""
        parts = [
            _line(self.questions, "question", "waits for an answer", "wait for an answer"),
            _line(self.alerts, "alert", "is open", "are open"),
            _line(self.cared_for, "alert", "is put off or being mended", "are put off or being mended"),
            _line(self.reports, "report", "can be sent", "can be sent"),
            _line(self.labels, "answer", "waits for a label", "wait for a label"),
        ]
        return " ".join(filter(None, parts)) or "Nothing waits for you."


def _line(count: int, what: str, one: str, many: str) -> str:
    return f"*{counted(count, what)}* {one if count == 1 else many}." if count else ""


def what_waits(session: Session, rows: list[PortfolioRow]) -> Waiting:
    """`rows` are the portfolio's."""
    alerts = len(alerts_without_an_answer(session))
    return Waiting(
        questions=len(open_questions(session)),
        alerts=alerts,
        cared_for=sum(row.open_alerts for row in rows) - alerts,
        reports=len(waiting_reports(session)),
        labels=sum(row.labels_due for row in rows),
    )


def alerts_without_an_answer(session: Session) -> list[Alert]:
    """Open alerts that nobody has silenced and no cycle mends; the longest open first."""
    mending = select(RetrainingCycle.alert_id).where(
        col(RetrainingCycle.alert_id).is_not(None), col(RetrainingCycle.state).not_in(ENDED)
    )
    query = select(Alert).where(
        Alert.state == AlertState.OPEN,
        or_(col(Alert.snoozed_until).is_(None), col(Alert.snoozed_until) < now()),
        col(Alert.id).not_in(mending),
    )
    return list(session.exec(query.order_by(col(Alert.opened_at))))
