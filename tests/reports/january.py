"""A client whose January 2026 has everything in it: traffic, labels, a fall, an alert, a retrain, a new version."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlmodel import Session

from tests.support.cycles import Workshop, make_workshop
from tuneloop.evaluation.service import rate_of
from tuneloop.kit.db import Database
from tuneloop.stats.control_charts import DriftChart
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    ActorKind,
    AdapterVersion,
    Agency,
    Alert,
    AlertState,
    AuditEvent,
    Client,
    Comparison,
    CycleState,
    Example,
    Feedback,
    FeedbackKind,
    Monitor,
    Pool,
    Prediction,
    Reading,
    RetrainingCycle,
    Schedule,
    ScheduledTask,
    Source,
    Trigger,
)


def day(month: int, number: int, hour: int = 12, year: int = 2026) -> datetime:
    return datetime(year, month, number, hour, tzinfo=UTC)


class January(NamedTuple):
    workshop: Workshop
    versions: tuple[AdapterVersion, AdapterVersion]


def make_january(database: Database, agency: Agency, *, base: str = "tiny") -> January:
    workshop = make_workshop(database, agency, ["order"] * 6 + ["repair"] * 4, base=base)
    with database.unit(agency.id) as session:
        client = session.get_one(Client, workshop.client.id)
        client.contacts = [
            {"name": "Ann", "email": "ann@client.example"},
            {"name": "Bo", "email": "bo@client.example"},
        ]
        workshop.model.created_at = day(6, 1, year=2025)
        old, new = workshop.version(session, "1.2"), workshop.version(session, "1.3")
        session.add_all([client, workshop.model])
        runs = [workshop.run(session, old, [True] * 7 + [False] * 3), workshop.run(session, new, [True] * 10)]
        _deployed(session, workshop, old, day(12, 1, year=2025))
        monitor = Monitor(
            client_id=client.id,
            model_id=workshop.model.id,
            version_id=old.id,
            baseline_run_id=runs[0].id,
            charts={"labels": DriftChart((90, 100)).to_dict()},
            read_until=day(1, 31),
        )
        session.add(monitor)
        session.flush()
        for at, right, n in (
            (day(12, 10, year=2025), 80, 100),
            (day(12, 31, 23, year=2025), 4, 5),
            (day(1, 1, 0), 45, 50),
            (day(1, 20), 46, 50),
            (day(2, 1, 0), 1, 40),
        ):
            session.add(_reading(workshop, monitor, at, right, n))
        _traffic(session, workshop, old)
        alert = Alert(
            client_id=client.id,
            model_id=workshop.model.id,
            monitor_id=monitor.id,
            summary="Accuracy fell.",
            evidence={
                "baseline": rate_of(Rate(90, 100)),
                "current": rate_of(Rate(60, 80)),
                "fallen": ["<b>repair</b>"],
            },
            opened_at=day(1, 8),
            state=AlertState.RESOLVED,
            resolved_at=day(1, 22),
            resolution="v1.3 was deployed",
        )
        session.add(alert)
        session.flush()
        _retrain(session, workshop, alert, old, new, [run.id for run in runs])
        _deployed(session, workshop, new, day(1, 21))
        session.add_all(_collected(workshop))
        session.add(
            Schedule(
                client_id=client.id,
                model_id=workshop.model.id,
                task=ScheduledTask.READING,
                every_days=7,
                next_at=day(2, 7),
            )
        )
    return January(workshop, (old, new))


def _reading(workshop: Workshop, monitor: Monitor, at: datetime, right: int, n: int) -> Reading:
    rate = rate_of(Rate(right, n))
    return Reading(
        client_id=workshop.client.id,
        model_id=workshop.model.id,
        monitor_id=monitor.id,
        at=at,
        stream="labels",
        n=n,
        value=rate["value"],
        detail={"accuracy": rate, "categories": {"order": rate_of(Rate(right // 2, n // 2))}},
    )


def _traffic(session: Session, workshop: Workshop, version: AdapterVersion) -> None:
    """Ten answers in January, two of them reported; one in December and one in February."""
    moments = [day(12, 31, 23, 2025), *(day(1, 3) + timedelta(hours=place) for place in range(10)), day(2, 1, 0)]
    answers = [
        Prediction(
            client_id=workshop.client.id,
            model_id=workshop.model.id,
            version_id=version.id,
            digest=version.digest,
            at=at,
            messages=[{"role": "user", "content": "Where is it?"}],
            answer="order",
            confidence=0.8,
        )
        for at in moments
    ]
    session.add_all(answers)
    session.flush()
    for answer, kind in ((answers[1], FeedbackKind.ERROR), (answers[2], FeedbackKind.CORRECTION)):
        session.add(
            Feedback(
                client_id=workshop.client.id,
                model_id=workshop.model.id,
                prediction_id=answer.id,
                kind=kind,
                at=day(1, 5),
            )
        )


def _retrain(
    session: Session, workshop: Workshop, alert: Alert, old: AdapterVersion, new: AdapterVersion, runs: list[Any]
) -> None:
    cycle = RetrainingCycle(
        client_id=workshop.client.id,
        model_id=workshop.model.id,
        state=CycleState.DEPLOYED,
        trigger=Trigger.ALERT,
        alert_id=alert.id,
        parent_version_id=old.id,
        candidate_version_id=new.id,
        training_snapshot_id=workshop.golden.id,
        golden_snapshot_id=workshop.golden.id,
        recipe={},
        created_at=day(1, 10),
        updated_at=day(1, 21),
    )
    session.add(cycle)
    session.flush()
    session.add(
        Comparison(
            client_id=workshop.client.id,
            cycle_id=cycle.id,
            production_run_id=runs[0],
            candidate_run_id=runs[1],
            production_digest=old.digest,
            candidate_digest=new.digest,
            table={
                "rows": [
                    {
                        "key": "overall",
                        "title": "Overall accuracy",
                        "n": 10,
                        "production": rate_of(Rate(7, 10)),
                        "candidate": rate_of(Rate(10, 10)),
                        "difference": {"value": 0.3, "low": 0.01, "high": 0.6},
                        "fixed": 3,
                        "broken": 0,
                        "p_value": 0.12,
                    }
                ],
                "fixed": [
                    {
                        "example_id": str(workshop.examples[8].id),
                        "category": "repair",
                        "expected": "repair",
                        "production": "order",
                        "candidate": "repair",
                    }
                ],
                "broken": [],
            },
            outcome="promote",
            reasons=[],
        )
    )


def _deployed(session: Session, workshop: Workshop, version: AdapterVersion, at: datetime) -> None:
    session.add(
        AuditEvent(
            at=at,
            actor_kind=ActorKind.SYSTEM,
            actor_name="test",
            origin="test",
            action="version.deploy",
            subject_kind="model",
            subject_id=str(workshop.model.id),
            client_id=workshop.client.id,
            detail={"digest": version.digest, "number": version.number, "before": None},
        )
    )


def _collected(workshop: Workshop) -> list[Example]:
    return [
        Example(
            client_id=workshop.client.id,
            model_id=workshop.model.id,
            pool=Pool.TRAINING,
            messages=[{"role": "user", "content": f"new {place}"}],
            expected="repair",
            category="repair",
            source=source,
            content_hash=f"{100 + place:064x}",
            minhash=b"",
            added_at=at,
        )
        for place, (source, at) in enumerate(
            [
                (Source.CORRECTION, day(1, 4)),
                (Source.CORRECTION, day(1, 5)),
                (Source.REVIEWED, day(1, 6)),
                (Source.REVIEWED, day(2, 1, 0)),
            ]
        )
    ]
