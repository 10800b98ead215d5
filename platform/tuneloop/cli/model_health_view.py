"""What `tuneloop monitor health`, `monitor history` and `portfolio` show."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.output import facts, plain, right, stack, table, whole

COLOURS = {"ok": "green", "warn": "yellow", "alert": "bold red", "no_data": "dim", "too_few_labels": "yellow"}


def render_health(found: Mapping[str, Any]) -> Group:
    return stack(
        Text.assemble(_status(found["status"]), "  ", plain(found["reason"])),
        facts(
            [
                ("Model", f"{found['name']}@v{found['version']}" if found["version"] else found["name"]),
                ("Since", figures.moment(found["since"])),
                ("Accuracy, labelled traffic", _rate(found["accuracy"])),
                ("Accuracy, own evaluation", _rate(found["baseline"])),
                ("Accuracy, if calibration still holds", _label_free(found["label_free"])),
                ("Answers reported by users", _rate(found["reports"])),
                ("Would be found", sensitivity(found["sensitivity"])),
                ("New kinds of questions", "; ".join(found["new_questions"])),
                ("Labels due", str(found["labels_due"])),
            ]
        ),
        table(
            whole("Alert"),
            whole("Level"),
            "What",
            rows=[(each["id"], each["level"], each["summary"]) for each in found["alerts"]],
        )
        if found["alerts"]
        else None,
        render_tasks(found["tasks"]) if found["tasks"] else None,
    )


def render_tasks(tasks: Sequence[Mapping[str, Any]]) -> Table:
    return table(
        "Next",
        right("Every"),
        whole("At"),
        "",
        rows=[
            (
                each["task"],
                f"{each['every_days']} days",
                "paused" if each["paused"] else figures.moment(each["next_at"]),
                "changed" if each["custom"] else "by plan and domain",
            )
            for each in tasks
        ],
    )


def render_history(found: Mapping[str, Any]) -> Table:
    rows = [
        (each["at"], f"v{each['version']}", figures.rate(each["figure"]), Text("ALARM", "bold red"))
        if each["alarm"]
        else (each["at"], f"v{each['version']}", figures.rate(each["figure"]), "")
        for each in found["accuracy"]
    ]
    rows += [(each["at"], each["kind"], "", plain(each["text"])) for each in found["markers"]]
    return table(
        whole("At"),
        "",
        right("Accuracy"),
        "",
        rows=[(figures.moment(at), *rest) for at, *rest in sorted(rows, key=lambda row: row[0])],
    )


def render_portfolio(rows: Sequence[Mapping[str, Any]]) -> Table:
    return table(
        "State",
        whole("Model"),
        right("Accuracy"),
        right("Labels due"),
        right("Approvals"),
        "Why",
        rows=[
            (
                _status(each["status"]),
                f"{each['client']}/{each['model']}",
                _rate(each["accuracy"]) or "\u2013",
                each["labels_due"],
                each["approvals_waiting"],
                each["reason"],
            )
            for each in rows
        ],
    )


def render_clusters(clusters: Sequence[Mapping[str, Any]]) -> Table:
    return table(
        "New kind of question",
        right("Share"),
        right("Mean confidence"),
        "Such as",
        rows=[
            (
                each["name"],
                figures.rate(each["share"]),
                figures.share(each["mean_confidence"]),
                " / ".join(example["question"] for example in each["examples"][:3]),
            )
            for each in clusters
        ],
    )


def sensitivity(found: Mapping[str, Any] | None) -> str | None:
    if found is None:
        return None
    drop, labels = found["smallest_drop"], found["labels_per_week"]
    chance = f"{100 * found['probability']:.0f} % within {found['weeks']} weeks at {labels} labels per week"
    return f"a fall of {100 * drop:.0f} points, with {chance}" if drop else f"no fall, with {chance}"


def _status(status: str) -> Text:
    return Text(status.replace("_", " ").upper(), COLOURS[status])


def _rate(rate: Mapping[str, Any] | None) -> str | None:
    return figures.rate(rate) if rate else None


def _label_free(found: Mapping[str, Any] | None) -> str | None:
    if found is None:
        return None
    text = figures.rate(found["estimate"])
    if found["error"] is None:
        return text
    return f"{text}; last time {100 * found['error']:+.0f} points off labels (n={found['checked_on']})"
