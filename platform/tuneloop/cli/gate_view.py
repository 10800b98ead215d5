"""What a gate looks like: what it asked, what people said, what its looks found; and several answers to one prompt."""

from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.output import facts, plain, right, stack, table, whole


def render_gate(gate: dict[str, Any]) -> Group:
    asked = None
    if gate["queries"] is not None:
        asked = f"{gate['queries']} queries of production, {gate['disagreements']} answered differently"
    return stack(
        facts(
            [
                ("Judged by", asked or "the golden set alone"),
                ("Labels", f"{gate['labels']} of about {gate['budget']}, {gate['open']} wait" if asked else None),
                ("Verdict", _verdict(gate)),
                ("Difference", _difference(gate["decision"])),
            ]
        ),
        *(Padding(Text(f"\u2022 {plain(reason)}"), (0, 2)) for reason in gate["reasons"]),
        _looks(gate["looks"]) if len(gate["looks"]) > 1 else None,
        _items(gate["items"]) if gate["items"] else None,
    )


def render_tried(tried: dict[str, Any]) -> Group:
    parts = []
    for answer in tried["answers"]:
        summary = f"{answer['asked']}, confidence {figures.share(answer['confidence'])}, {answer['latency_ms']:.0f} ms"
        parts += [
            Text.assemble((answer["version"], "bold"), (f"  {summary}", "dim")),
            Text(plain(answer["text"])),
            Text(),
        ]
    return stack(*parts, Text("Same answer." if tried["same"] else "The answers differ.", "dim"))


def _verdict(gate: dict[str, Any]) -> str | None:
    if gate["outcome"] is None:
        return None
    needed = f", about {gate['needed']} more labels" if gate["needed"] else ""
    return f"{gate['outcome'].replace('_', ' ')}{needed}"


def _difference(decision: dict[str, Any] | None) -> str | None:
    if decision is None:
        return None
    fixed = f"{decision['fixed']} fixed, {decision['broken']} broken"
    summary = f"{figures.points(decision['overall']['difference'])} points of all traffic"
    strong = decision.get("strong")
    if strong and "golden" in strong:  # looks from before count strong categories in points of all traffic
        summary += f", {figures.points(strong['difference'])} points of strong traffic"
    return f"{summary}; labels: {fixed}"


def _looks(looks: list[dict[str, Any]]) -> Table:
    return table(
        right("Look"),
        whole("At"),
        right("Labels"),
        "Verdict",
        rows=[
            (look["number"], figures.moment(look["at"]), look["labels"], look["outcome"].replace("_", " "))
            for look in looks
        ],
    )


def _items(items: list[dict[str, Any]]) -> Table:
    return table(
        "Question",
        "Production",
        "Candidate",
        "Right is",
        rows=[(item["question"], item["production"], item["candidate"], item["expected"]) for item in items],
    )
