"""Move the production alias: promote, roll back, roll forward. The files are immutable, so each is one row."""

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.monitoring.service import start_monitor
from tuneloop.registry.service import aliases, lock_model, point
from tuneloop.retraining.live_test import end_live_test, live_test
from tuneloop.retraining.states import advance
from tuneloop.tables import AbState, AdapterVersion, Alias, CycleState, RegisteredModel, RetrainingCycle, Role


def deploy(session: Session, *, principal: Principal, model: RegisteredModel, version: AdapterVersion) -> None:
    """Make a version production; the one before it becomes `previous`.

    Raises:
        Conflict: the version is in production already.
    """
    lock_model(session, model)
    current = aliases(session, model.id)
    production = current.get(Alias.PRODUCTION)
    if production is not None and production.id == version.id:
        raise Conflict(f"v{version.number} is in production already", digest=version.digest)
    point(session, model, Alias.PRODUCTION, version.id)
    if production is not None:
        point(session, model, Alias.PREVIOUS, production.id)
    candidate = current.get(Alias.CANDIDATE)
    if candidate is not None and candidate.id == version.id:
        point(session, model, Alias.CANDIDATE, None)
    start_monitor(session, version)
    _end_test(session, principal, model, version)
    record(
        session,
        principal,
        "version.deploy",
        "model",
        model.id,
        client_id=model.client_id,
        digest=version.digest,
        number=version.number,
        before=production.digest if production else None,
    )


def roll_back(session: Session, *, principal: Principal, model: RegisteredModel, digest: str) -> AdapterVersion:
    """Swap production and previous. Doing it again rolls forward.

    Raises:
        InvalidInput: there is no previous version.
        Conflict: `digest` is not that of the previous version; a second click comes too late and changes nothing.
    """
    principal.require(Role.OPERATOR)
    lock_model(session, model)
    now_serving = aliases(session, model.id)
    production, previous = now_serving.get(Alias.PRODUCTION), now_serving.get(Alias.PREVIOUS)
    if production is None or previous is None:
        raise InvalidInput("there is no previous version to go back to")
    if previous.digest != digest:
        raise Conflict(
            f"the version to go back to is v{previous.number}, not the one named; look at the model again",
            previous=previous.digest,
            named=digest,
        )
    deploy(session, principal=principal, model=model, version=previous)
    if not _mark(session, principal, previous, CycleState.ROLLED_BACK, CycleState.DEPLOYED):
        _mark(session, principal, production, CycleState.DEPLOYED, CycleState.ROLLED_BACK)
    return previous


def _end_test(session: Session, principal: Principal, model: RegisteredModel, version: AdapterVersion) -> None:
    test = live_test(session, model.id)
    promoted = test is not None and test.candidate_version_id == version.id
    end_live_test(
        session,
        model_id=model.id,
        principal=principal,
        state=AbState.PROMOTED if promoted else AbState.STOPPED,
        reason=f"v{version.number} went into production",
    )


def _mark(
    session: Session, principal: Principal, version: AdapterVersion, before: CycleState, after: CycleState
) -> bool:
    query = select(RetrainingCycle).where(
        RetrainingCycle.candidate_version_id == version.id, col(RetrainingCycle.state) == before
    )
    cycle = session.exec(query.with_for_update(key_share=True)).one_or_none()
    if cycle is not None:
        advance(session, cycle, after, principal=principal, digest=version.digest)
    return cycle is not None
