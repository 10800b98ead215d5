"""What happened to a cycle, who did it and when: from the audit log."""

from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from tuneloop.audit.service import events
from tuneloop.tables import ActorKind, AuditEvent, RetrainingCycle

_TITLES = {
    "cycle.proposed": "Proposed",
    "cycle.import": "Adapter brought in",
    "cycle.approved": "Approved for training",
    "cycle.training": "Training started",
    "cycle.evaluating": "Evaluation started",
    "cycle.compared": "Compared with production",
    "cycle.awaiting_promotion": "Asked for promotion",
    "cycle.deployed": "Deployed",
    "cycle.rejected": "Rejected",
    "cycle.failed": "Failed",
    "cycle.rolled_back": "Rolled back",
    "cycle.cancel": "Asked to stop",
    "cycle.next_step": "Asked for a next step",
    "ab_test.start": "A/B test started",
    "ab_test.running": "A/B test began to split the traffic",
    "ab_test.promoted": "A/B test ended by the promotion",
    "ab_test.kept": "A/B test ended by the rejection",
    "ab_test.stopped": "A/B test stopped",
    "ab_test.expired": "A/B test over",
    "shadow_test.start": "Shadow test started",
    "shadow_test.running": "Shadow test began to ask the candidate",
    "shadow_test.over": "Shadow test over",
    "shadow_test.stopped": "Shadow test stopped",
    "gate.override": "Gate overridden",
    "approval.vote": "Approved, waits for others",
    "approval.approved": "Said yes",
    "approval.rejected": "Said no",
}
_BAD = {"cycle.failed", "cycle.rejected", "cycle.rolled_back", "gate.override", "approval.rejected", "cycle.cancel"}
_SHOWN = ("note", "reason", "number")


class TimelineStep(NamedTuple):
    at: datetime
    title: str
    by: str
    note: str
    bad: bool


def timeline(session: Session, cycle: RetrainingCycle) -> list[TimelineStep]:
    """Oldest first."""
    found = events(session, subject_kind="cycle", subject_id=str(cycle.id), limit=500)
    return [_step(event) for event in reversed(found)]


def _step(event: AuditEvent) -> TimelineStep:
    kind = f" ({event.detail['kind']})" if event.action.startswith("approval.") and "kind" in event.detail else ""
    kind = f" (attempt {event.detail['attempt']})" if event.detail.get("attempt", 1) != 1 else kind
    return TimelineStep(
        at=event.at,
        title=_TITLES.get(event.action, event.action.replace(".", " ").replace("_", " ").capitalize()) + kind,
        by="by itself" if event.actor_kind is ActorKind.SYSTEM else f"{event.actor_name}, from {event.origin}",
        note=" ".join(str(event.detail[key]) for key in _SHOWN if event.detail.get(key)),
        bad=event.action in _BAD,
    )
