"""What a diagnosis looks like: what was lost and to what, the data behind it, and what could be done next."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.output import plain, right, stack, table, whole

_ENDS = {"rejected": "turned down", "undecided": "not decided", "failed": "failed"}


def render_attempts(attempts: Sequence[dict[str, Any]], cycle_id: str) -> Group:
    """The newest diagnosis in full; of the earlier ones what they were and how they ended."""
    parts: list[RenderableType | None] = [_attempts(attempts)]
    found = [attempt["diagnosis"] for attempt in attempts if attempt["diagnosis"]]
    return stack(*parts, *(_diagnosis(found[-1], cycle_id) if found else [Text("Nothing was turned down so far.")]))


def render_step(taken: dict[str, Any]) -> Text:
    where = f" See 'tuneloop cycle show {taken['cycle']}'." if taken["cycle"] else ""
    return Text(f"{taken['done']}{where}")


def _attempts(attempts: Sequence[dict[str, Any]]) -> Table:
    return table(
        right("Attempt"),
        "What",
        whole("Candidate"),
        whole("Came to"),
        right("Compute"),
        rows=[
            (
                each["number"],
                each["what"],
                each["candidate"].partition("@")[2] if each["candidate"] else None,
                _ENDS[each["ended"]] if each["ended"] else "under way",
                figures.duration(sum(each["seconds"].values())) if each["seconds"] else None,
            )
            for each in attempts
        ],
    )


def _diagnosis(diagnosis: dict[str, Any], cycle_id: str) -> list[RenderableType | None]:
    return [
        Text(plain(diagnosis["summary"]), "bold"),
        _losses(diagnosis["losses"]) if diagnosis["losses"] else None,
        _pairs(diagnosis["pairs"]) if diagnosis["pairs"] else None,
        *(
            Padding(Text(f"{pair['category']} \u2192 {pair['wrong'] or 'another answer'}: {plain(said)}"), (0, 2))
            for pair in diagnosis["pairs"][:3]
            for said in pair["questions"]
        ),
        _data(diagnosis) if diagnosis["data"] else None,
        _steps(diagnosis["steps"]),
        Text(f"Do one: tuneloop cycle next {cycle_id} STEP", "dim"),
    ]


def _losses(losses: Sequence[dict[str, Any]]) -> Table:
    return table(
        "Lost",
        right("Production"),
        right("Candidate"),
        right("Points"),
        rows=[
            (
                each["category"],
                figures.rate(each["production"]),
                figures.rate(each["candidate"]),
                figures.points(each["difference"]),
            )
            for each in losses
        ],
    )


def _pairs(pairs: Sequence[dict[str, Any]]) -> Table:
    return table(
        "Should be",
        "Is taken for",
        right("Before"),
        right("Now"),
        right("Of"),
        right("In labelled traffic"),
        rows=[
            (
                each["category"],
                each["wrong"] or "another answer",
                each["before"],
                each["after"],
                each["n"],
                f"{each['traffic_before']} \u2192 {each['traffic_after']}",
            )
            for each in pairs
        ],
    )


def _data(diagnosis: dict[str, Any]) -> Table:
    named = {name for pair in diagnosis["pairs"] for name in (pair["category"], pair["wrong"])}
    data = diagnosis["data"]
    apart = f", {100 * data['distance']:.0f} % away from the mix of traffic" if data["distance"] is not None else ""
    return table(
        "Training data",
        right("Examples"),
        right("New"),
        right("Conflicts"),
        right("Suspected"),
        right("In batches"),
        right("In traffic"),
        rows=[
            (
                each["category"],
                each["examples"],
                each["new"],
                each["conflicts"],
                each["suspected"],
                f"{100 * each['in_batches']:.0f} %",
                f"{100 * each['in_traffic']:.0f} %" if each["in_traffic"] is not None else None,
            )
            for each in data["categories"]
            if each["category"] in named or not named
        ],
        title=f"{data['examples']} examples, {data['new']} of them new{apart}",
    )


def _steps(steps: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Step"),
        "What next",
        right("Costs"),
        "Expected",
        rows=[(each["key"], each["title"], _cost(each), f"{each['expected']} {each['because']}") for each in steps],
    )


def _cost(step: dict[str, Any]) -> str:
    minutes = f"{step['minutes']:.0f} min" if step["minutes"] else None
    labels = f"{step['labels']} labels" if step["labels"] else None
    return ", ".join(filter(None, (minutes, labels))) or ("not measured" if step["minutes"] is None else "nothing")
