"""Labels: what settles an item, what it becomes, and how it is taken back."""

from datetime import timedelta

import pytest
from sqlalchemy import true
from sqlmodel import col, select

from tests.review.traffic import Traffic, person
from tuneloop.datasets.corrections import accept_correction
from tuneloop.datasets.service import add_example, take_snapshot
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotAllowed
from tuneloop.kit.jobs import JobRow
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.service import report_feedback
from tuneloop.registry.templates import Message
from tuneloop.retraining.jobs import RejudgeCandidate
from tuneloop.review.active_sampling import flagged
from tuneloop.review.items import put
from tuneloop.review.labels import labeller_of, pairs
from tuneloop.review.queue import (
    GatePair,
    add_gate_items,
    add_sample,
    next_item,
    settle,
    skip,
    submit_label,
    undo,
)
from tuneloop.tables import (
    Agency,
    Example,
    FeedbackKind,
    FeedbackState,
    Pool,
    RetrainingCycle,
    ReviewItem,
    ReviewLabel,
    ReviewPurpose,
    ReviewState,
    Role,
    Source,
)


def done(session: TenantSession, purpose: ReviewPurpose) -> list[ReviewItem]:
    """Settled items, in the order in which they were settled."""
    rows = select(ReviewItem).where(ReviewItem.purpose == purpose, ReviewItem.state == ReviewState.DONE)
    return list(session.exec(rows.order_by(col(ReviewItem.closed_at), col(ReviewItem.id))))


@pytest.fixture
def item(session: TenantSession, traffic: Traffic) -> ReviewItem:
    traffic.answers(session, 1)
    return add_sample(session, traffic.model, 1)[0]


def test_a_sampled_label_measures_and_does_not_train(
    session: TenantSession, traffic: Traffic, item: ReviewItem, ann: Principal
) -> None:
    submit_label(session, principal=ann, item_id=item.id, expected="refund", seconds=12.5)
    example = session.get_one(Example, item.example_id)
    assert (item.state, item.expected, item.category) == (ReviewState.DONE, "refund", "refund")
    assert (example.pool, example.source, example.added_by) == (Pool.ROLLING, Source.SAMPLED, "Ann")
    assert done(session, ReviewPurpose.SAMPLE) == [item]
    label = session.exec(select(ReviewLabel)).one()
    assert (label.labeller, label.blind, label.seconds) == (labeller_of(ann), True, 12.5)
    with pytest.raises(Conflict, match="done already"):
        submit_label(session, principal=person_like(ann), item_id=item.id, expected="order")


def person_like(principal: Principal) -> Principal:
    return Principal(principal.agency_id, principal.role, principal.kind, None, "Zoe", "test")


def test_two_that_agree_settle_and_two_that_differ_ask_a_third(
    session: TenantSession, traffic: Traffic, agency: Agency, ann: Principal, bob: Principal
) -> None:
    traffic.answers(session, 2)
    agreed, disputed = add_sample(session, traffic.model, 2)
    agreed.wanted_labels = disputed.wanted_labels = 2
    for who, said in ((ann, "refund"), (bob, "repair")):
        submit_label(session, principal=who, item_id=agreed.id, expected="order")
        submit_label(session, principal=who, item_id=disputed.id, expected=said)
    assert (agreed.state, disputed.state) == (ReviewState.DONE, ReviewState.DISPUTED)
    assert next_item(session, principal=ann, model=traffic.model) is None
    zoe = person(agency, "Zoe")
    asked = next_item(session, principal=zoe, model=traffic.model)
    assert asked is disputed
    submit_label(session, principal=zoe, item_id=disputed.id, expected="repair")
    assert (disputed.state, disputed.expected) == (ReviewState.DONE, "repair")
    assert sorted(zip(*pairs(session, traffic.model), strict=True)) == [("order", "order"), ("refund", "repair")]


def test_the_third_of_three_answers_counts(
    session: TenantSession, agency: Agency, item: ReviewItem, ann: Principal, bob: Principal
) -> None:
    item.wanted_labels = 2
    for who, said in ((ann, "refund"), (bob, "repair"), (person(agency, "Zoe"), "order")):
        submit_label(session, principal=who, item_id=item.id, expected=said)
    assert (item.state, item.expected) == (ReviewState.DONE, "order")


def test_an_admin_ends_a_dispute(
    session: TenantSession, agency: Agency, item: ReviewItem, ann: Principal, bob: Principal
) -> None:
    item.wanted_labels = 2
    submit_label(session, principal=ann, item_id=item.id, expected="refund")
    boss = person(agency, "Ida", Role.ADMIN)
    with pytest.raises(Conflict, match="only a dispute"):
        settle(session, principal=boss, item_id=item.id, expected="repair")
    submit_label(session, principal=bob, item_id=item.id, expected="repair")
    with pytest.raises(NotAllowed):
        settle(session, principal=ann, item_id=item.id, expected="repair")
    settle(session, principal=boss, item_id=item.id, expected="repair")
    assert (item.state, item.expected) == (ReviewState.DONE, "repair")
    assert session.get_one(Example, item.example_id).expected == "repair"


def test_who_is_unsure_asks_somebody_else(session: TenantSession, item: ReviewItem, ann: Principal) -> None:
    submit_label(session, principal=ann, item_id=item.id, expected="order", second_opinion=True)
    assert (item.state, item.wanted_labels, item.example_id) == (ReviewState.OPEN, 2, None)
    with pytest.raises(Conflict, match="waits for somebody else"):
        submit_label(session, principal=ann, item_id=item.id, expected="order")


def test_taking_a_label_back_takes_its_example_back(
    session: TenantSession, traffic: Traffic, item: ReviewItem, ann: Principal, bob: Principal
) -> None:
    submit_label(session, principal=ann, item_id=item.id, expected="order")
    example = session.get_one(Example, item.example_id)
    with pytest.raises(Conflict, match="no label"):
        undo(session, principal=bob, item_id=item.id)
    undo(session, principal=ann, item_id=item.id)
    assert (item.state, item.example_id, item.expected) == (ReviewState.OPEN, None, None)
    assert (example.messages, example.expected) == ([], "")
    assert next_item(session, principal=ann, model=traffic.model) is item
    submit_label(session, principal=ann, item_id=item.id, expected="refund")
    assert session.get_one(Example, item.example_id).expected == "refund"


def test_what_is_frozen_or_old_is_not_taken_back(
    session: TenantSession, traffic: Traffic, item: ReviewItem, ann: Principal
) -> None:
    submit_label(session, principal=ann, item_id=item.id, expected="order")
    label = session.exec(select(ReviewLabel)).one()
    label.at = now() - timedelta(hours=2)
    with pytest.raises(Conflict, match="within an hour"):
        undo(session, principal=ann, item_id=item.id)
    label.at = now()
    take_snapshot(session, model=traffic.model, pool=Pool.ROLLING)
    with pytest.raises(Conflict, match="in a snapshot"):
        undo(session, principal=ann, item_id=item.id)


def test_a_skipped_item_is_not_asked_until_taken_back(
    session: TenantSession, traffic: Traffic, item: ReviewItem, ann: Principal
) -> None:
    skip(session, principal=ann, item_id=item.id)
    assert next_item(session, principal=ann, model=traffic.model) is None
    undo(session, principal=ann, item_id=item.id)
    assert next_item(session, principal=ann, model=traffic.model) is item


def test_a_label_counts_though_its_text_may_not_be_stored(
    session: TenantSession, traffic: Traffic, item: ReviewItem, ann: Principal
) -> None:
    """Real traffic repeats training questions; dropping those would bias accuracy."""
    add_example(
        session,
        principal=ann,
        model=traffic.model,
        pool=Pool.TRAINING,
        messages=[Message.model_validate(message) for message in item.messages],
        expected="order",
        source=Source.IMPORT,
    )
    submit_label(session, principal=ann, item_id=item.id, expected="order")
    assert (item.state, item.example_id) == (ReviewState.DONE, None)
    assert "in training" in (item.outcome or "")
    assert done(session, ReviewPurpose.SAMPLE) == [item]


def test_a_flagged_answer_trains_and_answers_the_user(session: TenantSession, traffic: Traffic, ann: Principal) -> None:
    right, wrong = traffic.answers(session, 2)
    said = [
        report_feedback(session, answer_id=answer.id, kind=FeedbackKind.CORRECTION, correction="refund")
        for answer in (right, wrong)
    ]
    items = put(session, traffic.model, flagged(session, traffic.model, true(), 5))
    by_answer = {item.prediction_id: item for item in items}
    submit_label(session, principal=ann, item_id=by_answer[wrong.id].id, expected="refund")
    submit_label(session, principal=ann, item_id=by_answer[right.id].id, expected="order")
    assert [row.state for row in said] == [FeedbackState.DISMISSED, FeedbackState.ACCEPTED]
    example = session.get_one(Example, by_answer[wrong.id].example_id)
    assert (example.pool, example.source) == (Pool.TRAINING, Source.CORRECTION)
    assert done(session, ReviewPurpose.SAMPLE) == []


def test_a_label_answers_users_whatever_it_was_asked_for(
    session: TenantSession, traffic: Traffic, ann: Principal
) -> None:
    answers = traffic.answers(session, 3)
    items = {item.prediction_id: item for item in add_sample(session, traffic.model, 3)}
    wrong, right, left = (
        report_feedback(session, answer_id=answer.id, kind=FeedbackKind.CORRECTION, correction="refund")
        for answer in answers
    )
    praise = report_feedback(session, answer_id=answers[0].id, kind=FeedbackKind.RATING, rating=5)
    submit_label(session, principal=ann, item_id=items[answers[0].id].id, expected="refund")
    submit_label(session, principal=ann, item_id=items[answers[1].id].id, expected="order")
    skip(session, principal=ann, item_id=items[answers[2].id].id)
    assert [each.state for each in (wrong, right, left, praise)] == [
        FeedbackState.ACCEPTED,
        FeedbackState.DISMISSED,
        FeedbackState.OPEN,
        FeedbackState.OPEN,
    ]
    undo(session, principal=ann, item_id=items[answers[0].id].id)
    assert wrong.state is FeedbackState.OPEN


def test_a_correction_that_a_label_has_confirmed_is_accepted_and_goes_on_measuring(
    session: TenantSession, traffic: Traffic, ann: Principal
) -> None:
    (answer,) = traffic.answers(session, 1)
    (item,) = add_sample(session, traffic.model, 1)
    submit_label(session, principal=ann, item_id=item.id, expected="refund")
    said = report_feedback(session, answer_id=answer.id, kind=FeedbackKind.CORRECTION, correction="refund")
    example = accept_correction(session, principal=ann, feedback_id=said.id, pool=Pool.TRAINING)
    assert (example.id, example.pool) == (item.example_id, Pool.ROLLING)
    assert said.state is FeedbackState.ACCEPTED


def test_the_last_label_of_a_gate_asks_for_a_verdict(session: TenantSession, traffic: Traffic, ann: Principal) -> None:
    answers = traffic.answers(session, 2)
    cycle = session.get_one(
        RetrainingCycle, traffic.workshop.judged(session, "need_more_labels", numbers=("2.0", "2.1"))
    )
    items = add_gate_items(session, cycle=cycle, pairs=[GatePair(answer, "order", "refund") for answer in answers])

    def asked() -> list[JobRow]:
        return list(session.exec(select(JobRow).where(JobRow.name == RejudgeCandidate.name)))

    submit_label(session, principal=ann, item_id=items[0].id, expected="order")
    assert asked() == []
    submit_label(session, principal=ann, item_id=items[1].id, expected="refund")
    (job,) = asked()
    assert job.args == {"cycle_id": str(cycle.id)}
    assert [item.expected for item in done(session, ReviewPurpose.GATE)] == ["order", "refund"]
    assert session.exec(select(Example).where(col(Example.prediction_id).is_not(None))).all() == []


def test_an_answer_must_be_a_label(session: TenantSession, item: ReviewItem, ann: Principal, agency: Agency) -> None:
    for said, problem in (("refnd", "not a label of this model"), ("  ", "say what the right answer is")):
        with pytest.raises(InvalidInput, match=problem):
            submit_label(session, principal=ann, item_id=item.id, expected=said)
    with pytest.raises(NotAllowed):
        submit_label(session, principal=person(agency, "Vera", Role.VIEWER), item_id=item.id, expected="order")


def test_nothing_about_the_answer_is_seen_before_the_label(session: TenantSession, item: ReviewItem) -> None:
    assert item.purpose is ReviewPurpose.SAMPLE
    assert "order" not in item.reason
