"""What a diagnosis looks like: what was lost and to what, the data behind it, and what could be done next."""

from collections.abc import Sequence
from uuid import UUID

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tuneloop.cli.render import Rows, number_of, plain, right, stack, text, whole
from tuneloop.kit import figures
from tuneloop.retraining.diagnosis.findings import CategoryData, Loss, NextStep, TrainingData
from tuneloop.retraining.diagnosis.schemas import AttemptRead, DiagnosisRead, PairRead
from tuneloop.retraining.schemas import StepTaken
from tuneloop.tables import AttemptEnd

ENDS = {AttemptEnd.REJECTED: "turned down", AttemptEnd.UNDECIDED: "not decided", AttemptEnd.FAILED: "failed"}
OTHER = "another answer"


def render_attempts(attempts: Sequence[AttemptRead], cycle_id: UUID) -> Group:
    """The newest diagnosis in full; of the earlier ones what they were and how they ended."""
    found = [attempt.diagnosis for attempt in attempts if attempt.diagnosis]
    newest = _diagnosis(found[-1], cycle_id) if found else [Text("Nothing was turned down so far.")]
    return stack(ATTEMPTS(attempts), *newest)


def render_step(taken: StepTaken) -> Text:
    where = f" See 'tuneloop cycle show {taken.cycle}'." if taken.cycle else ""
    return Text(f"{taken.done}{where}")


def _diagnosis(found: DiagnosisRead, cycle_id: UUID) -> list[RenderableType | None]:
    return [
        Text(plain(found.summary), "bold"),
        LOSSES(found.losses) if found.losses else None,
        PAIRS(found.pairs) if found.pairs else None,
        *(
            Padding(Text(f"{pair.category} \u2192 {pair.wrong or OTHER}: {plain(question)}"), (0, 2))
            for pair in found.pairs[:3]
            for question in pair.questions
        ),
        _data(found.data, found.pairs) if found.data else None,
        STEPS(found.steps),
        Text(f"Do one: tuneloop cycle next {cycle_id} STEP", "dim"),
    ]


def _data(data: TrainingData, pairs: Sequence[PairRead]) -> Table:
    """Of the categories that are mixed up, where there are any."""
    named = {name for pair in pairs for name in (pair.category, pair.wrong)}
    apart = f", {figures.percent(data.distance)} away from the mix of traffic" if data.distance is not None else ""
    return DATA(
        (each for each in data.categories if each.category in named or not named),
        title=f"{data.examples} examples, {data.new} of them new{apart}",
    )


def _cost(step: NextStep) -> str:
    minutes = f"{step.minutes:.0f} min" if step.minutes else None
    labels = f"{step.labels} labels" if step.labels else None
    return ", ".join(filter(None, (minutes, labels))) or ("not measured" if step.minutes is None else "nothing")


ATTEMPTS = Rows[AttemptRead](
    right("Attempt", lambda it: it.number),
    text("What", lambda it: it.what),
    whole("Candidate", lambda it: number_of(it.candidate)),
    whole("Came to", lambda it: ENDS[it.ended] if it.ended else "under way"),
    right("Compute", lambda it: figures.duration(sum(it.seconds.values())) if it.seconds else None),
)
LOSSES = Rows[Loss](
    text("Lost", lambda it: it.category),
    right("Production", lambda it: figures.rate(it.production)),
    right("Candidate", lambda it: figures.rate(it.candidate)),
    right("Points", lambda it: figures.difference(it.difference)),
)
PAIRS = Rows[PairRead](
    text("Should be", lambda it: it.category),
    text("Is taken for", lambda it: it.wrong or OTHER),
    right("Before", lambda it: it.before),
    right("Now", lambda it: it.after),
    right("Of", lambda it: it.n),
    right("In labelled traffic", lambda it: f"{it.traffic_before} \u2192 {it.traffic_after}"),
)
DATA = Rows[CategoryData](
    text("Training data", lambda it: it.category),
    right("Examples", lambda it: it.examples),
    right("New", lambda it: it.new),
    right("Conflicts", lambda it: it.conflicts),
    right("Suspected", lambda it: it.suspected),
    right("In batches", lambda it: figures.percent(it.in_batches)),
    right("In traffic", lambda it: figures.percent(it.in_traffic)),
)
STEPS = Rows[NextStep](
    whole("Step", lambda it: it.key),
    text("What next", lambda it: it.title),
    right("Costs", _cost),
    text("Expected", lambda it: f"{it.expected} {it.because}"),
)
