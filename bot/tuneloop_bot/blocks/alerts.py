"""An alert: what fell, how sure that is, what went wrong, what could be done, and what was done."""

from datetime import datetime
from typing import Any

from tuneloop.kit import figures
from tuneloop.kit.clock import now
from tuneloop.monitoring.alert_kinds import ALERT_KINDS
from tuneloop.monitoring.alert_words import weighted, without_figures
from tuneloop.retraining.recipe import Recipe, further_in_words
from tuneloop.tables import Alert, AlertLevel, AlertState, CycleState
from tuneloop_bot.action_ids import Act, Ref
from tuneloop_bot.blocks.chart import picture
from tuneloop_bot.blocks.content import MessageContent
from tuneloop_bot.blocks.cycles import at_hand, cycle_lines
from tuneloop_bot.blocks.decisions import retrain_buttons
from tuneloop_bot.blocks.parts import (
    Block,
    button,
    buttons,
    code,
    context,
    divider,
    header,
    menu,
    ours,
    pairs,
    theirs,
    when,
)
from tuneloop_bot.views import AlertView, WrongAnswer

SNOOZES = ((1, "1 day"), (3, "3 days"), (7, "1 week"), (30, "30 days"))
_FURTHER = further_in_words(Recipe().further_attempts) or ""
MARKS = {AlertLevel.ALERT: ":rotating_light:", AlertLevel.WARN: ":warning:"}


def alert_message(view: AlertView) -> MessageContent:
    alert = view.row
    level = f"{MARKS[alert.level]} *{alert.level.value.capitalize()}*"
    lead = [
        header(f"{view.model}: {alert.kind.value.replace('_', ' ')}"),
        ours(f"{level} for {code(view.client)} since {when(alert.opened_at)}"),
        theirs(without_figures(alert)),
        *_figures(alert.evidence),
    ]
    blocks = [
        *lead,
        *_examples(view.examples),
        divider(),
        *(pairs(at_hand(view.data, view.effort)) if alert.state is AlertState.OPEN and view.mendable else []),
        *([context(_FURTHER)] if alert.state is AlertState.OPEN and view.mendable and view.cycle is None else []),
        *_state(view),
        *_buttons(view),
    ]
    return MessageContent(
        f"{view.model}: {alert.summary}",
        blocks,
        picture=picture(view.chart, view.model, at=len(lead)) if view.chart is not None else None,
        answers=[each.prediction for each in view.examples],
    )


def _figures(evidence: dict[str, Any]) -> list[Block]:
    rows = [
        (title, figures.rate(evidence[key]))
        for key, title in (("baseline", "*Before*"), ("current", "*Now*"), ("reports", "*Reported by users*"))
        if isinstance(evidence.get(key), dict) and "n" in evidence[key] and evidence[key].get("value") is not None
    ]
    now_so, before = evidence.get("categories") or {}, evidence.get("before") or {}
    fallen = [
        (
            code(name, 60),
            f"{figures.rate(before[name])} →\n*{figures.rate(now_so[name])}*"
            if name in before
            else figures.rate(now_so[name]),
        )
        for name in evidence.get("fallen", [])[:4]
        if name in now_so
    ]
    counted = {"current", "wrong"} <= evidence.keys()
    note = weighted(evidence["current"], len(evidence["wrong"])) if counted else None
    return [*pairs([*rows, *fallen]), *([context(note)] if note else [])]


def _examples(examples: list[WrongAnswer]) -> list[Block]:
    if not examples:
        return []
    shown = [
        theirs(f"{place}. “{each.text}”\nanswered {each.answer}, right is {each.expected}", 700)
        for place, each in enumerate(examples, 1)
    ]
    hint = "Wrong label? Reply in this thread: `1 should be: …`"
    return [ours("*Answers that were wrong*"), *shown, context(hint)]


def _state(view: AlertView) -> list[Block]:
    alert = view.row
    lines: list[Block] = []
    if alert.snoozed_until is not None and alert.snoozed_until > now() and alert.state is AlertState.OPEN:
        lines.append(context(f":zzz: Snoozed until {when(alert.snoozed_until)} {_by(view)}"))
    if alert.state is not AlertState.OPEN:
        at = alert.resolved_at or now()
        by = f" by {code(alert.resolved_by)}" if alert.resolved_by else ""
        why = f" · {code(alert.resolution)}" if alert.resolution else ""
        lines.append(context(f":white_check_mark: {alert.state.value.capitalize()}{by} {when(at)}{why}"))
    return lines + (cycle_lines(view.cycle) if view.cycle is not None else [])


def _by(view: AlertView) -> str:
    return f"by {code(view.newest.actor)}" if view.newest is not None else ""


def _buttons(view: AlertView) -> list[Block]:
    alert, cycle = view.row, view.cycle
    if alert.state is not AlertState.OPEN:
        return []
    if cycle is not None and cycle.retrain is not None and cycle.retrain.decision is None:
        return retrain_buttons(cycle)
    under_way = cycle is not None and cycle.state.value not in ("rejected", "failed", "rolled_back", "deployed")
    diagnosed = cycle is not None and cycle.diagnosis is not None and cycle.state is CycleState.REJECTED
    return [] if under_way else alert_buttons(alert, retrain=not diagnosed)


def alert_buttons(alert: Alert, *, retrain: bool = True) -> list[Block]:
    """What can be done about an open alert that no cycle mends; no same `retrain` once a diagnosis names others."""
    ref = Ref(alert=alert.id)
    return buttons(
        button("Approve retrain", Act.APPROVE_RETRAIN, ref, style="primary")
        if retrain and ALERT_KINDS[alert.kind].mended_by_training
        else None,
        button("Label first", Act.LABEL_FIRST, Ref(alert=alert.id, model=alert.model_id)),
        menu("Snooze", Act.SNOOZE, [(text, f"{days}:{alert.id}") for days, text in SNOOZES]),
        button("Not a problem", Act.NO_PROBLEM, ref),
    )


def snooze_of(value: str) -> tuple[int, str]:
    """Days and alert of a chosen snooze."""
    days, _, alert = value.partition(":")
    return int(days), alert


def until(days: int, moment: datetime) -> str:
    return f"{days} {'day' if days == 1 else 'days'} from {moment:%Y-%m-%d %H:%M} UTC"
