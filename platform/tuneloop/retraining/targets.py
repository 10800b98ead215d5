"""Which categories a retrain is for."""

from sqlmodel import Session, select

from tuneloop.datasets.service import snapshot_examples
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import AdapterVersion, Alert, AlertEvent, RetrainingCycle, Snapshot


def target_categories(session: TenantSession, cycle: RetrainingCycle) -> set[str]:
    """What the retrain is for: categories its parent was not trained on, and those that the alert names as fallen."""
    parent = session.get_one(AdapterVersion, cycle.parent_version_id)
    before = snapshot_examples(session, session.get_one(Snapshot, parent.snapshot_id))
    after = snapshot_examples(session, session.get_one(Snapshot, cycle.training_snapshot_id))
    new = {example.category for example in after} - {example.category for example in before}
    alert = session.get(Alert, cycle.alert_id) if cycle.alert_id else None
    return new | (fallen_of(session, alert) if alert else set())


def fallen_of(session: Session, alert: Alert) -> set[str]:
    """Categories that a retrain should mend: those of the opening, and those that were found later."""
    found = [alert.evidence, *session.exec(select(AlertEvent.evidence).where(AlertEvent.alert_id == alert.id))]
    return {name for evidence in found for name in evidence.get("fallen", ())}
