"""Each attempt asks its own question; queries and labels serve all attempts of a cycle."""

import pytest
from sqlmodel import select

from tests.retraining.attempts.stories import EVERYTHING, LOSES, come_to_compare, compared
from tests.retraining.gating import RIGHT, WRONG, Work, reload
from tests.support.cycles import Workshop
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.gate_holdout import gate_queries
from tuneloop.retraining.approvals import questions
from tuneloop.retraining.service import approve_promotion
from tuneloop.retraining.verdicts import gate_state, settled_items
from tuneloop.review.queue import GatePair, add_gate_items
from tuneloop.tables import Decision, DisagreementRun, Prediction, ReviewItem, ReviewState


def test_each_attempt_asks_its_own_question_and_an_old_button_is_refused(
    session: TenantSession, workshop: Workshop, operator: Principal, owner: Principal, at_work: Work
) -> None:
    gate = compared(session, workshop, right=EVERYTHING)
    at_work()
    gate.label(session, operator, [False] * 40)
    at_work()
    cycle = reload(session, gate)
    assert cycle.attempt == 2
    (first,) = questions(session, cycle.id)
    assert (first.decision, first.decided_by) == (Decision.REJECTED, "the gate")
    with pytest.raises(Exception, match="already rejected by the gate"):
        approve_promotion(session, principal=owner, cycle_id=cycle.id, digest=first.subject_digest, note="I insist")
    come_to_compare(session, gate, "1.2", right=EVERYTHING)
    at_work()
    _, second = questions(session, cycle.id)
    assert (second.attempt, second.decision) == (2, None)
    approve_promotion(session, principal=owner, cycle_id=cycle.id, digest=second.subject_digest, note="good enough")
    assert [each.decision for each in questions(session, cycle.id)] == [Decision.REJECTED, Decision.APPROVED]


def test_labels_of_an_earlier_attempt_are_taken_over_in_their_turn(
    session: TenantSession, workshop: Workshop, operator: Principal, at_work: Work
) -> None:
    gate = compared(session, workshop, right=EVERYTHING)
    at_work()
    asked = list(gate.items)
    gate.label(session, operator, [False] * 40)
    at_work()
    cycle = reload(session, gate)
    labelled = session.exec(select(ReviewItem).where(ReviewItem.state == ReviewState.DONE)).all()
    known = {item.prediction_id for item in labelled}
    fresh = Prediction(
        client_id=workshop.client.id,
        model_id=workshop.model.id,
        version_id=gate.production.id,
        digest=gate.production.digest,
        messages=[{"role": "user", "content": "a new query"}],
        answer=RIGHT,
    )
    session.add(fresh)
    session.flush()
    old = [session.get_one(Prediction, item.prediction_id) for item in asked if item.prediction_id in known][:3]
    pairs = [GatePair(each, RIGHT, WRONG) for each in (old[0], fresh, *old[1:])]
    session.add(
        DisagreementRun(
            client_id=workshop.client.id,
            cycle_id=cycle.id,
            attempt=2,
            production_digest=gate.production.digest,
            candidate_digest="9" * 64,
            queries=1000,
            disagreements=4,
            agreed={RIGHT: 996},
        )
    )
    items = add_gate_items(session, cycle=cycle, pairs=pairs)
    assert [item.state for item in items] == [
        ReviewState.DONE,
        ReviewState.OPEN,
        ReviewState.DONE,
        ReviewState.DONE,
    ]
    assert all(item.label_of is not None for item in items if item.state is ReviewState.DONE)
    assert [item.id for item in settled_items(session, cycle.id)] == [items[0].id]
    assert (gate_state(session, cycle).labels, gate_state(session, cycle).open) == (1, 1)
    items[1].state, items[1].closed_at = ReviewState.DONE, items[0].closed_at
    items[1].expected = items[1].category = RIGHT
    session.flush()
    assert [item.id for item in settled_items(session, cycle.id)] == [item.id for item in items]


def test_all_attempts_of_a_cycle_are_judged_by_the_same_queries(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = compared(session, workshop, right=LOSES)
    for number in range(40):
        session.add(
            Prediction(
                client_id=workshop.client.id,
                model_id=workshop.model.id,
                version_id=gate.production.id,
                digest=gate.production.digest,
                messages=[{"role": "user", "content": f"since then {number}"}],
                answer=RIGHT,
            )
        )
    session.flush()
    before = gate_queries(session, cycle=reload(session, gate), model=workshop.model, limit=500)
    at_work()
    after = gate_queries(session, cycle=reload(session, gate), model=workshop.model, limit=500)
    assert [each.id for each in after] == [each.id for each in before]
