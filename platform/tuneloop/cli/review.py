"""`tuneloop review`: the queue of answers that people label."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import typer
from rich.console import Group
from rich.text import Text

from tuneloop.cli.arguments import Model
from tuneloop.cli.http import model_path
from tuneloop.cli.output import facts, right, stack, table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="The review queue: what people are asked to label, and what they said.")

Item = Annotated[UUID, typer.Argument(metavar="ITEM", help="Id as 'tuneloop review next' shows it.")]
Answer = Annotated[str, typer.Argument(metavar="ANSWER", help="What the right answer is.")]
Category = Annotated[str | None, typer.Option(help="Category of a generate model's answer.")]
Purpose = Literal["sample", "uncertain", "flagged", "burst", "gate", "proposed"]


@command(app, "show")
def queue(terminal: Terminal, model: Model) -> None:
    """What waits, how fast it is labelled and how far labellers agree."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/review"), render_queue)


@command(app, "fill")
def fill(
    terminal: Terminal,
    model: Model,
    budget: Annotated[
        int | None, typer.Option(min=10, max=500, help="How many answers; the policy's if left out.")
    ] = None,
) -> None:
    """Put answers of production into the queue: half at random, the rest where a label teaches most."""
    reply = terminal.api.post(f"{model_path(model.client, model.model)}/review/fill", {"budget": budget})
    terminal.out.show(reply, render_filled)


@command(app, "next")
def next_item(
    terminal: Terminal,
    model: Model,
    purpose: Annotated[Purpose | None, typer.Option(help="Only items of this purpose.")] = None,
) -> None:
    """Take the next item; it is held for you for ten minutes."""
    query = f"?purpose={purpose}" if purpose else ""
    terminal.out.show(terminal.api.post(f"{model_path(model.client, model.model)}/review/next{query}"), render_next)


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
    terminal.out.show(terminal.api.post(f"/review/{item}/label", body), render_item)


@command(app, "read")
def read(terminal: Terminal, item: Item) -> None:
    """An item and, once it is settled, who said what."""
    terminal.out.show(terminal.api.get(f"/review/{item}"), render_item)


@command(app, "skip")
def skip(terminal: Terminal, item: Item) -> None:
    """Leave an item out: it can't be answered, or a proposal is not worth learning."""
    terminal.out.show(terminal.api.post(f"/review/{item}/skip"), render_item)


@command(app, "undo")
def undo(terminal: Terminal, item: Item) -> None:
    """Take your label or skip back, within an hour."""
    terminal.out.show(terminal.api.post(f"/review/{item}/undo"), render_item)


@command(app, "settle")
def settle(terminal: Terminal, item: Item, expected: Answer, category: Category = None) -> None:
    """End a dispute by an admin's word."""
    body = {"expected": expected, "category": category}
    terminal.out.show(terminal.api.post(f"/review/{item}/settle", body), render_item)


def render_queue(queue: dict[str, Any]) -> Group:
    listed = table(
        "Purpose",
        "State",
        right("Items"),
        rows=[(each["purpose"], each["state"], each["n"]) for each in queue["counts"]],
    )
    speed = f", {queue['median_seconds']:.0f} s each" if queue["median_seconds"] is not None else ""
    twice = f"; {_agreement(queue['agreement'])}" if queue["agreement"] else ""
    return stack(listed, Text(f"{queue['waiting']} wait; {queue['labels']} labels in seven days{speed}{twice}"))


def render_filled(filled: dict[str, Any]) -> Text:
    parts = [f"{filled[name]} {name}" for name in ("sample", "uncertain", "contradicting", "flagged") if filled[name]]
    return Text(f"added: {', '.join(parts)}" if parts else "nothing new to label")


def render_next(found: dict[str, Any]) -> Group:
    item = found["item"]
    if item is None:
        return stack(Text("nothing waits for you"))
    talk = [Text(f"{message['role']}: {message['content']}") for message in item["messages"]]
    choices = _numbered("Answers to choose from:", item["choices"])
    labels = Text(f"Labels: {', '.join(item['labels'])}", "dim") if item["labels"] else None
    near = table(
        "Like it",
        "Label",
        rows=[(each["text"], each["expected"]) for each in item["neighbours"]],
    )
    head = facts([("Item", item["id"]), ("Why", item["reason"]), ("Waiting", found["waiting"])])
    return stack(head, *talk, *choices, near if item["neighbours"] else None, labels)


def render_item(item: dict[str, Any]) -> Group:
    head = facts(
        [
            ("Item", item["id"]),
            ("State", item["state"]),
            ("Why", item["reason"]),
            ("Answer", item["expected"]),
            ("Example", item["example_id"]),
            ("Note", item["outcome"]),
        ]
    )
    labels = table(
        whole("Labeller"), "Answer", rows=[(label["labeller"], label["expected"]) for label in item["labels"]]
    )
    return stack(head, labels if item["labels"] else None)


def _agreement(found: dict[str, Any]) -> str:
    interval = f"{found['low']:.2f} to {found['high']:.2f}"
    return f"two labellers agree on {found['observed']:.0%} (kappa {found['kappa']:.2f}, {interval}, n={found['n']})"


def _numbered(title: str, lines: Sequence[str]) -> list[Text]:
    return [Text(title), *(Text(f"  {number}. {line}") for number, line in enumerate(lines, start=1))] if lines else []
