"""What each button and form does: one service call, then a sentence for the person."""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.ab_tests.service import start, stop
from tuneloop.deployment.service import roll_back
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.monitoring.alerts import dismiss, find_alert, snooze
from tuneloop.predictions.completion_ids import prediction_id
from tuneloop.predictions.service import report_feedback
from tuneloop.registry.service import full_name, lock_model, model_of_id
from tuneloop.retraining.approvals import latest_question, missing, questions
from tuneloop.retraining.failed_before import FailedBefore
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import approve_promotion, approve_retrain, has_newer, lock_cycle, propose, reject
from tuneloop.retraining.states import ENDED
from tuneloop.review.next_steps import take_step
from tuneloop.tables import (
    Alert,
    AlertState,
    Approval,
    ApprovalKind,
    CycleState,
    Decision,
    Feature,
    FeedbackKind,
    RegisteredModel,
    Report,
    RetrainingCycle,
    Role,
    SlackInstallation,
    Trigger,
)
from tuneloop_billing.subscriptions.extras import order_agreed
from tuneloop_bot.action_ids import Act, Field, Form, Metadata, Ref
from tuneloop_bot.blocks.alerts import snooze_of, until
from tuneloop_bot.blocks.parts import button, buttons, theirs
from tuneloop_bot.ephemeral_reply import EphemeralReply
from tuneloop_bot.labelling import ask_first, ask_next, label_item, skip_item
from tuneloop_bot.payloads import Incoming
from tuneloop_reports.service import approve as approve_report
from tuneloop_reports.service import set_note


class ActionContext(NamedTuple):
    """One thing that one person does."""

    session: Session
    principal: Principal
    incoming: Incoming
    settings: Settings
    installation: SlackInstallation

    @property
    def ref(self) -> Ref:
        return (
            Metadata.model_validate_json(self.incoming.metadata).ref
            if self.incoming.metadata
            else Ref.of(self.incoming.value)
        )

    def field_value(self, field: Field) -> str:
        return self.incoming.fields.get(field, "").strip()


def approve(action: ActionContext) -> EphemeralReply:
    """Of an alert: freeze a plan and approve it in one step. Of a question: approve what its digest names.

    A plan that has failed before is told so first; the button below it insists.
    """
    try:
        return _approve(action, again=False)
    except FailedBefore as refused:
        return insist_on(refused, Ref(alert=action.ref.alert))


def insist(action: ActionContext) -> EphemeralReply:
    """A second click on what has failed before: approve it for an alert, or propose it for a model."""
    if action.ref.alert is not None:
        return _approve(action, again=True)
    model = model_of_id(action.session, action.ref.model)
    propose(action.session, principal=action.principal, model=model, recipe=Recipe(), again=True)
    return EphemeralReply("Proposed with another seed; approve it in the message about it.")


def insist_on(refused: FailedBefore, ref: Ref) -> EphemeralReply:
    sentence = f"{refused.message[0].upper()}{refused.message[1:]}."
    return EphemeralReply(
        sentence, [theirs(sentence), *buttons(button("Try it all the same", Act.INSIST, ref, style="danger"))]
    )


def _approve(action: ActionContext, *, again: bool) -> EphemeralReply:
    action.principal.require(Role.OPERATOR)
    ref = action.ref
    if ref.cycle is None and ref.alert is not None:
        cycle, digest = _plan_for(action, ref.alert, again=again)
    else:
        cycle, digest = _cycle(action.session, ref.cycle), ref.digest or ""
    approved = approve_retrain(action.session, principal=action.principal, cycle_id=cycle.id, digest=digest)
    return EphemeralReply(_counted(action.session, approved, ApprovalKind.RETRAIN, "The training begins."))


def _plan_for(action: ActionContext, alert_id: UUID, *, again: bool) -> tuple[RetrainingCycle, str]:
    """The open proposal for an alert, made now if there is none. The alert's lock lets one of two clicks make it."""
    session = action.session
    alert = session.exec(select(Alert).where(Alert.id == alert_id).with_for_update()).one_or_none()
    if alert is None:
        raise NotFound("alert", alert_id)
    query = select(RetrainingCycle).where(RetrainingCycle.alert_id == alert_id)
    newest = session.exec(query.order_by(col(RetrainingCycle.created_at).desc())).first()
    if newest is not None:
        (asked,) = [each for each in questions(session, newest.id) if each.kind is ApprovalKind.RETRAIN]
        if newest.state not in ENDED:
            return newest, asked.subject_digest
    if alert.state is not AlertState.OPEN:
        raise Conflict(f"this alert was {alert.state} already", alert_id=str(alert_id))
    model = session.get_one(RegisteredModel, alert.model_id)
    cycle = propose(
        session,
        principal=action.principal,
        model=model,
        recipe=Recipe(),
        trigger=Trigger.ALERT,
        alert_id=alert_id,
        again=again,
    )
    (asked,) = questions(session, cycle.id)
    return cycle, asked.subject_digest


def promote(action: ActionContext) -> EphemeralReply:
    return _promote(action, note=None)


def override(action: ActionContext) -> EphemeralReply:
    return _promote(action, note=action.field_value(Field.REASON))


def _promote(action: ActionContext, *, note: str | None) -> EphemeralReply:
    ref = action.ref
    cycle = approve_promotion(
        action.session,
        principal=action.principal,
        cycle_id=_cycle(action.session, ref.cycle).id,
        digest=ref.digest or "",
        note=note,
    )
    return EphemeralReply(
        _counted(action.session, cycle, ApprovalKind.PROMOTION, "The candidate goes into production.")
    )


def turn_down(action: ActionContext) -> EphemeralReply:
    ref = action.ref
    reject(
        action.session,
        principal=action.principal,
        cycle_id=_cycle(action.session, ref.cycle).id,
        digest=ref.digest or "",
        note=action.field_value(Field.REASON) or None,
    )
    return EphemeralReply("Rejected. The cycle has ended.")


def go_back(action: ActionContext) -> EphemeralReply:
    model = model_of_id(action.session, action.ref.model)
    version = roll_back(action.session, principal=action.principal, model=model, digest=action.ref.digest or "")
    return EphemeralReply(f"{full_name(action.session, model)}@v{version.number} is in production again.")


def start_ab(action: ActionContext) -> EphemeralReply:
    """Beyond the plan, the click has agreed to the price that the button showed."""
    ref = action.ref
    cycle = _cycle(action.session, ref.cycle)
    action.principal.require(Role.OPERATOR)
    if ref.extra is not None:
        lock_model(action.session, model_of_id(action.session, cycle.model_id))
        order_agreed(
            action.session,
            principal=action.principal,
            client_id=cycle.client_id,
            feature=Feature.AB_TEST,
            price=ref.extra,
        )
    test = start(action.session, principal=action.principal, cycle_id=cycle.id, digest=ref.digest or "")
    return EphemeralReply(f"The candidate gets {test.share:.0%} of the people as soon as it is loaded.")


def stop_ab(action: ActionContext) -> EphemeralReply:
    test_id = action.ref.ab_test
    assert test_id is not None
    stop(action.session, principal=action.principal, test_id=test_id)
    return EphemeralReply("Stopped. Production answers everybody; the candidate still waits for a decision.")


def retry(action: ActionContext) -> EphemeralReply:
    """Propose a failed cycle again, with the data of now; it still has to be approved.

    Raises:
        Conflict: somebody was faster, or the model has gone on since.
    """
    failed = lock_cycle(action.session, _cycle(action.session, action.ref.cycle).id)
    if failed.state is not CycleState.FAILED or has_newer(action.session, failed):
        raise Conflict("this was proposed again already; look at the newest message", cycle=str(failed.id))
    again = propose(
        action.session,
        principal=action.principal,
        model=model_of_id(action.session, failed.model_id),
        recipe=Recipe.model_validate(failed.recipe),
        trigger=Trigger.MANUAL,
        alert_id=failed.alert_id,
        again=True,
    )
    return EphemeralReply(f"Proposed again as {str(again.id)[:8]}; approve it in the message about it.")


def next_step(action: ActionContext) -> EphemeralReply:
    """What a diagnosis suggests: another retrain is proposed, or queries wait for labels."""
    cycle = _cycle(action.session, action.ref.cycle)
    taken = take_step(action.session, principal=action.principal, cycle_id=cycle.id, key=action.ref.step or "")
    if taken.cycle is not None:
        return EphemeralReply(f"Proposed as {str(taken.cycle.id)[:8]}; approve it in the message about it.")
    press = button("Label", Act.LABEL_NEXT, Ref(model=cycle.model_id), style="primary")
    return EphemeralReply(taken.words, [theirs(taken.words), *buttons(press)])


def be_quiet(action: ActionContext) -> EphemeralReply:
    days, alert_id = snooze_of(action.incoming.value)
    ends = now() + timedelta(days=days)
    reason = f"in Slack, for {until(days, now())}"
    snooze(action.session, principal=action.principal, alert_id=UUID(alert_id), until=ends, reason=reason)
    return EphemeralReply(f"Quiet until {ends:%Y-%m-%d %H:%M} UTC, unless it gets worse.")


def no_problem(action: ActionContext) -> EphemeralReply:
    alert_id = action.ref.alert
    assert alert_id is not None
    dismiss(action.session, principal=action.principal, alert_id=alert_id, reason=action.field_value(Field.REASON))
    return EphemeralReply("Closed. Evidence is collected anew.")


def label_first(action: ActionContext) -> EphemeralReply:
    action.principal.require(Role.OPERATOR)
    alert_id = action.ref.alert
    assert alert_id is not None
    alert = find_alert(action.session, alert_id)
    model = model_of_id(action.session, alert.model_id)
    return ask_first(action.session, action.principal, model, action.settings.site_url)


def label(action: ActionContext) -> EphemeralReply:
    return label_item(action.session, action.principal, action.ref, action.settings.site_url)


def skip(action: ActionContext) -> EphemeralReply:
    return skip_item(action.session, action.principal, action.ref, action.settings.site_url)


def label_next(action: ActionContext) -> EphemeralReply:
    model = model_of_id(action.session, action.ref.model)
    return ask_next(action.session, action.principal, model, action.settings.site_url)


def wrong_answer(action: ActionContext) -> EphemeralReply:
    """A correction: open feedback, which people of the review queue accept or not."""
    action.principal.require(Role.OPERATOR)
    return correct(action, prediction_id(action.field_value(Field.COMPLETION)), action.field_value(Field.EXPECTED))


def correct(action: ActionContext, answer_id: UUID, expected: str) -> EphemeralReply:
    stored = report_feedback(
        action.session,
        answer_id=answer_id,
        kind=FeedbackKind.CORRECTION,
        correction=expected,
        comment="said in Slack",
        reporter=action.principal.name,
    )
    return EphemeralReply(
        f"Thank you: “{stored.correction}” is in the review queue and trains once somebody has accepted it."
    )


def send_report(action: ActionContext) -> EphemeralReply:
    """Approves exactly the content whose digest the button carries."""
    report = approve_report(
        action.session, principal=action.principal, report=_report(action), digest=action.ref.digest or ""
    )
    return EphemeralReply(f"The report for {report.month} is on its way.")


def edit_note(action: ActionContext) -> EphemeralReply:
    set_note(action.session, principal=action.principal, report=_report(action), note=action.field_value(Field.NOTE))
    return EphemeralReply("Your note is in the report; look at it once more before you send it.")


def _report(action: ActionContext) -> Report:
    report = action.session.get(Report, action.ref.report) if action.ref.report else None
    if report is None:
        raise NotFound("report", action.ref.report or "")
    return report


ACTS: dict[str, Callable[[ActionContext], EphemeralReply]] = {
    Act.APPROVE_RETRAIN: approve,
    Act.PROMOTE: promote,
    Act.ROLL_BACK: go_back,
    Act.START_AB: start_ab,
    Act.STOP_AB: stop_ab,
    Act.RETRY: retry,
    Act.INSIST: insist,
    Act.NEXT_STEP: next_step,
    Act.SNOOZE: be_quiet,
    Act.LABEL_FIRST: label_first,
    Act.LABEL: label,
    Act.LABEL_PICK: label,
    Act.LABEL_SKIP: skip,
    Act.LABEL_NEXT: label_next,
    Act.SEND_REPORT: send_report,
}
FORMS: dict[str, Callable[[ActionContext], EphemeralReply]] = {
    Form.REJECT: turn_down,
    Form.OVERRIDE: override,
    Form.NO_PROBLEM: no_problem,
    Form.WRONG: wrong_answer,
    Form.NOTE: edit_note,
}


def _counted(session: Session, cycle: RetrainingCycle, kind: ApprovalKind, then: str) -> str:
    asked = latest_question(session, cycle.id, kind)
    assert asked is not None
    if asked.decision is Decision.APPROVED:
        return f"Approved. {then}"
    return f"Your approval counts. {_missing(session, asked)}"


def _missing(session: Session, asked: Approval) -> str:
    left = missing(session, asked)
    return f"It waits for {left} more {'person' if left == 1 else 'people'}."


def _cycle(session: Session, cycle_id: UUID | None) -> RetrainingCycle:
    cycle = session.get(RetrainingCycle, cycle_id) if cycle_id else None
    if cycle is None:
        raise NotFound("cycle", cycle_id or "")
    return cycle
