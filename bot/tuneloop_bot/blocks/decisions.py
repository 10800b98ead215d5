"""How a question stands: who has approved, who decided, when and from where; the buttons while it is open."""

from tuneloop.ab_tests.schemas import DAYS, SHARE
from tuneloop.retraining.schemas import QuestionRead
from tuneloop.tables import CycleState, Decision
from tuneloop_bot.action_ids import Act, Ref
from tuneloop_bot.blocks.parts import Block, button, buttons, code, confirm, context, when
from tuneloop_bot.views import CycleView


def decided(question: QuestionRead) -> list[Block]:
    """One line once it is decided; nothing before."""
    if question.decision is None or question.decided_at is None:
        return []
    word = ":white_check_mark: Approved" if question.decision is Decision.APPROVED else ":x: Rejected"
    origin = f" from {code(question.decided_from)}" if question.decided_from else ""
    note = f" · {code(question.note)}" if question.note else ""
    return [context(f"{word} by {code(question.decided_by or '?')} {when(question.decided_at)}{origin}{note}")]


def pending(question: QuestionRead) -> list[Block]:
    """What an open question still waits for."""
    if question.decision is not None:
        return []
    if question.expired:
        return [context(":hourglass_flowing_sand: This question has expired; reject it and propose the cycle again.")]
    lines = [f"Bound to {code(question.subject_digest[:12])} · answer by {when(question.expires_at)}"]
    if question.approved_by:
        names = ", ".join(code(each) for each in question.approved_by)
        lines.append(f"{len(question.approved_by)} of {question.approvals_needed} approvals: {names}")
    elif question.approvals_needed > 1:
        lines.append(f"Needs {question.approvals_needed} people to approve")
    if question.four_eyes:
        lines.append(":lock: Four-eyes approval: whoever proposed it cannot approve it")
    return [context(*lines)]


def retrain_buttons(view: CycleView) -> list[Block]:
    question = view.retrain
    if question is None or question.decision is not None or view.state is not CycleState.PROPOSED:
        return []
    ref = Ref(cycle=view.id, digest=question.subject_digest)
    return buttons(
        None if question.expired else _button("Approve retrain", Act.APPROVE_RETRAIN, ref, "primary"),
        _button("Reject", Act.REJECT, ref),
    )


def promotion_buttons(view: CycleView) -> list[Block]:
    question = view.promotion
    if question is None or question.decision is not None or view.state is not CycleState.AWAITING_PROMOTION:
        return []
    ref = Ref(cycle=view.id, digest=question.subject_digest)
    reject, test = _button("Reject", Act.REJECT, ref), _start_ab(view, ref)
    if question.expired:
        return buttons(reject)
    if view.outcome not in (None, "promote"):
        return buttons(test, reject, _button("Override …", Act.OVERRIDE, ref, "danger"))
    name = view.candidate
    sure = confirm("Promote?", f"{name} will answer every request of {view.client}.", "Promote")
    return buttons(
        _button("Promote", Act.PROMOTE, ref, "primary", sure),
        test,
        reject,
    )


def _start_ab(view: CycleView, ref: Ref) -> Block | None:
    """Where a test may begin; beyond the plan with its price, which the click then agrees to."""
    offer = view.ab_offer
    if offer is None:
        return None
    what = f"{view.candidate_number} will answer {SHARE:.0%} of the people of {view.client}, for {DAYS} days at most."
    if offer.price is None:
        return _button("Start A/B", Act.START_AB, ref, None, confirm("Start an A/B test?", what, "Start"))
    price = f"It is beyond the plan: {offer.price} on the next invoice."
    sure = confirm("Order an A/B test?", f"{price} {what}", "Order and start")
    ordered = ref.model_copy(update={"extra": offer.price.amount})
    return _button(f"Start A/B ({offer.price} extra)", Act.START_AB, ordered, None, sure)


def _button(text: str, act: Act, ref: Ref, style: str | None = None, sure: Block | None = None) -> Block:
    return button(text, act, ref, style=style, confirm=sure)
