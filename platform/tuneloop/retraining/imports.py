"""An adapter that was trained elsewhere goes the way of every candidate: built, proven, judged, asked about."""

from typing import Any

from sqlmodel import Session

from tuneloop.audit.service import record
from tuneloop.datasets.service import take_snapshot
from tuneloop.kit.principal import Principal
from tuneloop.registry.adapters.upload import AdapterUpload
from tuneloop.registry.service import aliases
from tuneloop.retraining.jobs import ImportAdapter
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import refuse_second_cycle, start_step
from tuneloop.tables import Alias, CycleState, Pool, RegisteredModel, RetrainingCycle, Role, Trigger


def import_adapter(
    session: Session, *, principal: Principal, model: RegisteredModel, upload: AdapterUpload
) -> RetrainingCycle:
    """Begin the cycle that builds the version, evaluates it on the golden set and asks whether it may serve.

    Nothing is trained, so there is no plan to approve.

    Raises:
        InvalidInput: the golden set is empty. Conflict: another cycle of the model is under way.
    """
    principal.require(Role.OPERATOR)
    refuse_second_cycle(session, model)
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    cycle = RetrainingCycle(
        client_id=model.client_id,
        model_id=model.id,
        state=CycleState.APPROVED,
        trigger=Trigger.IMPORT,
        parent_version_id=production.id if production else None,
        golden_snapshot_id=take_snapshot(session, model=model, pool=Pool.GOLDEN).id,
        recipe=Recipe(further_attempts=0).without_parent().model_dump(mode="json"),
    )
    session.add(cycle)
    session.flush()
    facts = upload.facts.model_dump(mode="json")
    record(session, principal, "cycle.import", "cycle", cycle.id, client_id=cycle.client_id, **facts)
    files: dict[str, Any] = upload.model_dump(include={"config_sha256", "weights_sha256"})
    start_step(session, cycle, ImportAdapter, **files)
    return cycle
