"""An agency in the middle of its work: four clients, months of readings, an alert, cycles at every stage."""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session

from tests.support.factories import make_base, owner_of
from tests.support.showcase_models import LABELS, digest_of
from tests.support.showcase_traffic import Maker
from tests.support.turned_down import make_turned_down
from tuneloop.ab_tests.figures import ArmCounts, Judged, figures
from tuneloop.ab_tests.service import begin, start, tests_of
from tuneloop.audit.service import record
from tuneloop.evaluation.comparison import compare_runs
from tuneloop.evaluation.service import rate_of
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.principal import Principal
from tuneloop.registry.policy import Policy
from tuneloop.registry.service import point
from tuneloop.retraining.approvals import ask
from tuneloop.shadow_tests.figures import figures as shadow_figures
from tuneloop.shadow_tests.service import begin as begin_shadow
from tuneloop.shadow_tests.service import start as start_shadow
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    AdapterVersion,
    Agency,
    Alert,
    AlertChange,
    AlertEvent,
    AlertKind,
    AlertLevel,
    Alias,
    ApprovalKind,
    Candidate,
    CycleState,
    Domain,
    MonitorStatus,
    Plan,
    Pool,
    RegisteredModel,
    RetrainingCycle,
    Snapshot,
)

WEEKS = 14
LOSSES = [[step, round(0.55 + 1.9 / (1 + step / 6), 3)] for step in range(1, 41)]


class Showcase(NamedTuple):
    """`northwind` has an open alert and a candidate that waits for promotion; the others wait, train or rest."""

    northwind: RegisteredModel
    alert_id: UUID
    promotion_id: UUID
    retrain_id: UUID
    training_id: UUID
    first_training_id: UUID
    warning_id: UUID
    turned_down_id: UUID
    again_id: UUID


def make_showcase(database: Database, agency: Agency, *, seed: int = 7) -> Showcase:
    base = make_base(database, f"tiny-{new_id()}")
    with database.unit(agency.id) as session:
        maker = Maker(session, base, seed)
        northwind, alert_id, promotion_id = _northwind(maker, agency)
        retrain_id, warning_id = _bluebird(maker, agency)
        training_id = _harbor(maker, agency)
        first_training_id = _corner(maker, agency)
        rejected = maker.client("meadow", "Meadow Furniture", Domain.ECOMMERCE, Plan.STANDARD)
        trying = maker.client("orchard", "Orchard Toys", Domain.ECOMMERCE, Plan.STANDARD)
        turned_down_id = make_turned_down(maker, agency, rejected).cycle_id
        again_id = make_turned_down(maker, agency, trying, attempts=2).cycle_id
    return Showcase(
        northwind,
        alert_id,
        promotion_id,
        retrain_id,
        training_id,
        first_training_id,
        warning_id,
        turned_down_id,
        again_id,
    )


def _northwind(maker: Maker, agency: Agency) -> tuple[RegisteredModel, UUID, UUID]:
    session, at = maker.session, now()
    model = maker.model(maker.client("northwind", "Northwind Outfitters", Domain.ECOMMERCE, Plan.STANDARD), "support")
    golden, examples = maker.golden(model, 150)
    trained = maker.snapshot(model, Pool.TRAINING, 420)
    old = [bool(each) for each in maker.random.random(150) < 0.88]
    first = maker.version(model, "1.1", trained, None, at - timedelta(weeks=WEEKS + 6))
    version = maker.version(model, "1.2", trained, first, at - timedelta(weeks=WEEKS))
    maker.evaluate(first, golden, examples, [right and place % 11 != 0 for place, right in enumerate(old)])
    run = maker.evaluate(version, golden, examples, old)
    point(session, model, Alias.PREVIOUS, first.id)
    point(session, model, Alias.PRODUCTION, version.id)
    monitor = maker.monitor(version, run, MonitorStatus.ALERT, at - timedelta(days=4))
    maker.readings(monitor, [0.88] * 9 + [0.82, 0.79, 0.78, 0.77, 0.77], labels=60, until=at - timedelta(days=1))
    maker.traffic(version, 300, sure=0.6)
    maker.schedules(model)
    before, after = Rate(run.correct, run.n), Rate(46, 60)
    summary = (
        "Accuracy on sampled traffic fell from 87 % (81-92 %, n=150) to 77 % (65-86 %, n=60). If the model had not "
        "changed, such an alarm would come less than once in 20 years. Most of it: warranty."
    )
    alert = Alert(
        client_id=model.client_id,
        model_id=model.id,
        monitor_id=monitor.id,
        kind=AlertKind.ACCURACY,
        level=AlertLevel.ALERT,
        summary=summary,
        opened_at=at - timedelta(days=4),
        evidence={
            "baseline": rate_of(before),
            "current": rate_of(after),
            "statistic": 1840.0,
            "threshold": 261.0,
            "false_alarms_a_year": 0.05,
            "categories": {label: rate_of(Rate(11 if label != "warranty" else 4, 12)) for label in LABELS},
            "fallen": ["warranty"],
            "reports": rate_of(Rate(19, 1210)),
        },
    )
    session.add(alert)
    session.flush()
    for change, days, actor, words in (
        (AlertChange.OPENED, 4, "monitor", summary),
        (AlertChange.REPEATED, 1, "monitor", "The next reading confirms it: 46 of 60 right."),
    ):
        session.add(
            AlertEvent(
                client_id=model.client_id,
                alert_id=alert.id,
                at=at - timedelta(days=days),
                change=change,
                level=AlertLevel.ALERT,
                actor=actor,
                summary=words,
            )
        )
    more = maker.snapshot(model, Pool.TRAINING, 505)
    candidate = maker.version(model, "1.3", more, version, at - timedelta(hours=3))
    better = [right or place % 3 != 1 for place, right in enumerate(old)]
    better[3] = better[57] = False
    cycle = maker.cycle(
        model, CycleState.AWAITING_PROMOTION, more, golden, parent=version, candidate=candidate, alert=alert
    )
    candidate_run = maker.evaluate(candidate, golden, examples, better)
    point(session, model, Alias.CANDIDATE, candidate.id)
    compare_runs(session, cycle=cycle, production=run, candidate=candidate_run, target=["warranty"], policy=Policy())
    maker.traffic_compared(cycle, version, candidate)
    for method, blend, right, chosen in (
        ("continue", 0.5, (37, 7), True),
        ("continue", 1.0, (35, 8), False),
        ("from_base", 1.0, (34, 7), False),
    ):
        dev = {
            "strong": {"n": 42, "correct": right[0], "score": 0.9},
            "target": {"n": 9, "correct": right[1], "score": 0.8},
        }
        row = Candidate(
            client_id=model.client_id, cycle_id=cycle.id, method=method, blend=blend, dev=dev, chosen=chosen
        )
        session.add(row)
    ask(session, cycle, ApprovalKind.PROMOTION, digest=candidate.digest, valid_for=timedelta(hours=60))
    who = owner_of(agency)
    for action, detail in (
        ("cycle.proposed", {}),
        ("approval.approved", {"kind": "retrain", "note": "Warranty is the new one, go ahead."}),
        ("cycle.training", {}),
        ("cycle.evaluating", {}),
        ("cycle.compared", {}),
        ("cycle.awaiting_promotion", {}),
    ):
        record(session, who, action, "cycle", cycle.id, client_id=model.client_id, **detail)
    return model, alert.id, cycle.id


def _bluebird(maker: Maker, agency: Agency) -> tuple[UUID, UUID]:
    session, at = maker.session, now()
    model = maker.model(maker.client("bluebird", "Bluebird Clinics", Domain.HEALTHCARE, Plan.STANDARD), "triage")
    golden, examples = maker.golden(model, 80)
    trained = maker.snapshot(model, Pool.TRAINING, 310)
    version = maker.version(model, "2.0", trained, None, at - timedelta(weeks=5))
    run = maker.evaluate(version, golden, examples, [bool(each) for each in maker.random.random(80) < 0.92])
    point(session, model, Alias.PRODUCTION, version.id)
    monitor = maker.monitor(version, run, MonitorStatus.WARN, at - timedelta(days=9))
    maker.readings(monitor, [0.91, 0.9], labels=10, until=at - timedelta(days=2))
    maker.traffic(version, 90, sure=1.0)
    maker.schedules(model)
    warning = Alert(
        client_id=model.client_id,
        model_id=model.id,
        monitor_id=monitor.id,
        kind=AlertKind.REPORTS,
        level=AlertLevel.WARN,
        summary="Users reported 2.1 % (1.4-3.1 %, n=1190) of the answers as wrong, up from 0.6 % (0.3-1.2 %, n=1240).",
        opened_at=at - timedelta(days=9),
        evidence={"reports": rate_of(Rate(25, 1190))},
    )
    session.add(warning)
    session.flush()
    return _proposed(maker, agency, model, trained, golden, version), warning.id


def _corner(maker: Maker, agency: Agency) -> UUID:
    model = maker.model(maker.client("corner", "Corner Books", Domain.ECOMMERCE, Plan.BASIC), "questions")
    golden, _ = maker.golden(model, 60)
    return _proposed(maker, agency, model, maker.snapshot(model, Pool.TRAINING, 240), golden, None)


def _proposed(
    maker: Maker,
    agency: Agency,
    model: RegisteredModel,
    training: Snapshot,
    golden: Snapshot,
    parent: AdapterVersion | None,
) -> UUID:
    cycle = maker.cycle(model, CycleState.PROPOSED, training, golden, parent=parent)
    digest, who = digest_of("plan", cycle.id), owner_of(agency)
    ask(maker.session, cycle, ApprovalKind.RETRAIN, digest=digest, valid_for=timedelta(hours=70), asked_by=who)
    record(maker.session, who, "cycle.proposed", "cycle", cycle.id, client_id=model.client_id)
    return cycle.id


def _harbor(maker: Maker, agency: Agency) -> UUID:
    session, at = maker.session, now()
    model = maker.model(maker.client("harbor", "Harbor Legal", Domain.LEGAL, Plan.STANDARD), "intake")
    golden, examples = maker.golden(model, 120)
    trained = maker.snapshot(model, Pool.TRAINING, 640)
    version = maker.version(model, "3.1", trained, None, at - timedelta(weeks=WEEKS))
    run = maker.evaluate(version, golden, examples, [bool(each) for each in maker.random.random(120) < 0.93])
    point(session, model, Alias.PRODUCTION, version.id)
    monitor = maker.monitor(version, run, MonitorStatus.OK, at - timedelta(weeks=WEEKS))
    maker.readings(monitor, [0.93] * WEEKS, labels=50, until=at - timedelta(days=3))
    maker.traffic(version, 200, sure=1.2)
    maker.schedules(model)
    cycle = maker.cycle(model, CycleState.TRAINING, trained, golden, parent=version)
    job = JobRow(
        client_id=model.client_id,
        name="retraining.train",
        queue="gpu",
        args={"cycle_id": str(cycle.id)},
        state=JobState.RUNNING,
        attempts=1,
        max_attempts=3,
        progress={"stage": "training", "step": 40, "steps": 120, "loss": 0.61, "seconds_left": 95.0, "losses": LOSSES},
        started_at=at - timedelta(minutes=2),
        lease_until=at + timedelta(hours=1),
    )
    session.add(job)
    session.flush()
    cycle.job_id = job.id
    record(session, owner_of(agency), "cycle.proposed", "cycle", cycle.id, client_id=model.client_id)
    return cycle.id


def show_ab_test(session: Session, agency: Agency, cycle_id: UUID) -> None:
    """A test of the cycle's candidate that runs."""
    cycle = session.get_one(RetrainingCycle, cycle_id)
    digest = session.get_one(AdapterVersion, cycle.candidate_version_id).digest
    start(session, principal=owner_of(agency), cycle_id=cycle_id, digest=digest)
    run_ab_test(session, cycle_id)


def show_shadow_test(session: Session, agency: Agency, cycle_id: UUID) -> None:
    """A shadow test of the cycle's candidate that runs, read once."""
    cycle = session.get_one(RetrainingCycle, cycle_id)
    digest = session.get_one(AdapterVersion, cycle.candidate_version_id).digest
    test = start_shadow(session, principal=owner_of(agency), cycle_id=cycle_id, digest=digest)
    begin_shadow(session, principal=Principal.system(test.agency_id, "worker"), test_id=test.id)
    labelled = [(False, True)] * 9 + [(True, False)] * 2 + [(False, False)] * 3
    found = shadow_figures(
        same=201, compared=231, failed=2, latency={"production": 412.0, "candidate": 96.0}, judged=labelled
    )
    test.asked, test.reading, test.read_at = 233, dict(found), now()


def run_ab_test(session: Session, cycle_id: UUID) -> None:
    """What the workers do: the traffic is split, and a reading of 40 labels an arm is taken."""
    test = tests_of(session, cycle_id)[0]
    begin(session, principal=Principal.system(test.agency_id, "worker"), test_id=test.id)
    right, wrong = Judged(correct=True, hallucinated=False), Judged(correct=False, hallucinated=False)
    production = ArmCounts(answers=1904, people=812, reporting=14, labelled=[right] * 31 + [wrong] * 9)
    candidate = ArmCounts(answers=477, people=203, reporting=2, labelled=[wrong, right, right, right, right] * 8)
    test.reading, test.read_at = dict(figures(production, candidate, share=0.2)), now()
