"""What `tuneloop monitor health`, `monitor history` and `portfolio` show."""

from datetime import datetime
from typing import NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.cli.render import Facts, Rows, plain, right, stack, text, whole
from tuneloop.kit import figures
from tuneloop.kit.figures import MeasuredRate
from tuneloop.monitoring.schemas import (
    History,
    LabelFree,
    ModelHealth,
    NewCluster,
    OpenAlert,
    PortfolioRow,
    Sensitivity,
    UpcomingTask,
)
from tuneloop.tables import MonitorStatus

COLOURS = {
    MonitorStatus.OK: "green",
    MonitorStatus.WARN: "yellow",
    MonitorStatus.ALERT: "bold red",
    MonitorStatus.NO_DATA: "dim",
    MonitorStatus.TOO_FEW_LABELS: "yellow",
}


class Happened(NamedTuple):
    at: datetime
    what: str
    accuracy: str
    note: str | Text


def render_health(found: ModelHealth) -> Group:
    return stack(
        Text.assemble(_status(found.status), "  ", plain(found.reason)),
        HEALTH(found),
        ALERTS(found.alerts) if found.alerts else None,
        TASKS(found.tasks) if found.tasks else None,
    )


def render_history(found: History) -> Table:
    points = [
        Happened(
            each.at,
            f"v{each.version}",
            figures.rate(each.figure),
            Text("ALARM", "bold red") if each.alarm else "",
        )
        for each in found.accuracy
    ]
    markers = [Happened(each.at, each.kind, "", each.text) for each in found.markers]
    return HISTORY(sorted([*points, *markers], key=lambda each: each.at))


def sensitivity(found: Sensitivity | None) -> str | None:
    if found is None:
        return None
    within = f"within {found.weeks} weeks at {found.labels_per_week} labels per week"
    chance = f"{figures.percent(found.probability)} {within}"
    drop = found.smallest_drop
    return f"a fall of {100 * drop:.0f} points, with {chance}" if drop else f"no fall, with {chance}"


def _status(status: MonitorStatus) -> Text:
    return Text(figures.words(status).upper(), COLOURS[status])


def _rate(rate: MeasuredRate | None) -> str | None:
    return figures.rate(rate) if rate else None


def _label_free(found: LabelFree | None) -> str | None:
    if found is None:
        return None
    said = figures.rate(found.estimate)
    if found.error is None:
        return said
    return f"{said}; last time {figures.points(found.error, 0)} points off labels (n={found.checked_on})"


HEALTH = Facts[ModelHealth](
    ("Model", lambda it: f"{it.name}@v{it.version}" if it.version else it.name),
    ("Since", lambda it: it.since),
    ("Accuracy, labelled traffic", lambda it: _rate(it.accuracy)),
    ("Accuracy, own evaluation", lambda it: _rate(it.baseline)),
    ("Accuracy, if calibration still holds", lambda it: _label_free(it.label_free)),
    ("Answers reported by users", lambda it: _rate(it.reports)),
    ("Would be found", lambda it: sensitivity(it.sensitivity)),
    ("New kinds of questions", lambda it: "; ".join(it.new_questions)),
    ("Labels due", lambda it: it.labels_due),
)
ALERTS = Rows[OpenAlert](
    whole("Alert", lambda it: it.id), whole("Level", lambda it: it.level), text("What", lambda it: it.summary)
)
TASKS = Rows[UpcomingTask](
    text("Next", lambda it: it.task),
    right("Every", lambda it: f"{it.every_days} days"),
    whole("At", lambda it: "paused" if it.paused else it.next_at),
    text("", lambda it: "changed" if it.custom else "by plan and domain"),
)
HISTORY = Rows[Happened](
    whole("At", lambda it: it.at),
    text("", lambda it: it.what),
    right("Accuracy", lambda it: it.accuracy),
    text("", lambda it: it.note),
)
PORTFOLIO = Rows[PortfolioRow](
    text("State", lambda it: _status(it.status)),
    whole("Model", lambda it: f"{it.client}/{it.model}"),
    right("Accuracy", lambda it: _rate(it.accuracy)),
    right("Labels due", lambda it: it.labels_due),
    right("Approvals", lambda it: it.approvals_waiting),
    text("Why", lambda it: it.reason),
)
CLUSTERS = Rows[NewCluster](
    text("New kind of question", lambda it: it.name),
    right("Share", lambda it: figures.rate(it.share)),
    right("Mean confidence", lambda it: figures.number(it.mean_confidence, ".2f")),
    text("Such as", lambda it: " / ".join(example.question for example in it.examples[:3])),
)
