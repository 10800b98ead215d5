"""`tuneloop review`: the queue of answers that people label."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Group
from rich.text import Text

from tuneloop.cli.arguments import Model, path_of
from tuneloop.cli.render import Facts, Rows, facts, plain, right, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit.figures import percent
from tuneloop.review.schemas import (
    AgreementRead,
    FilledRead,
    LabelRead,
    NeighbourRead,
    NextRead,
    QueueCountRead,
    QueueRead,
    SettledRead,
)
from tuneloop.tables import ReviewPurpose

app = typer.Typer()

Item = Annotated[UUID, typer.Argument(metavar="ITEM", help="Id as 'tuneloop review next' shows it.")]
Answer = Annotated[str, typer.Argument(metavar="ANSWER", help="What the right answer is.")]
Category = Annotated[str | None, typer.Option(help="Category of a generate model's answer.")]


@command(app, "show")
def queue(terminal: Terminal, model: Model) -> None:
    """What waits, how fast it is labelled and how far labellers agree."""
    terminal.show(terminal.api.get(f"{path_of(model)}/review", QueueRead), render_queue)


@command(app, "fill")
def fill(
    terminal: Terminal,
    model: Model,
    budget: Annotated[
        int | None, typer.Option(min=10, max=500, help="How many answers; the policy's if left out.")
    ] = None,
) -> None:
    """Put answers of production into the queue: half at random, the rest where a label teaches most."""
    terminal.show(terminal.api.post(f"{path_of(model)}/review/fill", FilledRead, {"budget": budget}), render_filled)


@command(app, "next")
def next_item(
    terminal: Terminal,
    model: Model,
    purpose: Annotated[ReviewPurpose | None, typer.Option(help="Only items of this purpose.")] = None,
) -> None:
    """Take the next item; it is held for you for ten minutes."""
    terminal.show(terminal.api.post(f"{path_of(model)}/review/next", NextRead, purpose=purpose), render_next)


@command(app, "label")
def label(
    terminal: Terminal,
    item: Item,
    expected: Answer,
    category: Category = None,
    unsure: Annotated[bool, typer.Option("--unsure", help="Ask somebody else too.")] = False,
) -> None:
    """Say what the right answer is."""
    body = {"expected": expected, "category": category, "second_opinion": unsure}
    terminal.show(terminal.api.post(f"/review/{item}/label", SettledRead, body), render_item)


@command(app, "read")
def read(terminal: Terminal, item: Item) -> None:
    """An item and, once it is settled, who said what."""
    terminal.show(terminal.api.get(f"/review/{item}", SettledRead), render_item)


@command(app, "skip")
def skip(terminal: Terminal, item: Item) -> None:
    """Leave an item out: it can't be answered, or a proposal is not worth learning."""
    terminal.show(terminal.api.post(f"/review/{item}/skip", SettledRead), render_item)


@command(app, "undo")
def undo(terminal: Terminal, item: Item) -> None:
    """Take your label or skip back, within an hour."""
    terminal.show(terminal.api.post(f"/review/{item}/undo", SettledRead), render_item)


@command(app, "settle")
def settle(terminal: Terminal, item: Item, expected: Answer, category: Category = None) -> None:
    """End a dispute by an admin's word."""
    body = {"expected": expected, "category": category}
    terminal.show(terminal.api.post(f"/review/{item}/settle", SettledRead, body), render_item)


def render_queue(queue: QueueRead) -> Group:
    speed = f", {queue.median_seconds:.0f} s each" if queue.median_seconds is not None else ""
    twice = f"; {_agreement(queue.agreement)}" if queue.agreement else ""
    waiting = Text(f"{queue.waiting} wait; {queue.labels} labels in seven days{speed}{twice}")
    return stack(COUNTS(queue.counts), waiting)


def render_filled(filled: FilledRead) -> Text:
    added = {
        "sample": filled.sample,
        "uncertain": filled.uncertain,
        "contradicting": filled.contradicting,
        "flagged": filled.flagged,
    }
    parts = [f"{count} {name}" for name, count in added.items() if count]
    return Text(f"added: {', '.join(parts)}" if parts else "nothing new to label")


def render_next(found: NextRead) -> Group:
    item = found.item
    if item is None:
        return stack(Text("nothing waits for you"))
    return stack(
        facts([("Item", item.id), ("Why", item.reason), ("Waiting", found.waiting)]),
        *(Text(plain(f"{message['role']}: {message['content']}")) for message in item.messages),
        *_numbered("Answers to choose from:", item.choices),
        NEIGHBOURS(item.neighbours) if item.neighbours else None,
        Text(f"Labels: {', '.join(item.labels)}", "dim") if item.labels else None,
    )


def render_item(item: SettledRead) -> Group:
    return stack(ITEM(item), LABELS(item.labels) if item.labels else None)


def _agreement(found: AgreementRead) -> str:
    kappa = f"kappa {found.kappa:.2f}, {found.low:.2f} to {found.high:.2f}, n={found.n}"
    return f"two labellers agree on {percent(found.observed)} ({kappa})"


def _numbered(title: str, lines: Sequence[str]) -> list[Text]:
    numbered = [Text(plain(f"  {number}. {line}")) for number, line in enumerate(lines, start=1)]
    return [Text(title), *numbered] if lines else []


COUNTS = Rows[QueueCountRead](
    text("Purpose", lambda it: it.purpose), text("State", lambda it: it.state), right("Items", lambda it: it.n)
)
NEIGHBOURS = Rows[NeighbourRead](text("Like it", lambda it: it.text), text("Label", lambda it: it.expected))
ITEM = Facts[SettledRead](
    ("Item", lambda it: it.id),
    ("State", lambda it: it.state),
    ("Why", lambda it: it.reason),
    ("Answer", lambda it: it.expected),
    ("Example", lambda it: it.example_id),
    ("Note", lambda it: it.outcome),
)
LABELS = Rows[LabelRead](whole("Labeller", lambda it: it.labeller), text("Answer", lambda it: it.expected))
