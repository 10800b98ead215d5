"""Why a candidate was turned down, and what could be done next, short enough for a phone."""

from tuneloop.retraining.diagnosis.findings import NextStep, StepKind
from tuneloop.retraining.diagnosis.schemas import DiagnosisRead, PairRead
from tuneloop.tables import CycleState
from tuneloop_bot.action_ids import Act, Ref
from tuneloop_bot.blocks.parts import Block, button, buttons, code, context, counted, cut, link, ours, theirs
from tuneloop_bot.views import CycleView

MOST_PAIRS, MOST_STEPS, MOST_BUTTONS = 4, 4, 4
ENDED = (CycleState.REJECTED, CycleState.FAILED)


def why(diagnosis: DiagnosisRead) -> list[Block]:
    """The summary, what is taken for what, and one message as an example."""
    lines = [_pair(pair) for pair in diagnosis.pairs[:MOST_PAIRS]]
    example = next((pair.questions[0] for pair in diagnosis.pairs if pair.questions), None)
    return [
        theirs(diagnosis.summary, 1000),
        *([ours("*What is taken for what now*\n" + "\n".join(lines))] if lines else []),
        *([theirs(f"“{cut(example, 300)}”")] if example else []),
    ]


def what_next(view: CycleView, *, site: str | None = None) -> list[Block]:
    """Ranked, each with its cost; buttons do those that a click can do. Nothing once the model has gone on."""
    if view.diagnosis is None or view.again or view.over:
        return []
    steps = view.diagnosis.steps[:MOST_STEPS]
    listed = [theirs(f"{place}. {_step(step)}", 700) for place, step in enumerate(steps, 1)]
    pressed = [_button(view, step) for step in steps]
    data = link("Look at the data", f"{site}/models/{view.model}/data") if site and _wants_data(steps) else None
    return [ours("*What next*"), *listed, *buttons(*[each for each in pressed if each][:MOST_BUTTONS], data)]


def gone_on(view: CycleView) -> list[Block]:
    """For the message that follows a cycle: which attempt runs, and why the one before was turned down."""
    if view.attempt == 1:
        return []
    line = f":arrows_counterclockwise: *Attempt {view.attempt} of up to {view.attempts}*: {code(view.what)}"
    return [*([theirs(view.before.summary, 600)] if view.before else []), context(line)]


def _pair(pair: PairRead) -> str:
    traffic = f", in labelled traffic {pair.traffic_before} → {pair.traffic_after}" if pair.traffic_after else ""
    wrong = code(pair.wrong, 60) if pair.wrong else "another answer"
    return f"{code(pair.category, 60)} → {wrong}: {pair.before} → *{pair.after}* of n {pair.n}{traffic}"


def _step(step: NextStep) -> str:
    minutes = f"about {max(1, round(step.minutes))} min of compute" if step.minutes else None
    labels = counted(step.labels, "label") if step.labels else None
    nothing = "compute not measured" if step.minutes is None else "costs nothing"
    cost = ", ".join(filter(None, (minutes, labels))) or nothing
    return f"{step.title} ({cost}).\n{step.expected}"


def _button(view: CycleView, step: NextStep) -> Block | None:
    words = {
        StepKind.BLEND: "Propose this blend",
        StepKind.RETRAIN: "Train again",
        StepKind.ALL_LAYERS: "Train all layers",
        StepKind.LABEL: f"Label {step.labels} of {step.category}",
    }.get(step.kind)
    if words is None or (step.kind is not StepKind.LABEL and view.state not in ENDED):
        return None
    return button(words, Act.NEXT_STEP, Ref(cycle=view.id, step=step.key), place=step.key)


def _wants_data(steps: tuple[NextStep, ...]) -> bool:
    return any(step.kind in (StepKind.CLEAN, StepKind.GOLDEN) for step in steps)
