"""Golden items wear out: what the last comparison used is used again by at most half."""

from uuid import UUID

import pytest

from tests.support.cycles import Workshop, make_workshop
from tuneloop.evaluation.comparison import compare_runs
from tuneloop.evaluation.golden_exposure import note_looks, renew
from tuneloop.kit.db import Database
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.policy import Policy
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import Agency, CycleState, RetrainingCycle


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order"] * 40)


def ended(session: TenantSession, workshop: Workshop) -> RetrainingCycle:
    return workshop.cycle(session, CycleState.REJECTED)


def ids(workshop: Workshop, first: int, last: int) -> list[UUID]:
    return [example.id for example in workshop.examples[first:last]]


def test_a_first_comparison_uses_everything(session: TenantSession, workshop: Workshop) -> None:
    found = renew(session, cycle=ended(session, workshop), items=ids(workshop, 0, 40), share=0.5)
    assert (len(found.used), found.seen, found.missing, found.reasons) == (40, 0, 0, [])


def test_at_most_half_was_used_by_the_last_comparison(session: TenantSession, workshop: Workshop) -> None:
    note_looks(session, cycle=ended(session, workshop), items=ids(workshop, 0, 30))
    cycle = ended(session, workshop)
    found = renew(session, cycle=cycle, items=ids(workshop, 0, 40), share=0.5)
    assert set(ids(workshop, 30, 40)) <= found.used
    assert (len(found.used), found.seen, found.missing) == (20, 30, 20)
    assert "used 30 of the 40 golden items, so 20 count now; add 20 new" in found.reasons[0]
    assert renew(session, cycle=cycle, items=ids(workshop, 0, 40), share=0.5).used == found.used
    assert len(renew(session, cycle=cycle, items=ids(workshop, 0, 40), share=0.0).used) == 40
    only_new = renew(session, cycle=cycle, items=ids(workshop, 0, 40), share=1.0)
    assert only_new.used == frozenset(ids(workshop, 30, 40))


def test_items_rest_and_come_back(session: TenantSession, workshop: Workshop) -> None:
    note_looks(session, cycle=ended(session, workshop), items=ids(workshop, 0, 20))
    note_looks(session, cycle=ended(session, workshop), items=ids(workshop, 20, 40))
    found = renew(session, cycle=ended(session, workshop), items=ids(workshop, 0, 40), share=0.5)
    assert (len(found.used), found.seen, found.missing) == (40, 20, 0)


def test_later_looks_of_a_cycle_use_the_same_items(session: TenantSession, workshop: Workshop) -> None:
    cycle = ended(session, workshop)
    for _ in range(2):
        note_looks(session, cycle=cycle, items=ids(workshop, 0, 40))
        assert len(renew(session, cycle=cycle, items=ids(workshop, 0, 40), share=0.5).used) == 40


def test_worn_out_items_prove_nothing_and_the_verdict_says_so(session: TenantSession, workshop: Workshop) -> None:
    right = [True] * 40
    runs = [workshop.run(session, workshop.version(session, number), right) for number in ("1.0", "1.1")]
    cycles = [ended(session, workshop) for _ in range(2)]
    first, second = (
        compare_runs(session, cycle=cycle, production=runs[0], candidate=runs[1], target=[], policy=Policy())
        for cycle in cycles
    )
    assert first.table["rows"][0]["n"] == 40
    assert second.table["renewal"] == {"items": 40, "used": 0, "seen": 40, "missing": 40}
    assert second.outcome == Outcome.NEED_MORE_LABELS
    assert "add 40 new golden examples" in second.reasons[-1]
    assert (second.table["rows"], second.table["categories"]) == ([], [])
