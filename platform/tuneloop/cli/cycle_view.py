"""What a cycle looks like: its facts, its side-by-side table, and what may be done next."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.output import facts, plain, right, stack, table, whole
from tuneloop.retraining.recipe import further_in_words

_VERDICTS = {
    "promote": ("PROMOTE", "bold green"),
    "reject": ("REJECT", "bold red"),
    "need_more_labels": ("NEEDS MORE LABELS", "bold yellow"),
}


def render_cycles(cycles: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Cycle"),
        whole("State"),
        whole("Candidate"),
        "Verdict",
        whole("Updated"),
        rows=[
            (
                each["id"],
                each["state"].replace("_", " "),
                _number(each["candidate"]),
                each["comparison"]["outcome"].replace("_", " ") if each["comparison"] else None,
                figures.moment(each["updated_at"]),
            )
            for each in cycles
        ],
    )


def render_cycle(cycle: dict[str, Any]) -> Group:
    chosen = {name: value for name, value in cycle["recipe"].items() if value is not None}
    return stack(
        facts(
            [
                ("Cycle", cycle["id"]),
                ("Model", cycle["model"]),
                ("State", cycle["state"].replace("_", " ")),
                ("Trigger", cycle["trigger"] + (f" {cycle['alert_id']}" if cycle["alert_id"] else "")),
                ("Starts from", cycle["parent"] or "the base"),
                ("Candidate", _with_digest(cycle)),
                ("Attempt", _attempt(cycle)),
                ("Recipe", ", ".join(f"{name}={value}" for name, value in chosen.items())),
                *((f"Question: {each['kind']}", _question(each)) for each in cycle["questions"]),
                ("Verdict", _verdict(cycle["comparison"]) if cycle["comparison"] else None),
                ("Override", _override(cycle["override"]) if cycle["override"] else None),
                ("Failure", cycle["failure"]),
                ("Updated", figures.moment(cycle["updated_at"])),
            ]
        ),
        _evidence(cycle) if cycle["state"] == "awaiting_promotion" else None,
        _candidates(cycle["candidates"]) if len(cycle["candidates"]) > 1 else None,
        _quantisations(cycle["quantisations"]) if cycle["quantisations"] else None,
        next_step(cycle),
    )


def _attempt(cycle: dict[str, Any]) -> str | None:
    covered = 1 + cycle["recipe"]["further_attempts"]
    return f"{cycle['attempt']} of up to {covered}" if cycle["attempt"] > 1 else None


def render_plan(cycle: dict[str, Any]) -> Group:
    """What an approval of a retrain approves."""
    chosen = {name: value for name, value in cycle["recipe"].items() if value is not None}
    return stack(
        facts(
            [
                ("Model", cycle["model"]),
                ("Starts from", cycle["parent"] or "the base"),
                ("Recipe", ", ".join(f"{name}={value}" for name, value in chosen.items())),
                *(("Plan", each["subject_digest"]) for each in cycle["questions"] if each["kind"] == "retrain"),
                ("Covers", further_in_words(cycle["recipe"]["further_attempts"]) if cycle["parent"] else None),
            ]
        )
    )


def render_comparison(cycle: dict[str, Any], *, categories: bool, items: bool) -> Group:
    comparison = cycle["comparison"]
    measured = comparison["table"]
    heading = Text.assemble((cycle["model"], "bold"), f"  cycle {cycle['id']}, {cycle['state'].replace('_', ' ')}")
    return stack(
        heading,
        _side_by_side("", measured["rows"], cycle),
        _side_by_side("Category", measured["categories"], cycle) if categories else None,
        _changed("Fixed", measured["fixed"]) if items and measured["fixed"] else None,
        _changed("Broken", measured["broken"]) if items and measured["broken"] else None,
        Text.assemble("Verdict: ", _verdict(comparison)),
        *(Padding(Text(f"\u2022 {plain(reason)}"), (0, 2)) for reason in comparison["reasons"]),
        next_step(cycle),
    )


def next_step(cycle: dict[str, Any]) -> Text | None:
    """The command that takes the cycle on, while a person has to say something."""
    model = cycle["model"]
    if cycle["state"] == "proposed":
        return Text(f"Next: tuneloop approve {model}, or tuneloop reject {model}", "dim")
    if cycle["state"] in ("rejected", "failed"):
        return Text(f"Why, and what next: tuneloop cycle diagnose {cycle['id']}", "dim")
    if cycle["state"] == "awaiting_promotion":
        against = cycle["comparison"] and cycle["comparison"]["outcome"] != "promote"
        promote = f"tuneloop promote {model}" + (" --note 'why, against the gate'" if against else "")
        return Text(f"Next: {promote}, or tuneloop reject {model}", "dim")
    return None


def _evidence(cycle: dict[str, Any]) -> Table | None:
    """What the question about promotion stands on; a first version has nothing beside it."""
    evidence = cycle["evidence"]
    if evidence is None:
        return None
    rows = [*evidence["rows"], *(evidence["categories"] if len(evidence["categories"]) > 1 else [])]
    if cycle["parent"] is not None:
        return _side_by_side("On golden examples", rows, cycle)
    return table(
        Column("On golden examples"),
        right(f"Candidate {_number(cycle['candidate'])}"),
        rows=[(row["title"], figures.rate(row["candidate"])) for row in rows],
    )


def _side_by_side(title: str, rows: Sequence[dict[str, Any]], cycle: dict[str, Any]) -> Table:
    parent, candidate = _number(cycle["parent"]), _number(cycle["candidate"])
    return table(
        Column(title),
        right(f"Production {parent}"),
        right(f"Candidate {candidate}"),
        right("Points"),
        right("Fixed"),
        right("Broken"),
        rows=[
            (
                row["title"],
                figures.rate(row["production"]),
                figures.rate(row["candidate"]),
                figures.points(row["difference"]),
                row["fixed"],
                row["broken"],
            )
            for row in rows
        ],
    )


def _candidates(candidates: Sequence[dict[str, Any]]) -> Table:
    """Scores of the dev split: they chose what went to the gate, and prove nothing."""
    return table(
        "Tried",
        right("Blend"),
        right("Strong"),
        right("New and fallen"),
        "",
        rows=[
            (
                each["method"].replace("_", " "),
                f"{each['blend']:g}",
                _dev(each["dev"].get("strong")),
                _dev(each["dev"].get("target")),
                each["dev"].get("failure") or ("to the gate" if each["chosen"] else ""),
            )
            for each in candidates
        ],
    )


def _quantisations(found: dict[str, Any]) -> Table:
    return table(
        "Merged file",
        right("Size"),
        right("Accuracy"),
        right("Answers changed against F16"),
        "",
        rows=[
            (
                row["quantisation"],
                figures.size(row["size"]),
                figures.rate(row["accuracy"]),
                figures.rate(row["flips"]),
                "proposed" if row["quantisation"] == found["proposed"] else row["finding"],
            )
            for row in found["rows"]
        ],
    )


def _dev(stratum: dict[str, Any] | None) -> str | None:
    return f"{stratum['correct']} of {stratum['n']} right, score {stratum['score']:.2f}" if stratum else None


def _override(override: dict[str, Any]) -> str:
    against = override["outcome"].replace("_", " ")
    return f"by {override['by']}, {figures.moment(override['at'])}, against '{against}': {override['reason']}"


def _changed(title: str, items: Sequence[dict[str, Any]]) -> Table:
    return table(
        "Category",
        "Expected",
        "Production",
        "Candidate",
        rows=[(item["category"], item["expected"], item["production"], item["candidate"]) for item in items],
        title=f"{title} ({len(items)})",
    )


def _verdict(comparison: dict[str, Any]) -> Text:
    title, style = _VERDICTS.get(comparison["outcome"], (comparison["outcome"], "bold"))
    needed = comparison["labels_needed"]
    return Text.assemble((title, style), f" (about {needed} more)" if needed else "")


def _question(question: dict[str, Any]) -> str:
    if question["decision"] is None:
        return f"open until {figures.moment(question['expires_at'])}, digest {question['subject_digest'][:12]}"
    note = f": {question['note']}" if question["note"] else ""
    return f"{question['decision']} by {question['decided_by']}, {figures.moment(question['decided_at'])}{note}"


def _number(name: str | None) -> str | None:
    return name.partition("@")[2] if name else None


def _with_digest(cycle: dict[str, Any]) -> str | None:
    return f"{cycle['candidate']} ({figures.digest(cycle['candidate_digest'])})" if cycle["candidate"] else None
