"""Cases 1 and 2: what trains is killed or suspended, and one version comes of it."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest

from tests.failures.figures import figure
from tests.failures.installation import GPU, Faulty, pause
from tuneloop_local.installation import environment_of

pytestmark = [pytest.mark.failure_case(1), pytest.mark.timeout(3600)]

KILLS, TIMES = 20, 2
EPOCHS = 12
STEPS_BETWEEN = 12


def adapter_of(site: Faulty, path: str) -> str:
    """Digest of what the model's newest version was trained to."""
    newest = max(site.running.operator.get(f"{path}/versions"), key=lambda version: version["created_at"])
    number = newest["name"].rpartition("@")[2]
    manifest = json.loads(site.running.operator.download(f"{path}/versions/{number}/files/manifest.json"))
    return str(manifest["version"]["adapters"][-1]["sha256"])


def test_trainers_that_are_killed_at_random_steps_end_with_the_weights_of_one_that_was_not(site: Faulty) -> None:
    chance = random.Random(1)
    undisturbed = site.model()
    site.trained(undisturbed, epochs=EPOCHS)
    wanted = adapter_of(site, undisturbed)
    kills = 0
    while kills < KILLS:
        path = site.model()
        cycle = site.proposed(path, epochs=EPOCHS)
        job_id = site.approved(cycle)
        for time in range(TIMES):
            site.until_step(job_id, STEPS_BETWEEN * time + chance.randrange(STEPS_BETWEEN))
            site.until_training(job_id)
            kills += site.kill_trainers()
        ended = site.ended(cycle)
        assert ended["state"] in ("awaiting_promotion", "rejected"), ended
        assert len(site.running.operator.get(f"{path}/versions")) == 1
        assert adapter_of(site, path) == wanted
    figure(1, f"{kills} kills of a trainer at random steps: one version each, its weights those of an undisturbed run")


def test_a_trainer_that_is_killed_every_time_is_given_up_and_somebody_hears_of_it(site: Faulty) -> None:
    path = site.model()
    cycle = site.proposed(path, epochs=20)
    job_id = site.approved(cycle)
    kills = 0
    while not site.over(job_id):
        kills += site.kill_trainers()
        pause(0.2)
    job = site.job(job_id)
    assert (job["state"], job["attempts"]) == ("failed", 3)
    site.until(lambda: site.running.operator.get(f"/api/v1/cycles/{cycle['id']}")["state"] == "failed")
    failure = site.running.operator.get(f"/api/v1/cycles/{cycle['id']}")["failure"]
    assert failure
    assert site.running.operator.get(f"{path}/versions") == []
    figure(1, f"a trainer killed every time: given up after 3 attempts ({kills} kills), the cycle says: {failure!r}")


@pytest.mark.failure_case(2)
def test_a_worker_that_was_suspended_past_its_lease_changes_nothing_more(site: Faulty) -> None:
    path = site.model()
    cycle = site.proposed(path, epochs=EPOCHS)
    job_id = site.approved(cycle)
    site.until_step(job_id, 1)
    trainers = site.trainers()
    with site.suspended(*GPU):
        for pid in trainers:
            os.kill(pid, signal.SIGSTOP)
        other = subprocess.Popen(
            [sys.executable, "-m", "tuneloop.cli.main", *GPU],
            env={**os.environ, **environment_of(site.running.settings)},
        )
        site.until(lambda: site.over(job_id) or other.poll() is not None)
        assert other.poll() is None, "the other worker ended"
        ended = site.ended(cycle)
        before = _state_of(site, cycle, job_id)
    site.until(lambda: not set(trainers) & set(site.trainers()))
    pause(10)  # two heartbeats and more: it would have written by now
    assert _state_of(site, cycle, job_id) == before
    assert ended["state"] in ("awaiting_promotion", "rejected")
    assert site.job(job_id)["attempts"] == 2
    assert len(site.running.operator.get(f"{path}/versions")) == 1
    other.terminate()
    other.wait(timeout=120)
    site.trained(site.model())  # and it works on
    figure(2, "a worker suspended past its lease while another one finished: 0 rows changed when it went on")


def _state_of(site: Faulty, cycle: dict[str, object], job_id: str) -> object:
    operator = site.running.operator
    audited = site.count("select count(*) from audit_event")
    versions = site.count("select count(*) from adapter_version")
    return operator.get(f"/api/v1/cycles/{cycle['id']}"), site.job(job_id), audited, versions
