"""What a cycle looks like: its facts, its side-by-side table, and what may be done next."""

from collections.abc import Iterable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.cli.render import Facts, Rows, bullets, facts, moment, number_of, right, short, stack, text, whole
from tuneloop.evaluation.schemas import ChangedItem, QuantisationRow, Quantisations
from tuneloop.kit import figures
from tuneloop.registry.overrides import Override
from tuneloop.retraining.recipe import Recipe, further_in_words
from tuneloop.retraining.schemas import (
    CandidateRead,
    ComparisonRead,
    CycleRead,
    DevStratum,
    Measured,
    QuestionRead,
)
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import ApprovalKind, CycleState, Trigger

VERDICTS = {
    Outcome.PROMOTE: ("PROMOTE", "bold green"),
    Outcome.REJECT: ("REJECT", "bold red"),
    Outcome.NEED_MORE_LABELS: ("NEEDS MORE LABELS", "bold yellow"),
}


def render_cycle(cycle: CycleRead) -> Group:
    asked = [(f"Question: {each.kind}", _question(each)) for each in cycle.questions]
    return stack(
        facts([*CYCLE.pairs(cycle), *asked, *OUTCOME.pairs(cycle)]),
        _evidence(cycle) if cycle.state is CycleState.AWAITING_PROMOTION else None,
        CANDIDATES(cycle.candidates) if len(cycle.candidates) > 1 else None,
        _quantisations(cycle.quantisations) if cycle.quantisations else None,
        next_step(cycle),
    )


def render_comparison(cycle: CycleRead, comparison: ComparisonRead, *, categories: bool, items: bool) -> Group:
    """`comparison` is the cycle's."""
    measured = comparison.table
    heading = Text.assemble((cycle.model, "bold"), f"  cycle {cycle.id}, {figures.words(cycle.state)}")
    return stack(
        heading,
        _side_by_side("", map(Measured.model_validate, measured["rows"]), cycle),
        _side_by_side("Category", map(Measured.model_validate, measured["categories"]), cycle) if categories else None,
        _changed("Fixed", measured["fixed"]) if items and measured["fixed"] else None,
        _changed("Broken", measured["broken"]) if items and measured["broken"] else None,
        Text.assemble("Verdict: ", _verdict(comparison)),
        *bullets(comparison.reasons),
        next_step(cycle),
    )


def next_step(cycle: CycleRead) -> Text | None:
    """The command that takes the cycle on, while a person has to say something."""
    if cycle.state is CycleState.PROPOSED:
        return Text(f"Next: tuneloop approve {cycle.model}, or tuneloop reject {cycle.model}", "dim")
    if cycle.state in (CycleState.REJECTED, CycleState.FAILED):
        return Text(f"Why, and what next: tuneloop cycle diagnose {cycle.id}", "dim")
    if cycle.state is CycleState.AWAITING_PROMOTION:
        against = cycle.comparison is not None and cycle.comparison.outcome != Outcome.PROMOTE
        promote = f"tuneloop promote {cycle.model}" + (" --note 'why, against the gate'" if against else "")
        return Text(f"Next: {promote}, or tuneloop reject {cycle.model}", "dim")
    return None


def _evidence(cycle: CycleRead) -> Table | None:
    """What the question about promotion stands on; a first version has nothing beside it."""
    if cycle.evidence is None:
        return None
    title, categories = "On golden examples", cycle.evidence.categories
    rows = [*cycle.evidence.rows, *(categories if len(categories) > 1 else [])]
    if cycle.parent is not None:
        return _side_by_side(title, rows, cycle)
    alone = Rows[Measured](
        text(title, lambda it: it.title),
        right(f"Candidate {number_of(cycle.candidate)}", lambda it: figures.rate(it.candidate)),
    )
    return alone(rows)


def _side_by_side(title: str, rows: Iterable[Measured], cycle: CycleRead) -> Table:
    compared = Rows[Measured](
        text(title, lambda it: it.title),
        right(
            f"Production {number_of(cycle.parent)}", lambda it: figures.rate(it.production) if it.production else None
        ),
        right(f"Candidate {number_of(cycle.candidate)}", lambda it: figures.rate(it.candidate)),
        right("Points", lambda it: figures.difference(it.difference) if it.difference else None),
        right("Fixed", lambda it: it.fixed),
        right("Broken", lambda it: it.broken),
    )
    return compared(rows)


def _quantisations(found: Quantisations) -> Table:
    def said(row: QuantisationRow) -> str:
        return "proposed" if row["quantisation"] == found["proposed"] else row["finding"]

    files = Rows[QuantisationRow](
        text("Merged file", lambda it: it["quantisation"]),
        right("Size", lambda it: figures.size(it["size"])),
        right("Accuracy", lambda it: figures.rate(it["accuracy"])),
        right("Answers changed against F16", lambda it: figures.rate(it["flips"])),
        text("", said),
    )
    return files(found["rows"])


def _changed(title: str, items: Sequence[ChangedItem]) -> Table:
    return CHANGED(items, title=f"{title} ({len(items)})")


def _attempt(cycle: CycleRead) -> str | None:
    covered = 1 + cycle.recipe.further_attempts
    return f"{cycle.attempt} of up to {covered}" if cycle.attempt > 1 else None


def _recipe(recipe: Recipe) -> str:
    chosen = recipe.model_dump(mode="json", exclude_none=True)
    return ", ".join(f"{name}={value}" for name, value in chosen.items())


def _plan(cycle: CycleRead) -> str | None:
    asked = (each.subject_digest for each in cycle.questions if each.kind is ApprovalKind.RETRAIN)
    return next(asked, None)


def _dev(stratum: DevStratum | None) -> str | None:
    return f"{stratum['correct']} of {stratum['n']} right, score {stratum['score']:.2f}" if stratum else None


def _fate(candidate: CandidateRead) -> str:
    return candidate.dev.get("failure") or ("to the gate" if candidate.chosen else "")


def _override(override: Override | None) -> str | None:
    if override is None:
        return None
    against = figures.words(override.outcome)
    return f"by {override.by}, {moment(override.at)}, against '{against}': {override.reason}"


def _verdict(comparison: ComparisonRead) -> Text:
    title, style = VERDICTS[Outcome(comparison.outcome)]
    needed = comparison.labels_needed
    return Text.assemble((title, style), f" (about {needed} more)" if needed else "")


def _start(cycle: CycleRead) -> str:
    return "an adapter that was trained elsewhere" if cycle.trigger is Trigger.IMPORT else cycle.parent or "the base"


def _question(question: QuestionRead) -> str:
    if question.decision is None:
        return f"open until {moment(question.expires_at)}, digest {short(question.subject_digest)}"
    note = f": {question.note}" if question.note else ""
    return f"{question.decision} by {question.decided_by}, {moment(question.decided_at)}{note}"


CYCLES = Rows[CycleRead](
    whole("Cycle", lambda it: it.id),
    whole("State", lambda it: figures.words(it.state)),
    whole("Candidate", lambda it: number_of(it.candidate)),
    text("Verdict", lambda it: figures.words(it.comparison.outcome) if it.comparison else None),
    whole("Updated", lambda it: it.updated_at),
)
CYCLE = Facts[CycleRead](
    ("Cycle", lambda it: it.id),
    ("Model", lambda it: it.model),
    ("State", lambda it: figures.words(it.state)),
    ("Trigger", lambda it: f"{it.trigger} {it.alert_id}" if it.alert_id else it.trigger),
    ("Starts from", _start),
    ("Candidate", lambda it: f"{it.candidate} ({short(it.candidate_digest)})" if it.candidate else None),
    ("Attempt", _attempt),
    ("Recipe", lambda it: _recipe(it.recipe) if it.trigger is not Trigger.IMPORT else None),
)
OUTCOME = Facts[CycleRead](
    ("Verdict", lambda it: _verdict(it.comparison) if it.comparison else None),
    ("Override", lambda it: _override(it.override)),
    ("Failure", lambda it: it.failure),
    ("Updated", lambda it: it.updated_at),
)
PLAN = Facts[CycleRead](
    ("Model", lambda it: it.model),
    ("Starts from", lambda it: it.parent or "the base"),
    ("Recipe", lambda it: _recipe(it.recipe)),
    ("Plan", _plan),
    ("Covers", lambda it: further_in_words(it.recipe.further_attempts) if it.parent else None),
)
"""What an approval of a retrain approves."""

CANDIDATES = Rows[CandidateRead](
    text("Tried", lambda it: figures.words(it.method)),
    right("Blend", lambda it: f"{it.blend:g}"),
    right("Strong", lambda it: _dev(it.dev.get("strong"))),
    right("New and fallen", lambda it: _dev(it.dev.get("target"))),
    text("", _fate),
)
"""Scores of the dev split: they chose what went to the gate, and prove nothing."""

CHANGED = Rows[ChangedItem](
    text("Category", lambda it: it["category"]),
    text("Expected", lambda it: it["expected"]),
    text("Production", lambda it: it["production"]),
    text("Candidate", lambda it: it["candidate"]),
)
