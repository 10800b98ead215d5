"""Cases 3 to 6: people decide at once, or while the broker is away or has forgotten everything."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.failures.figures import figure
from tests.failures.installation import GPU, SLOW, Faulty
from tests.support.running import LABELS, items

pytestmark = pytest.mark.timeout(3600)

RACES, OUTAGES, FORGOTTEN = 25, 10, 10
STARTED_WITHIN = 15.0
TRAININGS = "select count(*) from job where name = 'retraining.train'"


@pytest.fixture(scope="module")
def path(site: Faulty) -> str:
    return site.model()


def decide(site: Faulty, cycle: dict[str, Any], *decisions: str) -> list[httpx.Response]:
    """All at the same moment, each over its own connection."""
    settings = site.running.settings
    together = threading.Barrier(len(decisions))
    key = site.running.key
    body = {"digest": cycle["questions"][0]["subject_digest"], "note": "because"}

    def post(decision: str) -> httpx.Response:
        with httpx.Client(base_url=settings.web_url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
            http.get("/healthz")
            together.wait()
            return http.post(f"/api/v1/cycles/{cycle['id']}/{decision}", json=body)

    with ThreadPoolExecutor(len(decisions)) as pool:
        return list(pool.map(post, decisions))


@pytest.mark.failure_case(5)
@pytest.mark.failure_case(6)
@pytest.mark.parametrize("decisions", [("approve",) * 4, ("approve", "reject")], ids=["approvals", "yes-and-no"])
def test_of_decisions_at_the_same_moment_one_counts_and_the_others_are_told(
    site: Faulty, path: str, decisions: tuple[str, ...]
) -> None:
    won: Counter[str] = Counter()
    with site.suspended(*GPU):
        for _ in range(RACES):
            cycle = site.proposed(path)
            jobs = site.count(TRAININGS)
            answers = decide(site, cycle, *decisions)
            good = [decision for decision, answer in zip(decisions, answers, strict=True) if answer.is_success]
            assert len(good) == 1, [answer.text for answer in answers]
            for answer in answers:
                if not answer.is_success:
                    assert answer.status_code == 409
                    assert "already" in answer.json()["error"]["message"], answer.text
            assert site.count(TRAININGS) - jobs == (good == ["approve"])
            won.update(good)
            if good == ["approve"]:
                site.running.operator.post(f"/api/v1/cycles/{cycle['id']}/cancel")
    counted = ", ".join(f"{number} {decision}" for decision, number in sorted(won.items()))
    figure(
        6 if "reject" in decisions else 5, f"{RACES} x {len(decisions)} decisions at once: one counted each ({counted})"
    )


@pytest.mark.failure_case(3)
def test_an_approval_while_the_broker_dies_begins_one_training_soon_after(site: Faulty, path: str) -> None:
    waited = []
    for _ in range(OUTAGES):
        cycle = site.proposed(path, epochs=20)
        site.kill_broker()
        began = time.monotonic()
        job_id = site.approved(cycle)
        answered = time.monotonic() - began
        site.until_running(job_id)
        waited.append(time.monotonic() - began)
        assert answered < STARTED_WITHIN
        site.running.operator.post(f"/api/v1/cycles/{cycle['id']}/cancel")
        site.until_over(job_id)
        site.until_settled(cycle)
        assert site.count(TRAININGS + " and args->>'cycle_id' = %s", cycle["id"]) == 1
    figure(3, f"{OUTAGES} approvals with the broker killed: each began one training, after {max(waited):.0f} s at most")


@pytest.mark.failure_case(4)
def test_what_the_broker_forgot_is_done_once(site: Faulty) -> None:
    """Its data is lost while jobs wait that it had been told of."""
    operator = site.running.operator
    looked_at = "select count(*) from job where name = 'datasets.scan' and state = %s and attempts = %s"
    before = site.count(looked_at, "succeeded", 1)
    with site.suspended(*SLOW):
        for _ in range(FORGOTTEN):
            operator.upload(f"{site.bare_model()}/examples", items(LABELS, range(4)), pool="training")
            site.empty_broker()
    site.until(lambda: site.count(looked_at, "succeeded", 1) == before + FORGOTTEN)
    figure(4, f"broker emptied {FORGOTTEN} times while {FORGOTTEN} jobs waited: all done, each once")
