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
from tuneloop.registry.service import full_name, lock_model
from tuneloop.retraining.approvals import latest_question, questions, votes
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
from tuneloop_bot.ephemeral_reply import Answer
from tuneloop_bot.labelling import ask_next, label_item, skip_item
from tuneloop_bot.payloads import Incoming
from tuneloop_reports.service import approve as approve_report
from tuneloop_reports.service import set_note


class Doing(NamedTuple):
    """One thing that one person does."""

    session: Session
    principal: Principal
    came: Incoming
    settings: Settings
    installation: SlackInstallation

    @property
    def ref(self) -> Ref:
        return Metadata.model_validate_json(self.came.metadata).ref if self.came.metadata else Ref.of(self.came.value)

    def said(self, field: Field) -> str:
        return self.came.fields.get(field, "").strip()


def approve(doing: Doing) -> Answer:
    """Of an alert: freeze a plan and approve it in one step. Of a question: approve what its digest names.

    A plan that has failed before is told so first; the button below it insists.
    """
    try:
        return _approve(doing, again=False)
    except FailedBefore as refused:
        return insist_on(refused, Ref(alert=doing.ref.alert))


def insist(doing: Doing) -> Answer:
    """A second click on what has failed before: approve it for an alert, or propose it for a model."""
    if doing.ref.alert is not None:
        return _approve(doing, again=True)
    model = _model(doing.session, doing.ref.model)
    propose(doing.session, principal=doing.principal, model=model, recipe=Recipe(), again=True)
    return Answer("Proposed with another seed; approve it in the message about it.")


def insist_on(refused: FailedBefore, ref: Ref) -> Answer:
    said = f"{refused.message[0].upper()}{refused.message[1:]}."
    return Answer(said, [theirs(said), *buttons(button("Try it all the same", Act.INSIST, ref, style="danger"))])


def _approve(doing: Doing, *, again: bool) -> Answer:
    doing.principal.require(Role.OPERATOR)
    ref = doing.ref
    if ref.cycle is None and ref.alert is not None:
        cycle, digest = _plan_for(doing, ref.alert, again=again)
    else:
        cycle, digest = _cycle(doing.session, ref.cycle), ref.digest or ""
    approved = approve_retrain(doing.session, principal=doing.principal, cycle_id=cycle.id, digest=digest)
    return Answer(_counted(doing.session, approved, ApprovalKind.RETRAIN, "The training begins."))


def _plan_for(doing: Doing, alert_id: UUID, *, again: bool) -> tuple[RetrainingCycle, str]:
    """The open proposal for an alert, made now if there is none. The alert's lock lets one of two clicks make it."""
    session = doing.session
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
        principal=doing.principal,
        model=model,
        recipe=Recipe(),
        trigger=Trigger.ALERT,
        alert_id=alert_id,
        again=again,
    )
    (asked,) = questions(session, cycle.id)
    return cycle, asked.subject_digest


def promote(doing: Doing) -> Answer:
    return _promote(doing, note=None)


def override(doing: Doing) -> Answer:
    return _promote(doing, note=doing.said(Field.REASON))


def _promote(doing: Doing, *, note: str | None) -> Answer:
    ref = doing.ref
    cycle = approve_promotion(
        doing.session,
        principal=doing.principal,
        cycle_id=_cycle(doing.session, ref.cycle).id,
        digest=ref.digest or "",
        note=note,
    )
    return Answer(_counted(doing.session, cycle, ApprovalKind.PROMOTION, "The candidate goes into production."))


def turn_down(doing: Doing) -> Answer:
    ref = doing.ref
    reject(
        doing.session,
        principal=doing.principal,
        cycle_id=_cycle(doing.session, ref.cycle).id,
        digest=ref.digest or "",
        note=doing.said(Field.REASON) or None,
    )
    return Answer("Rejected. The cycle has ended.")


def go_back(doing: Doing) -> Answer:
    model = _model(doing.session, doing.ref.model)
    version = roll_back(doing.session, principal=doing.principal, model=model, digest=doing.ref.digest or "")
    return Answer(f"{full_name(doing.session, model)}@v{version.number} is in production again.")


def start_ab(doing: Doing) -> Answer:
    """Beyond the plan, the click has agreed to the price that the button showed."""
    ref = doing.ref
    cycle = _cycle(doing.session, ref.cycle)
    doing.principal.require(Role.OPERATOR)
    if ref.extra is not None:
        lock_model(doing.session, _model(doing.session, cycle.model_id))
        order_agreed(
            doing.session,
            principal=doing.principal,
            client_id=cycle.client_id,
            feature=Feature.AB_TEST,
            price=ref.extra,
        )
    test = start(doing.session, principal=doing.principal, cycle_id=cycle.id, digest=ref.digest or "")
    return Answer(f"The candidate gets {test.share:.0%} of the people as soon as it is loaded.")


def stop_ab(doing: Doing) -> Answer:
    test_id = doing.ref.ab_test
    assert test_id is not None
    stop(doing.session, principal=doing.principal, test_id=test_id)
    return Answer("Stopped. Production answers everybody; the candidate still waits for a decision.")


def retry(doing: Doing) -> Answer:
    """Propose a failed cycle again, with the data of now; it still has to be approved.

    Raises:
        Conflict: somebody was faster, or the model has gone on since.
    """
    failed = lock_cycle(doing.session, _cycle(doing.session, doing.ref.cycle).id)
    if failed.state is not CycleState.FAILED or has_newer(doing.session, failed):
        raise Conflict("this was proposed again already; look at the newest message", cycle=str(failed.id))
    again = propose(
        doing.session,
        principal=doing.principal,
        model=_model(doing.session, failed.model_id),
        recipe=Recipe.model_validate(failed.recipe),
        trigger=Trigger.MANUAL,
        alert_id=failed.alert_id,
        again=True,
    )
    return Answer(f"Proposed again as {str(again.id)[:8]}; approve it in the message about it.")


def next_step(doing: Doing) -> Answer:
    """What a diagnosis suggests: another retrain is proposed, or queries wait for labels."""
    cycle = _cycle(doing.session, doing.ref.cycle)
    taken = take_step(doing.session, principal=doing.principal, cycle_id=cycle.id, key=doing.ref.step or "")
    if taken.cycle is not None:
        return Answer(f"Proposed as {str(taken.cycle.id)[:8]}; approve it in the message about it.")
    press = button("Label", Act.LABEL_NEXT, Ref(model=cycle.model_id), style="primary")
    return Answer(taken.words, [theirs(taken.words), *buttons(press)])


def be_quiet(doing: Doing) -> Answer:
    days, alert_id = snooze_of(doing.came.value)
    ends = now() + timedelta(days=days)
    reason = f"in Slack, for {until(days, now())}"
    snooze(doing.session, principal=doing.principal, alert_id=UUID(alert_id), until=ends, reason=reason)
    return Answer(f"Quiet until {ends:%Y-%m-%d %H:%M} UTC, unless it gets worse.")


def no_problem(doing: Doing) -> Answer:
    alert_id = doing.ref.alert
    assert alert_id is not None
    dismiss(doing.session, principal=doing.principal, alert_id=alert_id, reason=doing.said(Field.REASON))
    return Answer("Closed. Evidence is collected anew.")


def label_first(doing: Doing) -> Answer:
    doing.principal.require(Role.OPERATOR)
    alert_id = doing.ref.alert
    assert alert_id is not None
    alert = find_alert(doing.session, alert_id)
    return ask_next(doing.session, doing.principal, _model(doing.session, alert.model_id))


def label(doing: Doing) -> Answer:
    return label_item(doing.session, doing.principal, doing.ref)


def skip(doing: Doing) -> Answer:
    return skip_item(doing.session, doing.principal, doing.ref)


def label_next(doing: Doing) -> Answer:
    return ask_next(doing.session, doing.principal, _model(doing.session, doing.ref.model))


def wrong_answer(doing: Doing) -> Answer:
    """A correction: open feedback, which people of the review queue accept or not."""
    doing.principal.require(Role.OPERATOR)
    return correct(doing, prediction_id(doing.said(Field.COMPLETION)), doing.said(Field.EXPECTED))


def correct(doing: Doing, answer_id: UUID, expected: str) -> Answer:
    stored = report_feedback(
        doing.session,
        answer_id=answer_id,
        kind=FeedbackKind.CORRECTION,
        correction=expected,
        comment="said in Slack",
        reporter=doing.principal.name,
    )
    return Answer(f"Thank you: “{stored.correction}” is in the review queue and trains once somebody has accepted it.")


def send_report(doing: Doing) -> Answer:
    """Approves exactly the content whose digest the button carries."""
    report = approve_report(
        doing.session, principal=doing.principal, report=_report(doing), digest=doing.ref.digest or ""
    )
    return Answer(f"The report for {report.month} is on its way.")


def edit_note(doing: Doing) -> Answer:
    set_note(doing.session, principal=doing.principal, report=_report(doing), note=doing.said(Field.NOTE))
    return Answer("Your note is in the report; look at it once more before you send it.")


def _report(doing: Doing) -> Report:
    report = doing.session.get(Report, doing.ref.report) if doing.ref.report else None
    if report is None:
        raise NotFound("report", doing.ref.report or "")
    return report


ACTS: dict[str, Callable[[Doing], Answer]] = {
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
FORMS: dict[str, Callable[[Doing], Answer]] = {
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
    left = asked.approvals_needed - len(votes(session, asked))
    return f"It waits for {left} more {'person' if left == 1 else 'people'}."


def _cycle(session: Session, cycle_id: UUID | None) -> RetrainingCycle:
    cycle = session.get(RetrainingCycle, cycle_id) if cycle_id else None
    if cycle is None:
        raise NotFound("cycle", cycle_id or "")
    return cycle


def _model(session: Session, model_id: UUID | None) -> RegisteredModel:
    model = session.get(RegisteredModel, model_id) if model_id else None
    if model is None:
        raise NotFound("model", model_id or "")
    return model
