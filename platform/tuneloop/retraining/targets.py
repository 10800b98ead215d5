"""Which categories a retrain is for."""

from sqlmodel import Session, select

from tuneloop.datasets.service import snapshot_examples
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import definition_of
from tuneloop.tables import AdapterVersion, Alert, AlertEvent, RetrainingCycle, Snapshot


def target_categories(session: TenantSession, cycle: RetrainingCycle) -> set[str]:
    """What the retrain is for: categories its parent was not trained on, and those that the alert names as fallen.

    Of a parent that was trained elsewhere its labels say what it knows; where it has none, nothing is new: what is
    asked is whether anything is lost. A version that was itself trained elsewhere is for nothing in particular.
    """
    new: set[str] = set()
    if cycle.training_snapshot_id is not None:
        after = snapshot_examples(session, session.get_one(Snapshot, cycle.training_snapshot_id))
        parent = session.get_one(AdapterVersion, cycle.parent_version_id)
        known = _known(session, parent)
        new = set() if known is None else {example.category for example in after} - known
    alert = session.get(Alert, cycle.alert_id) if cycle.alert_id else None
    return new | (fallen_of(session, alert) if alert else set())


def _known(session: TenantSession, version: AdapterVersion) -> set[str] | None:
    """Categories that it was trained on; None where nobody can tell."""
    if version.snapshot_id is None:
        return set(definition_of(version).contract.labels) or None
    before = snapshot_examples(session, session.get_one(Snapshot, version.snapshot_id))
    return {example.category for example in before}


def fallen_of(session: Session, alert: Alert) -> set[str]:
    """Categories that a retrain should mend: those of the opening, and those that were found later."""
    found = [alert.evidence, *session.exec(select(AlertEvent.evidence).where(AlertEvent.alert_id == alert.id))]
    return {name for evidence in found for name in evidence.get("fallen", ())}
