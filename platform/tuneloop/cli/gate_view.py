"""What a gate looks like: what it asked, what people said, what its looks found; and several answers to one prompt."""

from rich.console import Group
from rich.text import Text

from tuneloop.cli.render import Facts, Rows, bullets, plain, right, stack, text, whole
from tuneloop.evaluation.schemas import PromptComparison
from tuneloop.kit import figures
from tuneloop.retraining.schemas import GateItemRead, GateRead, LookRead


def render_gate(gate: GateRead) -> Group:
    return stack(
        GATE(gate),
        *bullets(gate.reasons),
        LOOKS(gate.looks) if len(gate.looks) > 1 else None,
        ITEMS(gate.items) if gate.items else None,
    )


def render_tried(tried: PromptComparison) -> Group:
    parts = []
    for answer in tried.answers:
        beside = f"{answer.asked}, confidence {figures.number(answer.confidence, '.2f')}, {answer.latency_ms:.0f} ms"
        parts += [Text.assemble((answer.version, "bold"), (f"  {beside}", "dim")), Text(plain(answer.text)), Text()]
    return stack(*parts, Text("Same answer." if tried.same else "The answers differ.", "dim"))


def _asked(gate: GateRead) -> str:
    if gate.queries is None:
        return "the golden set alone"
    return f"{gate.queries} queries of production, {gate.disagreements} answered differently"


def _labels(gate: GateRead) -> str | None:
    return None if gate.queries is None else f"{gate.labels} of about {gate.budget}, {gate.open} wait"


def _verdict(gate: GateRead) -> str | None:
    if gate.outcome is None:
        return None
    needed = f", about {gate.needed} more labels" if gate.needed else ""
    return f"{figures.words(gate.outcome)}{needed}"


def _difference(gate: GateRead) -> str | None:
    decision = gate.decision
    if decision is None:
        return None
    said = f"{figures.difference(decision['overall']['difference'])} points of all traffic"
    strong = decision.get("strong")
    if strong and "golden" in strong:  # looks from before count strong categories in points of all traffic
        said += f", {figures.difference(strong['difference'])} points of strong traffic"
    return f"{said}; labels: {decision['fixed']} fixed, {decision['broken']} broken"


GATE = Facts[GateRead](
    ("Judged by", _asked),
    ("Labels", _labels),
    ("Verdict", _verdict),
    ("Difference", _difference),
)
LOOKS = Rows[LookRead](
    right("Look", lambda it: it.number),
    whole("At", lambda it: it.at),
    right("Labels", lambda it: it.labels),
    text("Verdict", lambda it: figures.words(it.outcome)),
)
ITEMS = Rows[GateItemRead](
    text("Question", lambda it: it.question),
    text("Production", lambda it: it.production),
    text("Candidate", lambda it: it.candidate),
    text("Right is", lambda it: it.expected),
)
