"""The gate looks at labelled disagreements as they come, and stops as soon as it can."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from tests.retraining.gating import Gate, Work, make_gate, reload
from tests.support.cycles import Workshop, make_workshop
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, NotAllowed
from tuneloop.kit.jobs import JobRow
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.retraining.approvals import questions
from tuneloop.retraining.attempts import comparison_of
from tuneloop.retraining.service import approve_promotion, reject
from tuneloop.retraining.verdicts import gate_state
from tuneloop.stats.gate import LABELS_A_LOOK
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import (
    Agency,
    ApprovalKind,
    AuditEvent,
    CycleState,
    Decision,
    Example,
    GateLook,
    Pool,
    ReviewItem,
    ReviewState,
    Source,
)


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order"] * 120)


def states(session: TenantSession, gate: Gate) -> set[ReviewState]:
    return {item.state for item in session.exec(select(ReviewItem).where(ReviewItem.cycle_id == gate.cycle_id))}


def test_labels_turn_an_open_verdict_into_a_promotion(
    session: TenantSession, workshop: Workshop, operator: Principal, at_work: Work
) -> None:
    gate = make_gate(session, workshop, queries=1000, disagreements=60)
    assert at_work() == 1
    cycle = reload(session, gate)
    state = gate_state(session, cycle)
    assert (cycle.state, state.outcome) == (CycleState.AWAITING_PROMOTION, Outcome.NEED_MORE_LABELS)
    assert (state.queries, state.disagreements, state.open, state.labels_used) == (1000, 60, 60, 0)
    assert state.waits_for_labels
    with pytest.raises(NotAllowed):
        approve_promotion(session, principal=operator, cycle_id=cycle.id, digest=gate.candidate.digest, note="now")

    (question,) = questions(session, cycle.id)
    question.expires_at = now() - timedelta(hours=1)
    looks = 1
    while gate_state(session, cycle).outcome is Outcome.NEED_MORE_LABELS:
        gate.label(session, operator, [True] * (LABELS_A_LOOK - 1))
        assert at_work() == 0
        gate.label(session, operator, [True])
        assert at_work() == 1
        looks += 1
    state = gate_state(session, cycle)
    assert state.outcome is Outcome.PROMOTE
    assert [look.labels for look in state.looks] == [LABELS_A_LOOK * look for look in range(looks)]
    assert state.labels_used < 40
    assert state.decision is not None
    assert state.decision["overall"]["non_inferior"]
    assert states(session, gate) == {ReviewState.DONE, ReviewState.SKIPPED}
    approve_promotion(session, principal=operator, cycle_id=cycle.id, digest=gate.candidate.digest)
    assert questions(session, cycle.id)[0].decision is Decision.APPROVED


def test_a_harm_that_labels_prove_answers_the_question(
    session: TenantSession, workshop: Workshop, operator: Principal, owner: Principal, at_work: Work
) -> None:
    gate = make_gate(session, workshop, queries=1000, disagreements=100)
    at_work()
    while reload(session, gate).state is CycleState.AWAITING_PROMOTION:
        gate.label(session, operator, [False] * LABELS_A_LOOK)
        assert at_work() == 1
    (question,) = questions(session, gate.cycle_id)
    assert (question.decision, question.decided_by) == (Decision.REJECTED, "the gate")
    assert reload(session, gate).state is CycleState.REJECTED
    assert "proven" in (question.note or "")
    assert ReviewState.OPEN not in states(session, gate)
    assert at_work() == 1
    learned_from(session, gate)
    with pytest.raises(Conflict, match="already rejected by the gate"):
        approve_promotion(
            session, principal=owner, cycle_id=gate.cycle_id, digest=gate.candidate.digest, note="I insist"
        )


def learned_from(session: TenantSession, gate: Gate) -> None:
    """The labels measured, and train now: once checked, and never counted as accuracy."""
    labelled = session.exec(
        select(ReviewItem).where(ReviewItem.cycle_id == gate.cycle_id, ReviewItem.state == ReviewState.DONE)
    ).all()
    examples = [session.get_one(Example, item.example_id) for item in labelled]
    assert len(examples) >= LABELS_A_LOOK
    for item, example in zip(labelled, examples, strict=True):
        assert (example.pool, example.source, example.checked_at) == (Pool.TRAINING, Source.REVIEWED, None)
        assert (example.expected, example.prediction_id) == (item.expected, item.prediction_id)
        moves = session.exec(select(AuditEvent.action).where(AuditEvent.subject_id == str(example.id))).all()
        assert sorted(moves) == ["example.add", "example.retire"]


def test_a_harm_that_the_golden_set_proves_asks_nobody(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = make_gate(session, workshop, queries=1000, disagreements=100, right=[False] * 40 + [True] * 80)
    at_work()
    assert reload(session, gate).state is CycleState.REJECTED
    assert questions(session, gate.cycle_id) == []
    assert states(session, gate) == {ReviewState.SKIPPED}


def test_so_few_disagreements_that_none_can_matter_ask_nobody(
    session: TenantSession, workshop: Workshop, operator: Principal, at_work: Work
) -> None:
    gate = make_gate(session, workshop, queries=1000, disagreements=7)
    at_work()
    assert gate_state(session, reload(session, gate)).outcome is Outcome.PROMOTE
    assert states(session, gate) == {ReviewState.SKIPPED}
    approve_promotion(session, principal=operator, cycle_id=gate.cycle_id, digest=gate.candidate.digest)


def test_a_human_no_leaves_nothing_to_label_and_no_further_look(
    session: TenantSession, workshop: Workshop, operator: Principal, at_work: Work
) -> None:
    gate = make_gate(session, workshop, queries=1000, disagreements=60)
    at_work()
    gate.label(session, operator, [True] * LABELS_A_LOOK)
    reject(session, principal=operator, cycle_id=gate.cycle_id, digest=gate.candidate.digest)
    assert at_work() == 2  # the look that was due, which finds nothing to do, and what the labels teach
    learned_from(session, gate)
    latest = comparison_of(session, gate.cycle_id)
    assert latest is not None
    assert latest.look == 1
    assert ReviewState.OPEN not in states(session, gate)


def test_looks_note_the_golden_items_once(
    session: TenantSession, workshop: Workshop, operator: Principal, at_work: Work
) -> None:
    gate = make_gate(session, workshop, queries=1000, disagreements=60)
    at_work()
    gate.label(session, operator, [True] * LABELS_A_LOOK)
    at_work()
    assert len(session.exec(select(GateLook.id).where(GateLook.cycle_id == gate.cycle_id)).all()) == 120


def test_the_api_shows_the_gate(
    session: TenantSession, workshop: Workshop, operator: Principal, at_work: Work, api: Any
) -> None:
    gate = make_gate(session, workshop, queries=1000, disagreements=60)
    at_work()
    gate.label(session, operator, [True, False, True, True, True])
    at_work()
    session.flush()
    found = api.get(f"/api/v1/cycles/{gate.cycle_id}/gate").json()
    assert [look["labels"] for look in found["looks"]] == [0, 5]
    assert (found["labels"], found["open"], found["budget"]) == (5, 55, 100)
    assert [item["expected"] for item in found["items"]] == ["refund", "order", "refund", "refund", "refund"]
    overall = found["decision"]["overall"]["difference"]
    assert overall["low"] < overall["value"] < overall["high"]
    cycle = api.get(f"/api/v1/cycles/{gate.cycle_id}").json()
    assert cycle["comparison"]["look"] == 2
    assert ApprovalKind(cycle["questions"][0]["kind"]) is ApprovalKind.PROMOTION
    assert session.exec(select(JobRow).where(col(JobRow.name) == "retraining.rejudge")).all()
