"""Side by side: only what is comparable is compared, and every number in the table can be counted by hand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from scipy.stats import binom

from tests.support.cycles import Workshop, make_workshop
from tests.support.factories import make_base
from tuneloop.evaluation.comparison import compare_runs, gate_policy, judge, measure
from tuneloop.evaluation.service import describe_run, record_run
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.policy import Policy
from tuneloop.stats.gate_tests import CheckResult
from tuneloop.stats.outcome import Outcome
from tuneloop.stats.paired import PairedCounts
from tuneloop.tables import Agency, Comparison, EvalRun, Pool, RegisteredModel, Snapshot, SnapshotItem

OLD, NEW = "order", "rental"
CATEGORIES = [OLD] * 20 + [NEW] * 10
# Of 20 old items production has 18 right; the candidate breaks 1 of these and fixes 1 of the other 2.
# Of 10 new items production has 2 right; the candidate keeps these and fixes 7.
PRODUCTION = [True] * 18 + [False] * 2 + [True] * 2 + [False] * 8
CANDIDATE = [False] + [True] * 17 + [True, False] + [True] * 9 + [False]


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, CATEGORIES)


def compare(
    session: TenantSession, workshop: Workshop, production: EvalRun, candidate: EvalRun, policy: Policy | None = None
) -> Comparison:
    return compare_runs(
        session,
        cycle=workshop.cycle(session),
        production=production,
        candidate=candidate,
        target=[NEW],
        policy=policy or Policy(),
    )


@pytest.fixture
def runs(session: TenantSession, workshop: Workshop) -> tuple[EvalRun, EvalRun]:
    return (
        workshop.run(session, workshop.version(session, "1.0"), PRODUCTION),
        workshop.run(session, workshop.version(session, "1.1"), CANDIDATE),
    )


def wilson(correct: int, n: int) -> tuple[float, float]:
    """As in the textbook, written out."""
    z, p = 1.959963984540054, correct / n
    middle, root = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return (middle - root) / (1 + z * z / n), (middle + root) / (1 + z * z / n)


def mid_p(fixed: int, broken: int) -> float:
    n, k = fixed + broken, max(fixed, broken)
    return float(min(1.0, 2 * (binom.sf(k, n, 0.5) + 0.5 * binom.pmf(k, n, 0.5))))


@pytest.mark.parametrize(
    ("key", "n", "production", "candidate", "fixed", "broken"),
    [("overall", 30, 20, 27, 8, 1), ("target", 10, 2, 9, 7, 0), ("strong", 20, 18, 18, 1, 1)],
)
def test_each_row_of_the_table_is_what_one_counts(
    session: TenantSession,
    workshop: Workshop,
    runs: tuple[EvalRun, EvalRun],
    key: str,
    n: int,
    production: int,
    candidate: int,
    fixed: int,
    broken: int,
) -> None:
    rows = {row["key"]: row for row in compare(session, workshop, *runs).table["rows"]}
    row = rows[key]
    assert (row["n"], row["fixed"], row["broken"]) == (n, fixed, broken)
    for side, correct in (("production", production), ("candidate", candidate)):
        low, high = wilson(correct, n)
        assert row[side] == {
            "value": pytest.approx(correct / n),
            "n": n,
            "low": pytest.approx(low),
            "high": pytest.approx(high),
        }
    assert row["difference"]["value"] == pytest.approx((candidate - production) / n)
    assert row["difference"]["low"] < row["difference"]["value"] < row["difference"]["high"]
    assert row["p_value"] == pytest.approx(mid_p(fixed, broken))


def test_the_table_lists_the_items_that_changed(
    session: TenantSession, workshop: Workshop, runs: tuple[EvalRun, EvalRun]
) -> None:
    table = compare(session, workshop, *runs).table
    assert [item["example_id"] for item in table["broken"]] == [str(workshop.examples[0].id)]
    assert len(table["fixed"]) == 8
    assert table["broken"][0] == {
        "example_id": str(workshop.examples[0].id),
        "category": OLD,
        "expected": OLD,
        "production": OLD,
        "candidate": "wrong",
    }
    assert table["target"] == [NEW]
    assert [(row["key"], row["n"]) for row in table["categories"]] == [(OLD, 20), (NEW, 10)]


def test_the_fault_row_counts_faults_not_their_absence(session: TenantSession, workshop: Workshop) -> None:
    """Of a model that writes: an answer outside a classifier's labels is a wrong one, and counted as that."""
    contract = Contract(task=Task.GENERATE, system_prompt="Answer.")
    made: list[EvalRun] = []
    for number, faults in (("1.0", 6), ("1.1", 2)):
        results = [
            workshop.answer(example, True, hallucinated=place < faults)
            for place, example in enumerate(workshop.examples)
        ]
        version = workshop.version(session, number)
        made.append(
            record_run(session, version=version, snapshot=workshop.golden, results=results, reused=0, seconds=1.0)
        )
    asked: dict[str, Any] = {
        "cycle": workshop.cycle(session),
        "production": made[0],
        "candidate": made[1],
        "target": [NEW],
    }
    assert measure(session, **asked).strata.hallucination is None
    session.get_one(RegisteredModel, workshop.model.id).contract = contract.model_dump(mode="json")
    table = compare_runs(session, **asked, policy=Policy()).table
    (row,) = [row for row in table["rows"] if row["key"] == "hallucination"]
    assert row["production"]["value"] == pytest.approx(6 / 30)
    assert row["candidate"]["value"] == pytest.approx(2 / 30)
    assert row["difference"]["value"] == pytest.approx(-4 / 30)
    assert row["difference"]["high"] < 0.05
    assert (row["fixed"], row["broken"]) == (4, 0)


def test_every_rate_has_n_and_interval(
    session: TenantSession, workshop: Workshop, runs: tuple[EvalRun, EvalRun]
) -> None:
    table = compare(session, workshop, *runs).table
    described = describe_run(runs[0], {"order": "delivery"})
    rates = [row[side] for row in table["rows"] + table["categories"] for side in ("production", "candidate")]
    rates += [described["overall"], described["hallucination"], *described["categories"].values()]
    rates += described["groups"].values()
    assert all(set(rate) == {"value", "n", "low", "high"} for rate in rates)
    assert all(0 <= rate["low"] <= rate["value"] <= rate["high"] <= 1 for rate in rates)


def test_a_group_pools_its_categories(session: TenantSession, runs: tuple[EvalRun, EvalRun]) -> None:
    counted = runs[0].categories
    groups = describe_run(runs[0], dict.fromkeys(counted, "all"))["groups"]
    assert groups["all"]["n"] == runs[0].n
    assert groups["all"]["value"] == pytest.approx(runs[0].correct / runs[0].n)


def test_too_few_items_ask_for_labels_instead_of_guessing(
    session: TenantSession, workshop: Workshop, runs: tuple[EvalRun, EvalRun]
) -> None:
    comparison = compare(session, workshop, *runs)
    assert comparison.outcome == Outcome.NEED_MORE_LABELS
    assert comparison.labels_needed is not None
    assert comparison.labels_needed > 0
    assert comparison.reasons


def test_a_clear_loss_is_rejected_with_reasons(session: TenantSession, workshop: Workshop) -> None:
    good = workshop.run(session, workshop.version(session, "1.0"), [True] * 30)
    bad = workshop.run(session, workshop.version(session, "1.1"), [False] * 30)
    comparison = compare(session, workshop, good, bad)
    assert (comparison.outcome, comparison.labels_needed) == (Outcome.REJECT, None)
    assert comparison.reasons
    assert (comparison.production_digest, comparison.candidate_digest) == (good.digest, bad.digest)


def test_a_later_attempt_needs_a_stronger_proof(
    session: TenantSession, workshop: Workshop, runs: tuple[EvalRun, EvalRun]
) -> None:
    """7 fixed and none broken of the target: p = 0.004 by mid-p, under 0.04 and 0.005; without one of them 0.008."""
    measured = measure(session, cycle=workshop.cycle(session), production=runs[0], candidate=runs[1], target=[NEW])
    weaker = replace(measured, strata=replace(measured.strata, target=PairedCounts(3, 6, 0, 1)))
    found = [
        judge(each, target=[NEW], policy=Policy(), attempt=attempt)[0].checks[1].finding
        for each in (measured, weaker)
        for attempt in (1, 2)
    ]
    assert found == [CheckResult.PROVEN, CheckResult.PROVEN, CheckResult.PROVEN, CheckResult.OPEN]


def test_the_model_s_policy_is_the_gate_s() -> None:
    policy = Policy(overall_margin=0.01, strong_margin=0.02, category_margin=0.03, hallucination_margin=0.04)
    gate = gate_policy(policy.model_copy(update={"worthwhile_gain": 0.06, "significance": 0.07}))
    assert (gate.overall_margin, gate.strong_margin, gate.category_loss) == (0.01, 0.02, 0.03)
    assert (gate.hallucination_margin, gate.worthwhile_gain) == (0.04, 0.06)
    assert gate.alpha == pytest.approx(0.8 * 0.07)


def test_another_engine_is_not_comparable(session: TenantSession, workshop: Workshop) -> None:
    production = workshop.run(session, workshop.version(session, "1.0"), PRODUCTION)
    candidate = workshop.run(session, workshop.version(session, "1.1", engine="llama 2"), CANDIDATE)
    with pytest.raises(Conflict, match="different engines"):
        compare(session, workshop, production, candidate)


def test_another_base_file_is_not_comparable(session: TenantSession, database: Database, workshop: Workshop) -> None:
    other = make_base(database, "other")
    other.gguf_sha256 = "9" * 64
    production = workshop.run(session, workshop.version(session, "1.0"), PRODUCTION)
    candidate = workshop.run(session, workshop.version(session, "1.1", base=other), CANDIDATE)
    with pytest.raises(Conflict, match="different base files or quantisations"):
        compare(session, workshop, production, candidate)


def _same_items(session: TenantSession, workshop: Workshop, positions: Sequence[int]) -> Snapshot:
    snapshot = Snapshot(
        client_id=workshop.client.id,
        model_id=workshop.model.id,
        pool=Pool.GOLDEN,
        digest="8" * 64,
        size=len(positions),
        categories={},
    )
    session.add(snapshot)
    session.flush()
    for place, position in enumerate(positions):
        session.add(
            SnapshotItem(
                client_id=workshop.client.id,
                snapshot_id=snapshot.id,
                example_id=workshop.examples[position].id,
                position=place,
            )
        )
    session.flush()
    return snapshot


def test_another_snapshot_is_not_comparable(session: TenantSession, workshop: Workshop) -> None:
    production = workshop.run(session, workshop.version(session, "1.0"), PRODUCTION)
    other = _same_items(session, workshop, range(30))
    candidate = workshop.run(session, workshop.version(session, "1.1"), CANDIDATE, snapshot=other)
    with pytest.raises(Conflict, match="different examples"):
        compare(session, workshop, production, candidate)


def test_a_run_has_the_snapshot_s_items_in_its_order(session: TenantSession, workshop: Workshop) -> None:
    reordered = _same_items(session, workshop, [*range(1, 30), 0])
    with pytest.raises(Conflict, match="not those of the snapshot"):
        workshop.run(session, workshop.version(session, "1.0"), PRODUCTION, snapshot=reordered)


def test_a_run_of_nothing_is_refused(session: TenantSession, workshop: Workshop) -> None:
    empty = _same_items(session, workshop, [])
    with pytest.raises(InvalidInput, match="at least one example"):
        record_run(session, version=workshop.version(session, "1.0"), snapshot=empty, results=[], reused=0, seconds=0.0)
