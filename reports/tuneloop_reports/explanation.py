"""One sentence for whoever reads nothing else: what the accuracy suffers from, and what is being done about it."""

from tuneloop.retraining.events import AT_WORK
from tuneloop.tables import AlertKind, AlertState, CycleState
from tuneloop_reports.content import AlertEntry, CategoryKind, EventKind, LightRule, ModelReport, Retrain
from tuneloop_reports.gather.traffic_light import ABOUT_A_SERVICE
from tuneloop_reports.i18n import Translator
from tuneloop_reports.sections import category_title

MOST_NAMES = 3
OTHER_CAUSES = frozenset({AlertKind.TRAFFIC, AlertKind.REPORTS, AlertKind.CANARY})


def explanation(say: Translator, model: ModelReport) -> str:
    """Empty where nothing fell: there is no cause to name."""
    cause = _cause(say, model)
    return say("cause.sentence", cause=cause, action=_action(say, model)) if cause else ""


def _cause(say: Translator, model: ModelReport) -> str:
    alert = next((each for each in reversed(model.alerts) if _is_about_answers(each)), None)
    if alert is None:
        return _unnoticed(say, model)
    date = say.day(alert.opened_at)
    if alert.kind in OTHER_CAUSES:
        return say(f"cause.{alert.kind}", date=date)
    if fallen := [each.name for each in alert.falls if each.name] or list(alert.named) or _fallen(model):
        return say("cause.fallen", date=date, names=_names(say, fallen))
    if new := [each.name for each in model.categories if each.kind is CategoryKind.NEW]:
        return say("cause.new", date=date, names=_names(say, new))
    return say("cause.spread", date=date)


def _is_about_answers(alert: AlertEntry) -> bool:
    """What was looked at and found to be nothing is not a cause."""
    return alert.kind not in ABOUT_A_SERVICE and alert.state is not AlertState.DISMISSED


def _unnoticed(say: Translator, model: ModelReport) -> str:
    """A fall that no alert was raised about."""
    fell = model.change is not None and model.change.clear and model.change.value < 0
    if not fell and model.rule is not LightRule.BELOW_BASELINE:
        return ""
    fallen = _fallen(model)
    return say("cause.unnoticed_in", names=_names(say, fallen)) if fallen else say("cause.unnoticed")


def _fallen(model: ModelReport) -> list[str]:
    """Categories that are clearly below what they were released with."""
    return [each.name for each in model.categories if each.change and each.change.clear and each.change.value < 0]


def _names(say: Translator, names: list[str]) -> str:
    return say.list([category_title(each) for each in names[:MOST_NAMES]])


def _action(say: Translator, model: ModelReport) -> str:
    last = model.retrains[-1] if model.retrains else None
    if last is not None and (done := _of_retrain(say, model, last)):
        return done
    planned = next((task for task in model.tasks if task.task == "retrain"), None)
    return say("action.planned", date=say.day(planned.next_at)) if planned else say("action.collecting")


def _of_retrain(say: Translator, model: ModelReport, retrain: Retrain) -> str:
    """Empty where it led to nothing."""
    candidate = f"v{retrain.candidate}"
    if retrain.state is CycleState.DEPLOYED:
        days = [
            each.at for each in model.events if (each.kind, each.version) == (EventKind.DEPLOYED, retrain.candidate)
        ]
        return say("action.deployed", candidate=candidate, date=say.day(days[-1])) if days else ""
    if retrain.state in AT_WORK:
        return say("action.in_work")
    if retrain.state in (CycleState.PROPOSED, CycleState.AWAITING_PROMOTION, CycleState.ROLLED_BACK):
        return say(f"action.{retrain.state}", candidate=candidate)
    return ""
