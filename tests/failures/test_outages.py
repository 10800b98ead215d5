"""Case 13: PostgreSQL dies in the middle of traffic, training and deployment, and is started again."""

import random
import threading

import pytest

from tests.failures.figures import figure
from tests.failures.installation import Faulty, pause
from tests.support.running import LABELS, items
from tuneloop.predictions.completion_ids import prediction_id

pytestmark = [pytest.mark.failure_case(13), pytest.mark.timeout(3600)]

OUTAGES, TRAININGS = 10, 3
DEPLOYED = "select count(*) from audit_event where action = 'version.deploy'"


def test_no_answer_fails_and_none_that_was_given_is_lost_while_the_database_dies(site: Faulty) -> None:
    chance, asked = random.Random(13), items(LABELS, range(60, 70))
    given: list[str] = []
    failed: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                given.append(site.running.app.ask(chance.choice(asked)).completion_id)
            except Exception as error:  # noqa: BLE001  (whatever a client's program would see)
                failed.append(repr(error))

    users = [threading.Thread(target=ask) for _ in range(3)]
    for user in users:
        user.start()
    for _ in range(OUTAGES):
        pause(chance.uniform(0.5, 4))
        site.kill_postgres()
        site.until(site.answers)
    over.set()
    for user in users:
        user.join()
    assert failed == []
    ids = [str(prediction_id(each)) for each in given]
    site.until(lambda: site.count("select count(*) from prediction where id::text = any(%s)", ids) == len(given))
    figure(13, f"PostgreSQL killed {OUTAGES} times under traffic: {len(given)} answers, 0 failed, all of them stored")


def test_a_training_goes_on_and_a_deployment_happens_once_while_the_database_dies(site: Faulty) -> None:
    chance, before = random.Random(14), site.count(DEPLOYED)
    with site.traffic() as traffic:
        for number in range(TRAININGS):
            path = site.model()
            cycle = site.proposed(path, epochs=12)
            job_id = site.approved(cycle)
            site.until_step(job_id, chance.randrange(20))
            site.kill_postgres()
            site.until(site.answers)
            ended = site.ended(cycle)
            assert ended["state"] in ("awaiting_promotion", "rejected"), ended
            assert len(site.running.operator.get(f"{path}/versions")) == 1
            body = {"digest": ended["candidate_digest"], "note": "the test promotes whatever the gate says"}
            deployment = site.running.operator.post(f"/api/v1/cycles/{ended['id']}/promote", body)["job_id"]
            site.kill_postgres()
            site.until(site.answers)
            assert site.ended(ended)["state"] == "deployed"
            assert site.count(DEPLOYED) == before + number + 1
            assert site.job(deployment)["state"] == "succeeded"
    assert traffic.failures == []
    figure(
        13,
        f"PostgreSQL killed in {TRAININGS} trainings and {TRAININGS} deployments: one version and one deployment each, "
        f"{len(traffic.versions)} answers meanwhile, 0 failed",
    )
