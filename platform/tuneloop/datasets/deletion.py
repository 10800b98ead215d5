"""Taking an example's text away, and saying which versions learned from it."""

from collections.abc import Collection
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.datasets.service import find_example
from tuneloop.kit.clock import now
from tuneloop.kit.principal import Principal
from tuneloop.tables import AdapterVersion, RegisteredModel, Role, SnapshotItem


def delete_example(
    session: Session, *, principal: Principal, model: RegisteredModel, example_id: UUID
) -> list[AdapterVersion]:
    """Take the text away, leave a tombstone; returns the versions that learned from it, heirs included."""
    principal.require(Role.OPERATOR)
    example = find_example(session, model, example_id)
    example.messages, example.expected, example.minhash, example.deleted_at = [], "", b"", now()
    session.add(example)
    versions = versions_that_saw(session, model, example_id)
    numbers = [version.number for version in versions]
    record(
        session, principal, "example.delete", "example", example_id, client_id=model.client_id, seen_by_versions=numbers
    )
    session.flush()
    return versions


def versions_that_saw(session: Session, model: RegisteredModel, example_id: UUID) -> list[AdapterVersion]:
    """Versions trained on a snapshot with the example, and those that continue one of them; oldest first."""
    return versions_that_saw_any(session, model, [example_id])


def versions_that_saw_any(session: Session, model: RegisteredModel, examples: Collection[UUID]) -> list[AdapterVersion]:
    """As `versions_that_saw`, of several examples."""
    trained = select(SnapshotItem.snapshot_id).where(col(SnapshotItem.example_id).in_(examples)).distinct()
    snapshots = set(session.exec(trained))
    query = select(AdapterVersion).where(AdapterVersion.model_id == model.id)
    saw: dict[UUID | None, AdapterVersion] = {}
    for version in session.exec(query.order_by(col(AdapterVersion.created_at), col(AdapterVersion.id))):
        if version.snapshot_id in snapshots or version.parent_id in saw:
            saw[version.id] = version
    return list(saw.values())
