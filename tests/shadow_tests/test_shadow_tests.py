"""Shadow tests through the API: who may start one and when, what a reading finds and asks, what ends it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from litestar.testing import TestClient
from sqlmodel import col, select

from tests.support.cycles import make_workshop
from tests.support.factories import make_key
from tests.support.runtime import silent_runtime
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState, perform
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.registry.policy import Policy
from tuneloop.shadow_tests.figures import figures, in_words
from tuneloop.shadow_tests.reading import SHADOW_READINGS
from tuneloop.tables import (
    AdapterVersion,
    Agency,
    Approval,
    AuditEvent,
    BaseModel,
    Example,
    Pool,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    Role,
    ShadowAnswer,
    ShadowTest,
)

Http = TestClient[Any]


class Stage:
    """A judged candidate, and the worker that does what is due."""

    def __init__(self, api: Http, database: Database, agency: Agency, storage: Storage, folder: Any) -> None:
        self.api, self.database, self.agency = api, database, agency
        self._storage, self._folder = storage, folder
        self.workshop = make_workshop(database, agency, ["order", "refund"])
        with database.all_agencies() as session:
            session.get_one(BaseModel, self.workshop.base.id).upstream_url = "http://127.0.0.1:1"
        with database.unit(agency.id) as session:
            model = session.get_one(RegisteredModel, self.workshop.model.id)
            model.policy = Policy.model_validate(model.policy).model_copy(update={"gate_share": 0.0}).model_dump()
            self.cycle_id = self.workshop.judged(session, "need_more_labels")
            cycle = session.get_one(RetrainingCycle, self.cycle_id)
            self.digest = session.get_one(AdapterVersion, cycle.candidate_version_id).digest

    @property
    def path(self) -> str:
        return f"/api/v1/cycles/{self.cycle_id}/shadow-tests"

    def start(self, status: int = 201, **more: Any) -> dict[str, Any]:
        answer = self.api.post(self.path, json={"digest": self.digest} | more)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def status(self) -> dict[str, Any]:
        return dict(self.api.get(self.path).json()[0])

    def work(self, name: str) -> None:
        settings = Settings(data_dir=self._folder, serve_url="http://127.0.0.1:1")
        runtime = silent_runtime(self.database, self._storage, settings)
        with self.database.unit(self.agency.id) as session:
            query = select(JobRow.id).where(JobRow.name == name, JobRow.state == JobState.QUEUED)
            jobs = list(session.exec(query))
        for job in jobs:
            runtime.run(job)

    def running(self, **more: Any) -> UUID:
        test_id = UUID(self.start(**more)["id"])
        self.work("shadow_test.begin")
        assert self.status()["state"] == "running"
        return test_id

    def look(self, test_id: UUID) -> dict[str, Any]:
        answer = self.api.post(f"/api/v1/shadow-tests/{test_id}/readings")
        assert answer.status_code == 201, answer.text
        self.work("shadow_test.read")
        return self.status()

    def answered(self, test_id: UUID, pairs: Sequence[tuple[str, str | None]]) -> None:
        """What production and the candidate said to questions of their own."""
        with self.database.unit(self.agency.id) as session:
            test = session.get_one(ShadowTest, test_id)
            test.asked += len(pairs)
            for production, candidate in pairs:
                row = Prediction(
                    client_id=test.client_id,
                    model_id=test.model_id,
                    version_id=test.production_version_id,
                    digest="0" * 64,
                    messages=[{"role": "user", "content": f"where is parcel {test.asked} {production} {candidate}"}],
                    answer=production,
                    latency_ms=300,
                )
                session.add(row)
                session.flush()
                problem = "" if candidate else "the engine answered with status 500; try again"
                session.add(
                    ShadowAnswer(
                        client_id=test.client_id,
                        shadow_test_id=test.id,
                        prediction_id=row.id,
                        answer=candidate,
                        problem=problem,
                        latency_ms=100,
                    )
                )

    def items(self, state: ReviewState = ReviewState.OPEN) -> list[ReviewItem]:
        with self.database.unit(self.agency.id) as session:
            query = select(ReviewItem).where(ReviewItem.purpose == ReviewPurpose.SHADOW, ReviewItem.state == state)
            return list(session.exec(query))


@pytest.fixture
def stage(api: Http, database: Database, agency: Agency, storage: Storage, tmp_path: Any) -> Stage:
    return Stage(api, database, agency, storage, tmp_path)


def test_a_test_is_started_once_by_who_may_and_stopped_by_a_person(stage: Stage) -> None:
    for change, status, word in (
        ({"share": 0.0}, 422, "1% to 100%"),
        ({"answers": 0}, 422, "1 to 20,000 answers"),
        ({"days": 61}, 422, "1 to 60 days"),
        ({"labels": 501}, 422, "0 to 500 labels"),
        ({"digest": "9" * 64}, 409, "another version than the candidate"),
    ):
        assert word in stage.start(status, **change)["error"]["message"]
    viewer = {"Authorization": f"Bearer {make_key(stage.database, stage.agency, role=Role.VIEWER)}"}
    assert stage.api.post(stage.path, json={"digest": stage.digest}, headers=viewer).status_code == 403
    started = stage.start(share=0.3, days=7)
    assert (started["state"], started["candidate"], started["asked"]) == ("starting", "acme/support@v1.1", 0)
    assert "stop it first" in stage.start(409)["error"]["message"]
    with stage.database.unit(stage.agency.id) as session:
        assert session.exec(select(Approval)).one().expires_at > now() + timedelta(days=8)
    unread = stage.api.post(f"/api/v1/shadow-tests/{started['id']}/readings")
    assert "has begun" in unread.json()["error"]["message"]
    stage.work("shadow_test.begin")
    stopped = stage.api.post(f"/api/v1/shadow-tests/{started['id']}/stop", json={"reason": "seen enough"})
    assert (stopped.json()["state"], stopped.json()["reason"]) == ("stopped", "seen enough")
    assert stage.api.post(f"/api/v1/shadow-tests/{started['id']}/stop", json={}).status_code == 409
    with stage.database.unit(stage.agency.id) as session:
        said = set(session.exec(select(AuditEvent.action).where(col(AuditEvent.action).startswith("shadow"))))
    assert said == {"shadow_test.start", "shadow_test.running", "shadow_test.stopped"}


def test_a_reading_compares_and_asks_blind_about_what_differs_and_labels_say_who_is_right(stage: Stage) -> None:
    test_id = stage.running(labels=20)
    alike = [("order", " order")] * 6
    stage.answered(test_id, [*alike, *[("refund", "order")] * 12, ("order", "refund"), ("order", None)])
    found = stage.look(test_id)
    assert found["reading"]["same"]["n"] == 19
    assert found["reading"]["same"]["value"] == pytest.approx(6 / 19)
    assert found["reading"]["failed"] == 1
    assert found["reading"]["latency"] == {"production": 300, "candidate": 100}
    items = stage.items()
    assert len(items) == 10, "the rest of what may be asked is spread over the test's time"
    assert all(set(item.answers) == {"production", "candidate"} for item in items)
    shown = stage.api.post("/api/v1/models/acme/support/review/next?purpose=shadow").json()["item"]
    assert (shown["blind"], shown["choices"]) == (True, [])
    for item in items:
        said = stage.api.post(f"/api/v1/review/{item.id}/label", json={"expected": "order"})
        assert said.status_code < 300, said.text
    found = stage.look(test_id)["reading"]["labelled"]
    assert found["n"] == 10
    assert found["candidate"] >= 9
    with stage.database.unit(stage.agency.id) as session:
        trains = session.exec(select(Example.pool).where(col(Example.prediction_id).is_not(None))).all()
    assert set(trains) == {Pool.TRAINING}, "what was chosen never counts as accuracy"


def test_it_ends_at_its_budget_at_its_date_with_its_cycle_and_when_production_moves(stage: Stage) -> None:
    test_id = stage.running(answers=3)
    stage.answered(test_id, [("order", "refund")] * 3)
    over = stage.look(test_id)
    assert (over["state"], over["ended_by"], over["reason"]) == ("over", "the calendar", "its 3 answers are given")

    test_id = stage.running(days=2)
    with stage.database.unit(stage.agency.id) as session:
        session.get_one(ShadowTest, test_id).ends_at = now() - timedelta(minutes=1)
    perform(stage.database, SHADOW_READINGS)
    with stage.database.unit(stage.agency.id) as session:
        planned = session.exec(select(JobRow).where(JobRow.name == "shadow_test.read", JobRow.state == "queued")).all()
    assert len(planned) == 2, "one that runs, and one whose last answers came in at its end"
    assert stage.look(test_id)["reason"] == "its 2 days are over"

    test_id = stage.running()
    stage.answered(test_id, [("order", "refund")])
    stage.look(test_id)
    assert stage.items()
    ab_test = stage.api.post(f"/api/v1/cycles/{stage.cycle_id}/ab-tests", json={"digest": stage.digest})
    assert ab_test.status_code == 201
    assert stage.status()["reason"] == "an A/B test of the candidate began"
    assert "stop it first" in stage.start(409)["error"]["message"]
    stage.api.post(f"/api/v1/ab-tests/{ab_test.json()['id']}/stop", json={})

    stage.running()
    rejected = stage.api.post(f"/api/v1/cycles/{stage.cycle_id}/reject", json={"digest": stage.digest})
    assert rejected.status_code == 201
    assert (stage.status()["state"], stage.status()["reason"]) == ("stopped", "the candidate is rejected")
    assert stage.items() == [], "nobody is asked about a candidate whose fate is known"
    assert "waits for promotion" in stage.start(409)["error"]["message"]


def test_words_say_what_is_known_and_what_is_not() -> None:
    nothing = figures(same=0, compared=0, failed=0, latency=None, judged=[])
    assert in_words(nothing)[0] == "No question was answered by both yet."
    some = figures(
        same=90, compared=100, failed=2, latency={"production": 300, "candidate": 90}, judged=[(False, True)] * 12
    )
    said = " ".join(in_words(some))
    assert "Both say the same in 90 %" in said
    assert "gave no answer to 2 questions" in said
    assert "only the candidate is right in 12, only production in 0" in said
    assert said.endswith("the candidate is better.")
    assert in_words(figures(same=1, compared=2, failed=0, latency=None, judged=[(True, False)]))[-1].endswith(
        "proves neither better nor worse."
    )
