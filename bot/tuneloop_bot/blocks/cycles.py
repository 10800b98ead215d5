"""Messages about a cycle: the question whether to retrain, its progress, the candidate, what became of it."""

import re
from typing import Literal

from tuneloop.evaluation.schemas import ChangedItem
from tuneloop.kit import figures
from tuneloop.retraining.effort import Effort
from tuneloop.retraining.recipe import further_in_words
from tuneloop.retraining.schemas import Evidence, Measured
from tuneloop.tables import CycleState
from tuneloop_bot.action_ids import Act, Ref
from tuneloop_bot.blocks.content import MessageContent
from tuneloop_bot.blocks.decisions import decided, pending, promotion_buttons, retrain_buttons
from tuneloop_bot.blocks.diagnosis import gone_on, what_next, why
from tuneloop_bot.blocks.parts import (
    Block,
    button,
    buttons,
    code,
    confirm,
    context,
    counted,
    cut,
    divider,
    header,
    link,
    ours,
    pairs,
    theirs,
    when,
)
from tuneloop_bot.views import CHANGED, CycleView, Data

STEP = 5
"""Progress is shown in steps of this many percent: a message is edited a few times, not hundreds."""

VERDICTS = {
    "promote": ":large_green_circle: *Verdict: promote*",
    "reject": ":red_circle: *Verdict: reject*",
    "need_more_labels": ":large_yellow_circle: *Verdict: more labels are needed*",
}
REASONS = {
    "initial": "there is no version yet",
    "alert": "an alert",
    "schedule": "the calendar",
    "manual": "somebody asked for it",
    "import": "an adapter that was trained elsewhere",
}
_RATES = re.compile(r"^([^:;→]+): [^;]*→[^;]*, \d+ fixed, \d+ broken; ")
RUNNING = {
    CycleState.APPROVED: "waiting for a worker",
    CycleState.TRAINING: "training",
    CycleState.EVALUATING: "evaluating",
    CycleState.COMPARED: "comparing",
}


def retrain_message(view: CycleView, data: Data, effort: Effort) -> MessageContent:
    """The question, later its progress, in one message."""
    brought = view.trigger == "import"
    title = f"Retrain {view.model}?" if view.state is CycleState.PROPOSED else f"Retrain of {view.model}"
    hand = [] if brought else at_hand(data, effort)
    blocks = [
        header(f"New version of {view.model}" if brought else title),
        *pairs([("*Client*", code(view.client)), ("*Because of*", REASONS[view.trigger]), *hand]),
        *further(view),
        *cycle_lines(view),
        *retrain_buttons(view),
    ]
    said = (
        f"An adapter for {view.model} is being checked." if brought else f"Retrain {view.model}? It waits for approval."
    )
    return MessageContent(said, blocks)


def further(view: CycleView) -> list[Block]:
    """What the approval covers beyond the first candidate."""
    words = further_in_words(view.attempts - 1) if view.parent and view.state is CycleState.PROPOSED else None
    return [context(words)] if words else []


def at_hand(data: Data, effort: Effort) -> list[tuple[str, str]]:
    """What a retrain would use and cost; once that is decided, what it was decided on."""
    takes = effort.in_words if effort.minutes is not None else "not timed here yet"
    now = [] if data.waiting is None else [("*Waiting for a label*", f"{data.waiting}"), ("*Compute*", takes)]
    return [
        ("*Training data*", f"{counted(data.training, 'example')}, {data.new} of them new"),
        ("*Golden set*", counted(data.golden, "example")),
        *now,
    ]


def cycle_lines(view: CycleView) -> list[Block]:
    """Where a cycle stands, for the message that asked for it."""
    lines: list[Block] = []
    if view.retrain is not None and view.state is CycleState.PROPOSED:
        lines += pending(view.retrain) if view.alert_id is None else [*further(view), *pending(view.retrain)]
    if view.retrain is not None:
        lines += decided(view.retrain)
    if view.state in RUNNING:
        lines += [*gone_on(view), ours(f":hourglass_flowing_sand: *{progress(view)}*")]
    elif view.state is CycleState.AWAITING_PROMOTION:
        lines.append(context(f"Candidate {code(view.candidate_number)} is ready; see the message below."))
    elif view.state is CycleState.FAILED:
        lines.append(context(":x: The cycle failed; see the message below."))
    elif view.state is CycleState.REJECTED and view.diagnosis is not None:
        name = code(view.candidate_number) if view.candidate else "The candidate"
        tried = f" after {counted(view.attempt, 'attempt')}" if view.attempt > 1 else ""
        lines += [ours(f":x: *{name} was turned down{tried}.*"), *why(view.diagnosis), *what_next(view)]
    elif view.state in (CycleState.DEPLOYED, CycleState.ROLLED_BACK):
        lines.append(context(f"{code(view.candidate_number)}: {view.state.value.replace('_', ' ')}"))
    return lines


def progress(view: CycleView) -> str:
    stage = str(view.progress.get("stage") or RUNNING[view.state])
    done, of = view.progress.get("step"), view.progress.get("steps")
    if not done or not of:
        return f"{stage[0].upper()}{stage[1:]} …"
    share = int(100 * done / of) // STEP * STEP
    bar = "▓" * (share // 10) + "░" * (10 - share // 10)
    return f"{stage[0].upper()}{stage[1:]} {bar} {share} %"


def candidate_message(view: CycleView, *, site: str | None = None) -> MessageContent:
    """What was measured, what was fixed and broken, the verdict with its reasons; once turned down why, and what next.

    `site` is where links lead.
    """
    name = view.candidate or view.model
    verdict = VERDICTS.get(view.outcome or "", "*The first version: there is nothing to compare it with*")
    lead = [
        header(f"Candidate {name}"),
        ours(f"{verdict}" + (f": about {view.labels_needed}" if view.labels_needed else "")),
        *([context(f"Attempt {view.attempt} of up to {view.attempts}: {code(view.what)}")] if view.attempt > 1 else []),
    ]
    if view.diagnosis is not None and view.state is CycleState.REJECTED:
        blocks = [
            *lead,
            *why(view.diagnosis),
            *(pairs([(f"*{row.title}*", _measured(row)) for row in view.evidence.rows]) if view.evidence else []),
            *_after(view, name),
            *what_next(view, site=site),
            *_page(view, site),
        ]
        return MessageContent(f"Candidate {name} was turned down: {view.diagnosis.summary}", blocks)
    blocks = [
        *lead,
        *([theirs("\n".join(f"• {conclusion(reason)}" for reason in view.reasons))] if view.reasons else []),
        *evidence_table(view.evidence),
        *_changed(view, "fixed", ":white_check_mark: *Fixed*"),
        *_changed(view, "broken", ":warning: *Broken*"),
        divider(),
        *_after(view, name),
        *what_next(view, site=site),
        *promotion_buttons(view),
        *(_page(view, site) if view.state is CycleState.REJECTED else []),
    ]
    return MessageContent(f"Candidate {name} is ready: {view.outcome or 'first version'}".replace("_", " "), blocks)


def conclusion(reason: str) -> str:
    """A reason of the gate without the rates and counts that the table beside it shows."""
    return _RATES.sub(r"\1: ", reason)


def _page(view: CycleView, site: str | None) -> list[Block]:
    return buttons(link("Look at everything that was measured", f"{site}/cycles/{view.id}")) if site else []


def failed_message(view: CycleView, *, site: str | None = None) -> MessageContent:
    blocks = [
        header(f"The retrain of {view.model} failed"),
        theirs(view.failure or "No cause was recorded.", 1500),
        *pairs([("*Client*", code(view.client)), ("*When*", when(view.updated_at))]),
        *(
            [context("There is a newer cycle of this model.")]
            if view.again
            else buttons(button("Retry", Act.RETRY, Ref(cycle=view.id), style="primary"))
        ),
        *what_next(view, site=site),
    ]
    return MessageContent(f"The retrain of {view.model} failed.", blocks)


def _after(view: CycleView, name: str) -> list[Block]:
    question = view.promotion
    waits = question is not None and view.state is CycleState.AWAITING_PROMOTION
    lines = [*(pending(question) if waits and question else []), *(decided(question) if question else [])]
    if view.state is CycleState.DEPLOYED:
        lines.append(ours(f":rocket: {code(name)} is in production since {when(view.updated_at)}."))
    elif view.state is CycleState.ROLLED_BACK:
        lines.append(ours(f":rewind: {code(name)} was rolled back {when(view.updated_at)}."))
    elif view.state is CycleState.REJECTED and view.diagnosis is None and not view.again:
        lines.append(context(f"The version in service stays. To try again: {code(f'/tuneloop retrain {view.model}')}"))
    elif view.over:
        lines.append(context(f":arrows_counterclockwise: Another candidate is tried: attempt {view.attempt + 1}."))
    elif view.state is CycleState.FAILED:
        lines.append(ours(":x: It could not be put into production; see the message below."))
    if view.state is CycleState.DEPLOYED and view.previous is not None:
        number, digest = view.previous
        sure = confirm(
            "Roll back?", f"v{number} will answer every request of {view.client} at once.", "Roll back", danger=True
        )
        ref = Ref(model=view.model_id, digest=digest)
        lines += buttons(button(f"Roll back to v{number}", Act.ROLL_BACK, ref, style="danger", confirm=sure))
    return lines


def evidence_table(evidence: Evidence | None) -> list[Block]:
    if evidence is None:
        return []
    telling = _telling(evidence)
    shown = [
        *((f"*{row.title}*", _measured(row)) for row in evidence.rows),
        *((code(row.title, 60), _measured(row)) for row in telling),
    ]
    left = len(evidence.categories) - len(telling)
    rest = [context(f"{counted(left, 'more category', 'more categories')} on the cycle's page.")] if left else []
    return [*pairs(shown), *rest]


def _measured(row: Measured) -> str:
    if row.production is None or row.difference is None:
        return f"*{figures.rate(row.candidate)}*"
    changed = f"{figures.difference(row.difference)} points, {row.fixed} fixed, {row.broken} broken"
    return f"{figures.rate(row.production)} →\n*{figures.rate(row.candidate)}*\n{changed}"


def _telling(evidence: Evidence) -> list[Measured]:
    """The categories that the retrain was for, then those that fell most; of a first version the weakest."""
    wanted = [row for row in evidence.categories if row.key in evidence.target]
    fell = [row for row in evidence.categories if row not in wanted and row.difference and row.difference["value"] < 0]
    alone = [row for row in evidence.categories if row.difference is None]
    fell.sort(key=lambda row: float(row.difference["value"]) if row.difference else 0.0)
    return [*wanted[:4], *fell[:2], *alone[:6]]


def _changed(view: CycleView, which: Literal["fixed", "broken"], title: str) -> list[Block]:
    """The first few with what was asked, so that one can judge."""
    items = view.comparison.table.get(which, []) if view.comparison else []
    if not items:
        return []
    return [
        context(f"{title}: {len(items)}" + (f", the first {CHANGED}:" if len(items) > CHANGED else ":")),
        *(theirs("\n".join(_answers(item, view.asked.get(item.get("example_id", ""))))) for item in items[:CHANGED]),
    ]


def _answers(item: ChangedItem, asked: str | None) -> list[str]:
    """What was asked, and the three answers, each cut so that none hides the others."""
    lines = [f"“{cut(asked, 400)}”"] if asked else []
    named = (("right is", item["expected"]), ("before", item["production"]), ("now", item["candidate"]))
    return [*lines, *(f"{word} {cut(said, 200)}" for word, said in named)]
