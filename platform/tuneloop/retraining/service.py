"""Propose, approve, promote, reject: what people do with a cycle."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

import orjson
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.entitlements import CYCLE
from tuneloop.clients.entitlements import require as require_included
from tuneloop.datasets.service import refuse_too_long, take_snapshot
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.jobs import cancel as cancel_job
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.principal import Principal
from tuneloop.registry.contract import Contract
from tuneloop.registry.service import aliases, contract_of, is_external, lock_model, policy_of
from tuneloop.retraining.approvals import ask, decide, questions
from tuneloop.retraining.attempts import comparison_of
from tuneloop.retraining.diagnosis.service import close_attempt
from tuneloop.retraining.failed_before import failures_of, refuse
from tuneloop.retraining.jobs import CycleStep, DeployCandidate, FailCycle, TrainCandidate
from tuneloop.retraining.recipe import FURTHER_COMPUTE, Method, Recipe
from tuneloop.retraining.states import ENDED, advance
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import (
    AbTest,
    Alert,
    Alias,
    Approval,
    ApprovalKind,
    AttemptEnd,
    Comparison,
    CycleState,
    Decision,
    Feature,
    Pool,
    RegisteredModel,
    RetrainingCycle,
    Role,
    ShadowTest,
    Trigger,
)

SHORTEST_PATIENCE = timedelta(hours=1)
"""An approved promotion waits this long for the serving host even if the approval came in its last minute."""


def propose(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    recipe: Recipe,
    trigger: Trigger = Trigger.MANUAL,
    alert_id: UUID | None = None,
    again: bool = False,
) -> RetrainingCycle:
    """Freeze data and recipe, and ask for approval of exactly these.

    With `again` also what has failed already, by a seed that was not used: the same one gives the same weights.

    Raises:
        InvalidInput: no golden set, no training data, or an example longer than the base reads.
        FailedBefore: the same plan has failed, and `again` does not insist.
        Conflict: another cycle of the model is under way.
        NotIncluded, Suspended: the client's plan has no retrain left, or its subscription is suspended.
    """
    principal.require(Role.OPERATOR)
    refuse_second_cycle(session, model)
    if alert_id is not None:
        alert = session.get(Alert, alert_id)
        if alert is None or alert.model_id != model.id:
            raise NotFound("alert", alert_id)
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    if production is None:
        trigger = Trigger.INITIAL
    if production is None or is_external(production) or Method.CONTINUE not in recipe.methods:
        recipe = recipe.without_parent()
    golden = take_snapshot(session, model=model, pool=Pool.GOLDEN)
    training = take_snapshot(session, model=model, pool=Pool.TRAINING)
    refuse_too_long(session, model=model, snapshots=(golden, training))
    failed = failures_of(
        session,
        model_id=model.id,
        recipe=recipe,
        training_id=training.id,
        golden_id=golden.id,
        parent_id=production.id if production else None,
    )
    if failed is not None and not again:
        refuse(session, failed)
    if failed is not None and recipe.seed in failed.seeds:
        recipe = recipe.model_copy(update={"seed": max(failed.seeds) + 1})
    cycle = RetrainingCycle(
        client_id=model.client_id,
        model_id=model.id,
        trigger=trigger,
        alert_id=alert_id,
        parent_version_id=production.id if production else None,
        training_snapshot_id=training.id,
        golden_snapshot_id=golden.id,
        recipe=recipe.model_dump(mode="json"),
    )
    session.add(cycle)
    session.flush()
    if production is not None:
        require_included(session, client_id=model.client_id, feature=Feature.RETRAIN, subject=f"{CYCLE}{cycle.id}")
    plan = plan_digest(
        contract_of(model), recipe, training.digest, golden.digest, production.digest if production else None
    )
    ask(session, cycle, ApprovalKind.RETRAIN, digest=plan, valid_for=_validity(model), asked_by=principal)
    record(session, principal, "cycle.proposed", "cycle", cycle.id, client_id=cycle.client_id, plan=plan)
    return cycle


def refuse_second_cycle(session: Session, model: RegisteredModel) -> None:
    """Raises Conflict while a cycle of the model is under way; until the transaction ends nobody else begins one."""
    lock_model(session, model)
    live = session.exec(
        select(RetrainingCycle).where(RetrainingCycle.model_id == model.id, col(RetrainingCycle.state).not_in(ENDED))
    ).one_or_none()
    if live is not None:
        raise Conflict(f"cycle {live.id} of this model is {live.state}; finish or reject it first", cycle=str(live.id))


def plan_digest(contract: Contract, recipe: Recipe, training: str, golden: str, parent: str | None) -> str:
    """What an approval of a retrain approves: this data, this recipe, from this parent, judged on this golden set.

    The recipe says how many further attempts it covers; what they may cost beside the first is part of the plan too.
    """
    plan = {
        "contract": contract.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json"),
        "further_compute": FURTHER_COMPUTE,
        "training": training,
        "golden": golden,
        "parent": parent,
    }
    return sha256(orjson.dumps(plan, option=orjson.OPT_SORT_KEYS)).hexdigest()


def approve_retrain(
    session: Session, *, principal: Principal, cycle_id: UUID, digest: str, note: str | None = None
) -> RetrainingCycle:
    """Start the training once enough people have approved its plan; until then the cycle stays proposed."""
    cycle = lock_cycle(session, cycle_id)
    question = decide(
        session,
        principal=principal,
        cycle_id=cycle_id,
        kind=ApprovalKind.RETRAIN,
        digest=digest,
        decision=Decision.APPROVED,
        note=note,
    )
    if question.decision is None:
        return cycle
    advance(session, cycle, CycleState.APPROVED, principal=principal, plan=digest)
    start_step(session, cycle, TrainCandidate)
    return cycle


def approve_promotion(
    session: Session, *, principal: Principal, cycle_id: UUID, digest: str, note: str | None = None
) -> RetrainingCycle:
    """Allow the candidate into production. Against the gate's advice it takes an admin and a reason.

    Raises:
        NotAllowed, InvalidInput: an override without the role, or without a reason.
        Conflict: already decided, expired, about another digest, or judged against what is no longer production.
    """
    cycle = lock_cycle(session, cycle_id)
    verdict = comparison_of(session, cycle_id)
    outcome = verdict.outcome if verdict is not None else Outcome.PROMOTE
    override = outcome != Outcome.PROMOTE
    if override:
        principal.require(Role.ADMIN)
        if not (note or "").strip():
            raise InvalidInput("the gate did not say promote; give a reason to override it", outcome=outcome)
    question = decide(
        session,
        principal=principal,
        cycle_id=cycle_id,
        kind=ApprovalKind.PROMOTION,
        digest=digest,
        decision=Decision.APPROVED,
        note=note,
    )
    if verdict is not None:
        refuse_outdated(session, cycle, verdict)
    if override:
        record(
            session, principal, "gate.override", "cycle", cycle_id, client_id=cycle.client_id, digest=digest, note=note
        )
    if question.decision is not None:
        start_step(session, cycle, DeployCandidate, until=max(question.expires_at, now() + SHORTEST_PATIENCE))
    return cycle


def refuse_outdated(session: Session, cycle: RetrainingCycle, verdict: Comparison) -> None:
    """Raises Conflict when the candidate was judged against what is no longer production."""
    production = aliases(session, cycle.model_id).get(Alias.PRODUCTION)
    if production is None or production.digest != verdict.production_digest:
        raise Conflict(
            "production has changed since the candidate was compared with it; reject it and propose the cycle again",
            compared=verdict.production_digest,
            production=production.digest if production else None,
        )


def reject(
    session: Session, *, principal: Principal, cycle_id: UUID, digest: str, note: str | None = None
) -> RetrainingCycle:
    """Turn down the retrain or the promotion, whichever is being asked."""
    cycle = lock_cycle(session, cycle_id)
    asked = {question.kind for question in questions(session, cycle_id)}
    kind = ApprovalKind.PROMOTION if ApprovalKind.PROMOTION in asked else ApprovalKind.RETRAIN
    decide(
        session,
        principal=principal,
        cycle_id=cycle_id,
        kind=kind,
        digest=digest,
        decision=Decision.REJECTED,
        note=note,
    )
    if kind is ApprovalKind.PROMOTION:
        close_attempt(session, cycle, AttemptEnd.REJECTED)
    advance(session, cycle, CycleState.REJECTED, principal=principal, note=note)
    return cycle


def cancel(session: Session, *, principal: Principal, cycle_id: UUID) -> RetrainingCycle:
    """Stop the step that runs; the cycle ends as failed once the step has stopped."""
    principal.require(Role.OPERATOR)
    cycle = lock_cycle(session, cycle_id)
    if cycle.job_id is None or cycle.state in ENDED:
        raise Conflict(f"the cycle is {cycle.state}; nothing runs", cycle=str(cycle_id))
    follow_up = cancel_job(session, cycle.job_id)
    record(session, principal, "cycle.cancel", "cycle", cycle_id, client_id=cycle.client_id)
    if isinstance(follow_up, FailCycle):
        fail_cycle(session, cycle_id=cycle_id, attempt=follow_up.attempt, reason=follow_up.reason)
    return cycle


def start_step(
    session: Session, cycle: RetrainingCycle, step: type[CycleStep], *, until: datetime | None = None, **fields: Any
) -> None:
    """`until` is how long the step is tried again while something that it needs is away; `fields` are its own."""
    cycle.job_id = enqueue(
        session,
        step(cycle_id=cycle.id, attempt=cycle.attempt, **fields),
        agency_id=cycle.agency_id,
        client_id=cycle.client_id,
        dedupe_key=f"{step.name}:{cycle.id}:{cycle.attempt}",
        until=until,
    )
    session.add(cycle)


def fail_cycle(session: Session, *, cycle_id: UUID, attempt: int, reason: str) -> None:
    """Close a cycle whose step has failed; harmless when it has ended otherwise, waits for an answer or went on."""
    cycle = lock_cycle(session, cycle_id)
    waits = any(question.decision is None for question in questions(session, cycle_id))
    if cycle.state in ENDED or waits or cycle.attempt != attempt:
        return
    cycle.failure = reason
    close_attempt(session, cycle, AttemptEnd.FAILED, failure=reason)
    advance(
        session,
        cycle,
        CycleState.FAILED,
        principal=Principal.system(cycle.agency_id, "worker"),
        reason=reason,
    )


def at_step(session: Session, step: CycleStep, *states: CycleState) -> RetrainingCycle | None:
    """The locked cycle, if the step is the one that it waits for."""
    cycle = lock_cycle(session, step.cycle_id)
    return cycle if cycle.state in states and cycle.attempt == step.attempt else None


def find_cycle(session: Session, cycle_id: UUID) -> RetrainingCycle:
    """Raises NotFound; `lock_cycle` is for whoever changes it."""
    cycle = session.get(RetrainingCycle, cycle_id)
    if cycle is None:
        raise NotFound("cycle", cycle_id)
    return cycle


def lock_cycle(session: Session, cycle_id: UUID) -> RetrainingCycle:
    query = select(RetrainingCycle).where(RetrainingCycle.id == cycle_id).with_for_update(key_share=True)
    cycle = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if cycle is None:
        raise NotFound("cycle", cycle_id)
    return cycle


Test = TypeVar("Test", AbTest, ShadowTest)


def lock_test(session: Session, table: type[Test], test_id: UUID, *, kind: str) -> tuple[RetrainingCycle, Test]:
    """A test of a cycle's candidate; the cycle first: everything that ends one takes the locks in this order.

    Raises:
        NotFound: no such test; `kind` is what people call it.
    """
    found = session.get(table, test_id)
    if found is None:
        raise NotFound(kind, test_id)
    cycle = lock_cycle(session, found.cycle_id)
    query = select(table).where(table.id == test_id).with_for_update()
    return cycle, session.exec(query.execution_options(populate_existing=True)).one()


def has_newer(session: Session, cycle: RetrainingCycle) -> bool:
    """Whether the cycle's model has gone on to another one since."""
    query = select(RetrainingCycle.id).where(
        RetrainingCycle.model_id == cycle.model_id, RetrainingCycle.created_at > cycle.created_at
    )
    return session.exec(query.limit(1)).first() is not None


def cycles_of(session: Session, model: RegisteredModel | None = None, *, limit: int = 50) -> list[RetrainingCycle]:
    """Newest first."""
    query = select(RetrainingCycle).order_by(col(RetrainingCycle.created_at).desc()).limit(limit)
    if model is not None:
        query = query.where(RetrainingCycle.model_id == model.id)
    return list(session.exec(query))


def ask_promotion(session: Session, cycle: RetrainingCycle, model: RegisteredModel, *, digest: str) -> Approval:
    return ask(session, cycle, ApprovalKind.PROMOTION, digest=digest, valid_for=_validity(model))


def _validity(model: RegisteredModel) -> timedelta:
    return timedelta(hours=policy_of(model).approval_hours)
