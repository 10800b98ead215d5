"""A retraining cycle: what happened, what is being asked, and both versions side by side."""

from typing import Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from tuneloop.ab_tests.offers import ab_offer
from tuneloop.ab_tests.service import tests_of
from tuneloop.charts.data import Loss
from tuneloop.charts.training import loss
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.jobs import JobRow
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import aliases, contract_of
from tuneloop.retraining.approvals import latest_question, missing
from tuneloop.retraining.attempts import comparison_of
from tuneloop.retraining.diagnosis.reading import read_attempts
from tuneloop.retraining.effort import Effort, effort_of
from tuneloop.retraining.reading import read_cycle
from tuneloop.retraining.recipe import further_in_words
from tuneloop.retraining.schemas import CycleRead
from tuneloop.retraining.service import approve_promotion, approve_retrain, cancel, find_cycle, has_newer, reject
from tuneloop.retraining.states import ENDED
from tuneloop.retraining.verdicts import gate_state
from tuneloop.review.next_steps import take_step
from tuneloop.shadow_tests.service import may_start as may_start_shadow
from tuneloop.shadow_tests.service import shadows_of
from tuneloop.tables import ApprovalKind, Client, RegisteredModel, RetrainingCycle, Role, Snapshot
from tuneloop.web.console.ab_tests import shown_test
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.gate import settled_disagreements
from tuneloop.web.console.render import page
from tuneloop.web.console.shadow_tests import shown_shadow
from tuneloop.web.console.side_by_side import compared_versions, side_by_side
from tuneloop.web.console.timeline import timeline


class CyclePage(Controller):
    path = "/cycles/{cycle_id:uuid}"
    include_in_schema = False

    @get(role=Role.VIEWER, sync_to_thread=True)
    def show(
        self, request: HttpRequest, session: NamedDependency[TenantSession], cycle_id: FromPath[UUID]
    ) -> Response[str]:
        cycle = find_cycle(session, cycle_id)
        model = session.get_one(RegisteredModel, cycle.model_id)
        read = read_cycle(session, cycle)
        production, candidate = compared_versions(session, cycle)
        job = session.get(JobRow, cycle.job_id) if cycle.job_id else None
        attempts = read_attempts(session, cycle)
        return page(
            request,
            "cycle.html",
            cycle=cycle,
            ended=cycle.state in ENDED,
            model=model,
            client=session.get_one(Client, model.client_id),
            contract=contract_of(model),
            parent=production,
            candidate=candidate,
            training=session.get(Snapshot, cycle.training_snapshot_id) if cycle.training_snapshot_id else None,
            golden=session.get(Snapshot, cycle.golden_snapshot_id) if cycle.golden_snapshot_id else None,
            job=job,
            read=read,
            effort=_effort(session, request, cycle, read),
            question=read.open_question,
            attempts=attempts,
            diagnosis=next((each.diagnosis for each in reversed(attempts) if each.diagnosis), None),
            doing=attempts[-1].step if attempts and attempts[-1].ended is None else None,
            may_propose=cycle.state in ENDED and not has_newer(session, cycle),
            further=further_in_words(read.recipe.further_attempts),
            losses=_losses(job),
            gate=gate_state(session, cycle),
            steps=timeline(session, cycle),
            ab_tests=[shown_test(session, test) for test in tests_of(session, cycle.id)],
            ab_offer=ab_offer(session, cycle),
            shadow_tests=[shown_shadow(session, test) for test in shadows_of(session, cycle.id)],
            may_shadow=may_start_shadow(session, cycle),
        )

    @get("/compare", role=Role.VIEWER, sync_to_thread=True)
    def compare(
        self, request: HttpRequest, session: NamedDependency[TenantSession], cycle_id: FromPath[UUID]
    ) -> Response[str]:
        cycle = find_cycle(session, cycle_id)
        model = session.get_one(RegisteredModel, cycle.model_id)
        comparison = comparison_of(session, cycle.id)
        production, candidate = compared_versions(session, cycle)
        return page(
            request,
            "compare.html",
            cycle=cycle,
            model=model,
            client=session.get_one(Client, model.client_id),
            contract=contract_of(model),
            comparison=comparison,
            shown=side_by_side(session, comparison) if comparison else None,
            gate=gate_state(session, cycle),
            settled=settled_disagreements(session, cycle),
            serving=aliases(session, model.id),
            production=production,
            candidate=candidate,
        )

    @post("/approve", role=Role.OPERATOR, sync_to_thread=True)
    def approve(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        cycle_id: FromPath[UUID],
    ) -> Redirect:
        find_cycle(session, cycle_id)
        approve_retrain(
            session,
            principal=principal,
            cycle_id=cycle_id,
            digest=required(form, "digest", "what you approve"),
            note=optional(form, "note") or None,
        )
        return _done(session, cycle_id, ApprovalKind.RETRAIN, "Approved. Training starts as soon as a worker is free.")

    @post("/promote", role=Role.OPERATOR, sync_to_thread=True)
    def promote(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        cycle_id: FromPath[UUID],
    ) -> Redirect:
        find_cycle(session, cycle_id)
        approve_promotion(
            session,
            principal=principal,
            cycle_id=cycle_id,
            digest=required(form, "digest", "what you promote"),
            note=optional(form, "note") or None,
        )
        return _done(session, cycle_id, ApprovalKind.PROMOTION, "Promoted. The new version takes over in a moment.")

    @post("/reject", role=Role.OPERATOR, sync_to_thread=True)
    def reject_cycle(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        cycle_id: FromPath[UUID],
    ) -> Redirect:
        find_cycle(session, cycle_id)
        reject(
            session,
            principal=principal,
            cycle_id=cycle_id,
            digest=required(form, "digest", "what you reject"),
            note=optional(form, "note") or None,
        )
        return back_to(f"/cycles/{cycle_id}", "Rejected. Production stays as it is.")

    @post("/steps", role=Role.OPERATOR, sync_to_thread=True)
    def take_next_step(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        cycle_id: FromPath[UUID],
    ) -> Redirect:
        key = required(form, "step", "the step")
        taken = take_step(session, principal=principal, cycle_id=cycle_id, key=key)
        return back_to(f"/cycles/{taken.cycle.id if taken.cycle else cycle_id}", taken.words)

    @post("/cancel", role=Role.OPERATOR, sync_to_thread=True)
    def cancel_cycle(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        cycle_id: FromPath[UUID],
    ) -> Redirect:
        cancel(session, principal=principal, cycle_id=cycle_id)
        return back_to(f"/cycles/{cycle_id}", "It stops at its next heartbeat.")


def _effort(session: TenantSession, request: HttpRequest, cycle: RetrainingCycle, read: CycleRead) -> Effort | None:
    """What is being approved will take so long."""
    question, settings = read.open_question, settings_of(request)
    if question is None or question.kind is not ApprovalKind.RETRAIN:
        return None
    model = session.get_one(RegisteredModel, cycle.model_id)
    training = session.get_one(Snapshot, cycle.training_snapshot_id)
    hourly, currency = settings.compute_hourly, settings.currency
    return effort_of(session, model, examples=training.size, hourly=hourly, currency=currency)


def _losses(job: JobRow | None) -> dict[str, Any] | None:
    """The chart of a training that runs; a page that follows it adds points."""
    if job is None or not job.progress.get("steps") or "loss" not in job.progress:
        return None
    return loss([Loss(step, value, "training") for step, value in job.progress.get("losses", [])])


def _done(session: TenantSession, cycle_id: UUID, kind: ApprovalKind, words: str) -> Redirect:
    """The last approval decides; one before it waits for the others."""
    asked = latest_question(session, cycle_id, kind)
    if asked is not None and asked.decision is None:
        left = missing(session, asked)
        words = f"Your approval counts. {left} more {'person has' if left == 1 else 'people have'} to approve."
    return back_to(f"/cycles/{cycle_id}", words)
