"""How the demo looks on a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

WIDTH = 100


class Show:
    """Prints the stages and keeps their seconds."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(width=WIDTH)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, key: str, title: str) -> Iterator[None]:
        number = len(self.seconds) + 1
        self.console.print(f"\n[bold cyan]{number}. {title}[/]")
        started = time.perf_counter()
        yield
        self.seconds[key] = time.perf_counter() - started
        self.console.print(f"   [dim]{self.seconds[key]:.1f} s[/]")

    def say(self, text: str) -> None:
        self.console.print(f"   {text}", highlight=False)

    @contextmanager
    def bar(self, title: str, total: float | None = None) -> Iterator["Bar"]:
        with Progress(
            TextColumn("  "),
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        ) as progress:
            yield Bar(progress, progress.add_task(title, total=total, note=""))

    def comparison(self, table: dict[str, Any], production: str, candidate: str) -> None:
        view = Table(title="Side by side, on the same items, by the GGUF files that serve", title_justify="left")
        for column in ("", f"production {production}", f"candidate {candidate}", "difference", "n"):
            view.add_column(column, justify="left" if not column else "right", no_wrap=True)
        for row in table["rows"]:
            view.add_row(
                row["title"], rate(row["production"]), rate(row["candidate"]), points(row["difference"]), str(row["n"])
            )
        self.console.print(view)


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


def rate(value: dict[str, Any]) -> str:
    if not value["n"]:
        return "not measured"
    return f"{100 * value['value']:.0f} % ({100 * value['low']:.0f}-{100 * value['high']:.0f})"


def rate_n(value: dict[str, Any]) -> str:
    if not value["n"]:
        return "not measured (n=0)"
    return f"{100 * value['value']:.0f} % ({100 * value['low']:.0f}-{100 * value['high']:.0f} %, n={value['n']})"


def points(difference: dict[str, float]) -> str:
    return f"{100 * difference['value']:+.1f} ({100 * difference['low']:+.1f} to {100 * difference['high']:+.1f})"
