"""What is put into the queue, and in which order it is asked."""

from sqlalchemy import true
from sqlmodel import select

from tests.review.traffic import Traffic, hire
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.service import report_feedback
from tuneloop.review.active_sampling import consider, contradicting, contradiction_item
from tuneloop.review.labels import waiting
from tuneloop.review.queue import GatePair, add_burst, add_gate_items, add_sample, fill, next_item
from tuneloop.tables import Agency, Example, FeedbackKind, Pool, ReviewItem, ReviewPurpose, Source


def purposes(session: TenantSession, traffic: Traffic, ann: Principal) -> list[ReviewPurpose]:
    found = []
    while (item := next_item(session, principal=ann, model=traffic.model)) is not None:
        found.append(item.purpose)
        item.claimed_by = "somebody else"
        session.flush()
    return found


def test_half_of_the_budget_measures(session: TenantSession, traffic: Traffic, ann: Principal) -> None:
    answers = traffic.answers(session, 80, confidence=0.6)
    for answer in answers[:3]:
        report_feedback(session, answer_id=answer.id, kind=FeedbackKind.ERROR)
    report_feedback(session, answer_id=answers[3].id, kind=FeedbackKind.CORRECTION, correction="refund")
    filled = fill(session, traffic.model, 40)
    assert (filled.sample, filled.added) == (20, 40)
    assert filled.flagged + filled.uncertain == 20
    assert 0 < filled.flagged <= 4  # those of the four that are not in the sample
    asked = purposes(session, traffic, ann)
    assert asked == sorted(asked, key=["sample", "flagged", "uncertain"].index)


def test_filling_twice_asks_nothing_twice(session: TenantSession, traffic: Traffic) -> None:
    traffic.answers(session, 12)
    assert fill(session, traffic.model, 20).added == 12
    again = fill(session, traffic.model, 20)
    assert again.added == again.sample  # unsure answers that are drawn now, and asked for the sample instead
    assert waiting(session, ReviewItem.model_id == traffic.model.id) == 12


def test_unsure_answers_are_unlike_each_other(session: TenantSession, traffic: Traffic) -> None:
    answers = traffic.answers(session, 30)
    for index, answer in enumerate(answers[:10]):
        answer.confidence = 0.3
        answer.messages = [
            {"role": "user", "content": f"my card was charged twice, {'again ' * (index % 2)}please help"}
        ]
    answers[10].confidence = 0.35
    filled = fill(session, traffic.model, 10)
    assert filled.uncertain == 5
    items = session.exec(select(ReviewItem).where(ReviewItem.purpose == ReviewPurpose.UNCERTAIN))
    texts = [item.messages[0]["content"] for item in items]
    assert sum("charged twice" in text for text in texts) <= 2


def test_an_answer_that_contradicts_its_nearest_example_is_asked(session: TenantSession, traffic: Traffic) -> None:
    answers = traffic.answers(session, 8)
    answers[0].messages = [{"role": "user", "content": "please repair the zip of my red jacket"}]
    session.add(
        Example(
            client_id=traffic.model.client_id,
            model_id=traffic.model.id,
            pool=Pool.TRAINING,
            messages=[{"role": "user", "content": "please repair the zip of my blue jacket"}],
            expected="repair",
            category="repair",
            source=Source.IMPORT,
            content_hash="a" * 64,
            minhash=b"",
        )
    )
    session.flush()
    considered = consider(session, traffic.model, true(), 20)
    ((index, alike),) = contradicting(session, traffic.model, considered, 5)
    item = contradiction_item(considered.predictions[index], alike)
    assert item.prediction_id == answers[0].id
    assert "repair" not in item.reason
    assert "order" not in item.reason


def test_a_gate_comes_first_and_names_nobody(session: TenantSession, traffic: Traffic, ann: Principal) -> None:
    answers = traffic.answers(session, 6)
    add_sample(session, traffic.model, 2)
    cycle = traffic.workshop.cycle(session)
    pairs = [GatePair(answer, "order", "refund") for answer in answers[:3]]
    items = add_gate_items(session, cycle=cycle, pairs=pairs)
    assert add_gate_items(session, cycle=cycle, pairs=pairs) == []
    assert [item.prediction_id for item in items] == [answer.id for answer in answers[:3]]
    assert purposes(session, traffic, ann) == [ReviewPurpose.GATE] * 3 + [ReviewPurpose.SAMPLE] * 2


def test_a_burst_is_asked_once(session: TenantSession, traffic: Traffic) -> None:
    answers = traffic.answers(session, 5)
    reason = "Confidence fell in these answers; labels say how far accuracy did."
    made = [add_burst(session, model=traffic.model, predictions=answers[:n], alert=None, reason=reason) for n in (3, 5)]
    assert [len(items) for items in made] == [3, 2]


def test_two_people_do_not_get_the_same_item(
    session: TenantSession, traffic: Traffic, ann: Principal, bob: Principal
) -> None:
    traffic.answers(session, 2)
    add_sample(session, traffic.model, 2)
    first, second = (next_item(session, principal=who, model=traffic.model) for who in (ann, bob))
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert next_item(session, principal=ann, model=traffic.model) is first


def test_a_share_is_labelled_twice_where_two_can_label(
    session: TenantSession, traffic: Traffic, agency: Agency
) -> None:
    traffic.answers(session, 90)
    traffic.model.policy = {"double_label_share": 0.5}
    alone = add_sample(session, traffic.model, 30)
    assert {item.wanted_labels for item in alone} == {1}
    hire(session, agency, "Ann", "Bob")
    items = add_sample(session, traffic.model, 60)
    assert 10 < sum(item.wanted_labels == 2 for item in items) < 50
