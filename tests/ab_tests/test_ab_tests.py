"""A/B tests through the API: who may start one and when, what ends it, what a reading finds and does."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from litestar.testing import TestClient
from sqlmodel import col, select

from tests.support.cycles import make_workshop
from tests.support.factories import make_key
from tests.support.runtime import silent_runtime
from tuneloop.ab_tests.jobs import ReadAbTest
from tuneloop.ab_tests.reading import READINGS, ask_about
from tuneloop.gateway.ab_assignment import Split
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState, enqueue, perform
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import (
    AbTest,
    AdapterVersion,
    Agency,
    Approval,
    Arm,
    AuditEvent,
    BaseModel,
    CycleState,
    Feedback,
    FeedbackKind,
    Prediction,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    Role,
    ServiceUse,
)

Http = TestClient[Any]


class Stage:
    """A judged candidate, and the worker that does what is due."""

    def __init__(self, api: Http, database: Database, agency: Agency, storage: Storage, folder: Any) -> None:
        self.api, self.database, self.agency = api, database, agency
        self._storage, self._folder = storage, folder
        self.workshop = make_workshop(database, agency, ["order", "refund"])
        self.served_by("http://127.0.0.1:1")
        self.cycle_id = UUID(int=0)
        self.digest = ""

    def served_by(self, upstream_url: str | None) -> None:
        with self.database.all_agencies() as session:
            session.get_one(BaseModel, self.workshop.base.id).upstream_url = upstream_url

    def judged(self, outcome: str = "promote") -> None:
        with self.database.unit(self.agency.id) as session:
            self.cycle_id = self.workshop.judged(session, outcome)
            cycle = session.get_one(RetrainingCycle, self.cycle_id)
            self.digest = session.get_one(AdapterVersion, cycle.candidate_version_id).digest

    def start(self, status: int = 201, **more: Any) -> dict[str, Any]:
        answer = self.api.post(f"/api/v1/cycles/{self.cycle_id}/ab-tests", json={"digest": self.digest} | more)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def status(self) -> dict[str, Any]:
        return dict(self.api.get(f"/api/v1/cycles/{self.cycle_id}/ab-tests").json()[0])

    def work(self, *names: str) -> None:
        """Run what is queued under these names; nothing listens where the serving host should be."""
        settings = Settings(data_dir=self._folder, serve_url="http://127.0.0.1:1")
        runtime = silent_runtime(self.database, self._storage, settings)
        with self.database.unit(self.agency.id) as session:
            query = select(JobRow.id).where(col(JobRow.name).in_(names), JobRow.state == JobState.QUEUED)
            jobs = list(session.exec(query))
        for job in jobs:
            runtime.run(job)

    def running(self, **more: Any) -> UUID:
        test_id = UUID(self.start(**more)["id"])
        self.work("ab_test.begin")
        assert self.status()["state"] == "running"
        return test_id

    def look(self, test_id: UUID) -> dict[str, Any]:
        with self.database.unit(self.agency.id) as session:
            enqueue(session, ReadAbTest(ab_test_id=test_id), agency_id=self.agency.id)
        self.work(ReadAbTest.name)
        return self.status()

    def answers(self, test_id: UUID, people: int, *, wrong: dict[Arm, int], reports: dict[Arm, int]) -> None:
        """One answer each; every n-th of an arm is wrong, every n-th is reported (0: none)."""
        with self.database.unit(self.agency.id) as session:
            test = session.get_one(AbTest, test_id)
            split = Split(test.id, test.share, now())
            version = {Arm.PRODUCTION: test.production_version_id, Arm.CANDIDATE: test.candidate_version_id}
            seen, reported = dict.fromkeys(Arm, 0), list[Prediction]()
            digests = {arm: session.get_one(AdapterVersion, version[arm]).digest for arm in Arm}
            for number in range(people):
                arm = split.of(f"person {number}").arm
                seen[arm] += 1
                bad = wrong[arm] and seen[arm] % wrong[arm] == 0
                row = Prediction(
                    client_id=test.client_id,
                    model_id=test.model_id,
                    version_id=version[arm],
                    digest=digests[arm],
                    messages=[{"role": "user", "content": f"where is parcel {number} that I sent"}],
                    answer="refund" if bad else "order",
                    end_user=f"person {number}",
                    ab_test_id=test.id,
                    arm=arm,
                )
                session.add(row)
                if reports[arm] and seen[arm] % reports[arm] == 0:
                    reported.append(row)
            session.flush()
            session.add_all(
                Feedback(client_id=row.client_id, model_id=row.model_id, prediction_id=row.id, kind=FeedbackKind.ERROR)
                for row in reported
            )

    def label(self, test_id: UUID) -> int:
        """Answer everything in the queue, by the API; the truth is always `order`."""
        with self.database.unit(self.agency.id) as session:
            query = select(ReviewItem.id).where(ReviewItem.state == ReviewState.OPEN)
            items = list(session.exec(query))
        for item in items:
            answer = self.api.post(f"/api/v1/review/{item}/label", json={"expected": "order"})
            assert answer.status_code < 300, answer.text
        return len(items)


NONE = dict.fromkeys(Arm, 0)


@pytest.fixture
def stage(api: Http, database: Database, agency: Agency, storage: Storage, tmp_path: Any) -> Stage:
    return Stage(api, database, agency, storage, tmp_path)


def test_a_test_begins_once_the_host_is_ready_and_gives_people_time_to_decide(stage: Stage) -> None:
    stage.judged()
    started = stage.start(share=0.3, days=7)
    assert (started["state"], started["candidate"]) == ("starting", "acme/support@v1.1")
    again = stage.start(409)
    assert "already" not in again["error"]["message"]
    assert "stop it first" in again["error"]["message"]
    with stage.database.unit(stage.agency.id) as session:
        asked = session.exec(select(Approval)).one()
        assert asked.expires_at > now() + timedelta(days=9)
    stage.work("ab_test.begin")
    running = stage.status()
    assert (running["state"], running["share"]) == ("running", 0.3)
    stopped = stage.api.post(f"/api/v1/ab-tests/{running['id']}/stop", json={"reason": "enough seen"})
    assert stopped.status_code == 201
    assert (stopped.json()["state"], stopped.json()["reason"]) == ("stopped", "enough seen")
    late = stage.api.post(f"/api/v1/ab-tests/{running['id']}/stop", json={})
    assert late.status_code == 409
    assert "already stopped by key" in late.json()["error"]["message"]
    stage.start()


def test_a_host_that_cannot_load_the_candidate_ends_the_test_before_it_began(stage: Stage) -> None:
    stage.judged()
    stage.served_by(None)
    stage.start()
    stage.work("ab_test.begin")
    assert stage.status()["state"] == "starting"
    with stage.database.unit(stage.agency.id) as session:
        job = session.exec(select(JobRow).where(JobRow.name == "ab_test.begin")).one()
        job.run_after = job.give_up_at = now() - timedelta(seconds=1)
    stage.work("ab_test.begin")
    stage.work("ab_test.give_up")
    ended = stage.status()
    assert (ended["state"], ended["began_at"]) == ("stopped", None)
    assert "the serving host does not answer" in ended["reason"]


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"share": 0.6}, 422, "5% to 50%"),
        ({"days": 0}, 422, "1 to 60 days"),
        ({"labels": 5}, 422, "10 to 1000 labels"),
        ({"digest": "9" * 64}, 409, "another version than the candidate"),
    ],
)
def test_what_makes_no_sense_is_refused_and_says_why(
    stage: Stage, change: dict[str, Any], status: int, word: str
) -> None:
    stage.judged()
    assert word in stage.start(status, **change)["error"]["message"]


def test_harmful_outdated_expired_and_decided_candidates_are_not_tested_on_people(stage: Stage) -> None:
    stage.judged("reject")
    assert "found that this candidate does harm" in stage.start(409)["error"]["message"]
    with stage.database.unit(stage.agency.id) as session:
        session.exec(select(RetrainingCycle)).one().state = CycleState.FAILED
        cycle = stage.workshop.judged(session, "need_more_labels", numbers=("1.2", "1.3"))
        stage.cycle_id = cycle
        candidate = session.get_one(RetrainingCycle, cycle).candidate_version_id
        stage.digest = session.get_one(AdapterVersion, candidate).digest
        asked = session.exec(select(Approval).where(Approval.cycle_id == cycle)).one()
        asked.expires_at = now() - timedelta(minutes=1)
    assert "has expired" in stage.start(409)["error"]["message"]
    with stage.database.unit(stage.agency.id) as session:
        session.get_one(Approval, asked.id).expires_at = now() + timedelta(hours=1)
    key = make_key(stage.database, stage.agency, role=Role.VIEWER)
    answer = stage.api.post(
        f"/api/v1/cycles/{stage.cycle_id}/ab-tests",
        json={"digest": stage.digest},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 403
    stage.start()
    rejected = stage.api.post(f"/api/v1/cycles/{stage.cycle_id}/reject", json={"digest": stage.digest})
    assert rejected.status_code == 201
    assert (stage.status()["state"], stage.status()["reason"]) == ("kept", "the candidate was rejected")
    assert "waits for promotion" in stage.start(409)["error"]["message"]


def test_a_plan_without_a_test_offers_one_at_its_price(stage: Stage) -> None:
    stage.judged()
    stage.api.post("/api/v1/plans", json={"slug": "standard", "tier": "standard"})
    stage.api.put("/api/v1/clients/acme/plan", json={"plan": "standard"})
    error = stage.start(402)["error"]
    assert error["code"] == "not_included"
    assert "tuneloop plan extra acme ab_test" in error["message"]
    assert error["details"]["price"] > 0
    extra = {"feature": "ab_test", "agreed_price": error["details"]["price"]}
    assert stage.api.post("/api/v1/clients/acme/extras", json=extra).status_code == 201
    test_id = stage.start()["id"]
    stage.api.post(f"/api/v1/ab-tests/{test_id}/stop", json={})
    with stage.database.unit(stage.agency.id) as session:
        use = session.exec(select(ServiceUse)).one()
        assert use.state == "accepted", "it never answered anybody, so the extra is still there"
    stage.running()
    with stage.database.unit(stage.agency.id) as session:
        use = session.exec(select(ServiceUse)).one()
        assert use.state == "used"
        assert use.subject is not None
        assert use.subject.startswith("ab_test:")


def test_promotion_rollback_and_time_end_it(stage: Stage) -> None:
    stage.judged()
    test_id = stage.running()
    with stage.database.unit(stage.agency.id) as session:
        session.get_one(AbTest, test_id).ends_at = now() - timedelta(minutes=1)
    assert stage.look(test_id)["state"] == "expired"
    stage.running()
    stage.api.post(f"/api/v1/cycles/{stage.cycle_id}/promote", json={"digest": stage.digest})
    assert "already approved" in stage.start(409)["error"]["message"]
    stage.work("retraining.deploy")
    ended = stage.status()
    assert (ended["state"], ended["reason"]) == ("promoted", "v1.1 went into production")
    with stage.database.unit(stage.agency.id) as session:
        assert session.get_one(RetrainingCycle, stage.cycle_id).state is CycleState.DEPLOYED
        actions = [event.action for event in session.exec(select(AuditEvent).order_by(col(AuditEvent.at)))]
        told = [action for action in actions if action.startswith("ab_test.")]
    assert told == [
        "ab_test.start",
        "ab_test.running",
        "ab_test.expired",
        "ab_test.start",
        "ab_test.running",
        "ab_test.promoted",
    ]


def test_both_arms_are_asked_about_equally_and_blind(stage: Stage) -> None:
    stage.judged()
    test_id = stage.running()
    stage.answers(test_id, 120, wrong={Arm.PRODUCTION: 6, Arm.CANDIDATE: 0}, reports=NONE)
    first = stage.look(test_id)
    assert first["reading"]["difference"]["n"] == 0
    with stage.database.unit(stage.agency.id) as session:
        items = session.exec(
            select(ReviewItem, Prediction).join(Prediction, col(Prediction.id) == ReviewItem.prediction_id)
        ).all()
        assert sorted(prediction.arm or "" for _, prediction in items) == ["candidate"] * 10 + ["production"] * 10
        assert {item.purpose for item, _ in items} == {ReviewPurpose.SAMPLE}
        assert len({(item.reason, item.stratum) for item, _ in items}) == 1
        test = session.get_one(AbTest, test_id)
        assert ask_about(session, stage.workshop.model, test) == 0
    shown = stage.api.post("/api/v1/models/acme/support/review/next", json={}).json()
    assert not {"arm", "version", "digest", "ab_test_id"} & set(str(shown).replace("'", '"').split('"'))
    assert stage.label(test_id) == 20
    seen = stage.look(test_id)
    arms = seen["reading"]["arms"]
    assert (arms["production"]["accuracy"]["n"], arms["candidate"]["accuracy"]["value"]) == (10, 1.0)
    assert arms["production"]["people"] + arms["candidate"]["people"] == 120
    found = seen["reading"]["difference"]
    assert found["low"] < found["value"] < found["high"]
    assert found["n"] == 10
    assert seen["state"] == "running"
    assert any("10 labels an arm can prove" in sentence for sentence in seen["says"])
    assert not seen["reading"]["split"]["mismatch"]


def test_proven_harm_gives_the_traffic_back_by_itself(stage: Stage) -> None:
    stage.judged()
    test_id = stage.running()
    stage.answers(test_id, 300, wrong=NONE, reports={Arm.PRODUCTION: 20, Arm.CANDIDATE: 2})
    ended = stage.look(test_id)
    assert (ended["state"], ended["ended_by"]) == ("stopped", "the guardrail")
    assert ended["reason"] == "harm is proven: more people report errors"
    assert ended["reading"]["harm"] == ["reports"]
    assert any("Harm is proven" in sentence for sentence in ended["says"])
    with stage.database.unit(stage.agency.id) as session:
        assert session.get_one(RetrainingCycle, stage.cycle_id).state is CycleState.AWAITING_PROMOTION
        assert session.exec(select(Approval)).one().decision is None
    assert stage.look(test_id)["ended_at"] == ended["ended_at"]


def test_a_split_that_is_not_as_planned_is_a_warning_and_wrong_answers_stop_the_test(stage: Stage) -> None:
    stage.judged()
    test_id = stage.running(share=0.5, labels=40)
    with stage.database.unit(stage.agency.id) as session:
        session.get_one(AbTest, test_id).began_at = now() - timedelta(days=14)
    stage.answers(test_id, 160, wrong={Arm.PRODUCTION: 0, Arm.CANDIDATE: 2}, reports=NONE)
    with stage.database.unit(stage.agency.id) as session:
        session.get_one(AbTest, test_id).share = 0.1
    seen = stage.look(test_id)
    assert seen["state"] == "running"
    assert any("The split is not as planned" in sentence for sentence in seen["says"])
    assert stage.label(test_id) >= 50
    assert stage.look(test_id)["reading"]["harm"] == ["accuracy"]


def test_a_test_can_be_read_at_once(stage: Stage) -> None:
    stage.judged()
    test_id = UUID(stage.start(share=0.5)["id"])
    early = stage.api.post(f"/api/v1/ab-tests/{test_id}/readings")
    assert early.status_code == 409
    assert "the test is starting" in early.json()["error"]["message"]
    stage.work("ab_test.begin")
    assert perform(stage.database, READINGS) == 1
    stage.answers(test_id, 40, wrong=NONE, reports=NONE)
    job = stage.api.post(f"/api/v1/ab-tests/{test_id}/readings").json()
    with stage.database.unit(stage.agency.id) as session:
        (planned,) = session.exec(select(JobRow).where(JobRow.name == ReadAbTest.name)).all()
        assert (str(planned.id), planned.run_after <= now()) == (job["id"], True)
    stage.work(ReadAbTest.name)
    assert sum(each["answers"] for each in stage.status()["reading"]["arms"].values()) == 40
    assert stage.api.post(f"/api/v1/ab-tests/{test_id}/readings").json()["state"] == "queued"


def test_the_scheduler_plans_one_reading_of_each_running_test(stage: Stage) -> None:
    stage.judged()
    stage.running()
    assert perform(stage.database, READINGS) == 1
    assert perform(stage.database, READINGS) == 0
