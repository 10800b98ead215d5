"""Cycles of the demo: the first version, the retrain after the alert, and its gate, attempt by attempt."""

from collections.abc import Callable
from typing import Any

from tuneloop.kit import figures
from tuneloop_local.demo.human import DEPLOY
from tuneloop_local.demo.office import Office

LABELS_AT_ONCE = 5


def train_first(office: Office) -> dict[str, Any]:
    """The first version, promoted; returns its evaluation on the golden set."""
    office.wait_for_checks()
    cycle = office.approve(office.operator.post(f"{office.path}/cycles", {}), activity=DEPLOY)
    office.promote(cycle, activity=DEPLOY)
    run: dict[str, Any] = office.operator.get(f"{office.path}/evals")[0]
    office.show.say(f"{cycle['candidate']} on the golden set: {figures.rate(run['overall'])}")
    return run


def retrain(office: Office, alert: dict[str, Any], meanwhile: Callable[[], None]) -> dict[str, Any]:
    """Propose, let `meanwhile` pass, approve, and follow to the first question or the end."""
    office.wait_for_checks()
    cycle = office.operator.post(f"{office.path}/cycles", {"alert_id": alert["id"]})
    office.show.say(f"proposed from {cycle['parent']}; approving plan {cycle['questions'][0]['subject_digest'][:12]}")
    meanwhile()
    return office.approve(cycle, activity=DEPLOY)


def judge(office: Office, cycle: dict[str, Any]) -> dict[str, Any]:
    """Label answers that differ, without knowing whose they are, until the gate has decided about the last attempt."""
    path, told = f"/api/v1/cycles/{cycle['id']}", 0
    while True:
        told = _tell_attempts(office, path, told)
        if cycle["state"] != "awaiting_promotion":
            break
        gate = office.operator.get(f"{path}/gate")
        while gate["outcome"] == "need_more_labels" and gate["open"]:
            office.people.answer_some(LABELS_AT_ONCE)
            gate = office.operator.until(f"{path}/gate", _has_looked)
        _tell_gate(office, gate)
        before = cycle["attempt"]
        cycle = office.follow(cycle)
        if (cycle["attempt"], cycle["state"]) == (before, "awaiting_promotion"):
            _tell_attempts(office, path, told)
            break
    office.ledger.once(office.people.take_work())
    return cycle


def promotable(cycle: dict[str, Any]) -> bool:
    """Whether the gate says promote, and the question waits."""
    comparison = cycle["comparison"] or {}
    return cycle["state"] == "awaiting_promotion" and comparison.get("outcome") == "promote"


def _tell_gate(office: Office, gate: dict[str, Any]) -> None:
    if gate["queries"]:
        office.show.say(
            f"{gate['queries']} production queries answered by both versions, {gate['disagreements']} differently; "
            f"decided after {gate['labels_used']} labels and {len(gate['looks'])} looks"
        )
    else:
        office.show.say("too few fresh queries for a test on traffic: the golden set judges alone")


def _tell_attempts(office: Office, path: str, told: int) -> int:
    """Why each candidate was turned down, and what is next; returns how many have been told."""
    ended = [each for each in office.operator.get(f"{path}/attempts") if each["diagnosis"]]
    for attempt in ended[told:]:
        office.show.diagnosis(attempt)
    return len(ended)


def _has_looked(gate: dict[str, Any]) -> bool:
    """Whether the gate has taken in the labels that it looks at together."""
    unseen: int = gate["labels"] - gate["labels_used"]
    return bool(gate["outcome"] != "need_more_labels" or unseen == 0 or (unseen < LABELS_AT_ONCE and gate["open"] > 0))
