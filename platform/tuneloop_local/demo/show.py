"""How the demo looks on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from tuneloop.kit import figures
from tuneloop_local.demo.pace import Pace, in_words

WIDTH = 100
STEPS_SHOWN = 3


class Show:
    """Prints the stages, and what is left of the demo."""

    def __init__(self, console: Console | None = None, pace: Pace | None = None) -> None:
        self.console = console or Console(width=WIDTH)
        self.pace = pace or Pace({})
        self._number = 0

    @contextmanager
    def stage(self, key: str, title: str) -> Iterator[None]:
        self._number += 1
        self.pace.begin(key)
        self.console.print(f"\n[bold cyan]{self._number}. {title}[/]  [dim]{_left(self.pace)}[/]")
        yield
        self.pace.end()
        self.console.print(f"   [dim]{self.pace.seconds[key]:.1f} s[/]")

    def say(self, text: str) -> None:
        self.console.print(f"   {text}", highlight=False)

    def expect(self, seconds: float | None) -> None:
        """What the step that runs says of itself."""
        self.pace.expect(seconds)

    @contextmanager
    def bar(self, title: str, total: float | None = None) -> Iterator["Bar"]:
        with Progress(
            TextColumn("  "),
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[note]}"),
            _LeftColumn(self.pace),
            console=self.console,
            transient=True,
        ) as progress:
            yield Bar(progress, progress.add_task(title, total=total, note=""))

    def comparison(self, table: dict[str, Any], production: str, candidate: str) -> None:
        title = "Side by side, on the same items, by the GGUF files that serve"
        view = self._table(title, "", f"production {production}", f"candidate {candidate}", "difference")
        for row in table["rows"]:
            production_rate, candidate_rate = figures.rate(row["production"]), figures.rate(row["candidate"])
            view.add_row(row["title"], production_rate, candidate_rate, figures.difference(row["difference"], 1))
        self.console.print(view)

    def diagnosis(self, attempt: dict[str, Any]) -> None:
        """Why a candidate was turned down, and what could be done."""
        found = attempt["diagnosis"]
        self.console.print(f"   [yellow]Attempt {attempt['number']} {attempt['ended']}[/]: {attempt['what']}")
        self.say(found["summary"])
        for step in found["steps"][:STEPS_SHOWN]:
            by_itself = " (covered by the approval)" if step["helps"] else ""
            self.say(f"- next{by_itself}: {step['title']}. {step['expected']}")

    def ab_test(self, test: dict[str, Any]) -> None:
        title = f"A/B test: {test['candidate']} answered {100 * test['share']:.0f} % of the people"
        view = self._table(title, "", "answers", "people who correct it", "right, by blind labels")
        for name, arm in test["reading"]["arms"].items():
            view.add_row(name, str(arm["answers"]), figures.rate(arm["reports"]), figures.rate(arm["accuracy"]))
        self.console.print(view)
        for sentence in test["says"]:
            self.say(f"- {sentence}")

    def summary(self, summary: dict[str, Any]) -> None:
        if summary["comparison"]:
            categories = self._table("Accuracy per category", "", "production", "candidate")
            for row in summary["comparison"]["categories"]:
                production, candidate = figures.rate(row["production"]), figures.rate(row["candidate"])
                categories.add_row(row["title"], production, candidate)
            self.console.print(categories)
        versions = self._table("Versions", "", "digest", "same decision as exact", "export error", "adapter")
        for version in summary["versions"]:
            parity, adapter = version["parity"], next(f for f in version["files"] if f["name"] == "adapter.gguf")
            same = f"{parity['same']} of {parity['decisions']}"
            size = f"{adapter['size'] / 1e6:.1f} MB"
            difference = f"{parity['export_error']:.3f} of {parity['effect']:.2f} nats"
            versions.add_row(version["name"], version["digest"][:16], same, difference, size)
        self.console.print(versions)
        stages = ", ".join(
            f"{stage.replace('_', ' ')} {seconds:.0f} s" for stage, seconds in summary["seconds"].items()
        )
        self.console.print(f"\n   Seconds: {stages}", highlight=False)

    def _table(self, title: str, *columns: str) -> Table:
        table = Table(title=title, title_justify="left")
        for column in columns:
            table.add_column(column, justify="right" if column else "left", no_wrap=True)
        return table


class Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def update(
        self, *, title: str | None = None, done: float | None = None, total: float | None = None, note: str = ""
    ) -> None:
        changes: dict[str, Any] = {"note": note}
        if title is not None:
            changes["description"] = title
        if done is not None:
            changes["completed"] = done
        if total is not None:
            changes["total"] = total
        self._progress.update(self._task, **changes)


class _LeftColumn(ProgressColumn):
    """What is left of the whole demo."""

    max_refresh = 1.0

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def render(self, task: Task) -> Text:
        del task
        return Text(_left(self._pace), style="dim")


def _left(pace: Pace) -> str:
    return f"about {in_words(pace.left())} left"
