"""Traffic, labels, retrains, deployments and faults at random, all at once, for as long as `TUNELOOP_SOAK_MINUTES`."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from statistics import quantiles
from typing import Any

import pytest

from tests.failures.figures import figure
from tests.failures.installation import DEFAULT, GPU, Faulty, pause
from tests.support.running import LABELS, items
from tuneloop.kit.errors import TuneloopError
from tuneloop.predictions.completion_ids import prediction_id

pytestmark = [pytest.mark.failure_case(25), pytest.mark.timeout(7200)]

MINUTES = float(os.environ.get("TUNELOOP_SOAK_MINUTES", "30"))
BETWEEN_FAULTS = (5.0, 20.0)
WORKING = {"approved", "training", "evaluating", "compared", "deploying"}


class Users:
    """Ask without a pause and remember what they were answered, and what failed."""

    def __init__(self, site: Faulty, over: threading.Event) -> None:
        self.given: list[str] = []
        self.failed: list[str] = []
        self.seconds: list[float] = []
        self._site, self._over = site, over

    def ask(self) -> None:
        chance, asked = random.Random(), items(LABELS, range(60, 90))
        while not self._over.is_set():
            began = time.perf_counter()
            try:
                served = self._site.running.app.ask(chance.choice(asked))
            except Exception as error:  # noqa: BLE001  (whatever a client's program would see)
                self.failed.append(repr(error))
                continue
            self.seconds.append(time.perf_counter() - began)
            self.given.append(served.completion_id)


def faults_of(site: Faulty) -> dict[str, Callable[[], object]]:
    def kill(*command: str) -> Callable[[], object]:
        return lambda: os.kill(site.running.supervisor.pid(*command), signal.SIGKILL)

    return {
        "PostgreSQL killed": site.kill_postgres,
        "broker killed": site.kill_broker,
        "broker emptied": site.empty_broker,
        "trainers killed": site.kill_trainers,
        "scheduler killed": kill("scheduler"),
        "worker killed": kill(*DEFAULT),
        "gpu worker killed": kill(*GPU),
    }


class Operators:
    """One cycle after another on a model of its own. A request that a fault cuts off is made again."""

    def __init__(self, site: Faulty, over: threading.Event) -> None:
        self.done: Counter[str] = Counter()
        self._site, self._over = site, over

    def work(self) -> None:
        path = self._patiently(self._site.model)
        while not self._over.is_set():
            cycle = self._patiently(self._site.proposed, path, seed=self.done["proposed"])
            self.done["proposed"] += 1
            ended = self._decided(cycle, self._site.approved)
            self.done[ended["state"]] += 1
            if ended["state"] in ("awaiting_promotion", "rejected"):
                self.done[self._decided(ended, self._promote)["state"]] += 1

    def _promote(self, cycle: dict[str, Any]) -> None:
        body = {"digest": cycle["candidate_digest"], "note": "the soak promotes whatever the gate says"}
        self._site.running.operator.post(f"/api/v1/cycles/{cycle['id']}/promote", body)

    def _decided(self, cycle: dict[str, Any], decide: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The cycle when it asks something again or is over."""

        def once() -> None:
            if self._now(cycle)["state"] == cycle["state"]:  # else an earlier try was heard, and only its answer lost
                decide(cycle)

        self._patiently(once)
        while (now := self._patiently(self._now, cycle))["state"] in WORKING:
            pause(1)
        found: dict[str, Any] = now
        return found

    def _now(self, cycle: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._site.running.operator.get(f"/api/v1/cycles/{cycle['id']}")
        return found

    def _patiently(self, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        while True:
            try:
                return work(*args, **named)
            except TuneloopError as error:
                self.done[type(error).__name__] += 1
                pause(1)


def test_nothing_is_lost_and_nothing_happens_twice(site: Faulty) -> None:
    chance, over, injected = random.Random(25), threading.Event(), Counter[str]()
    users, operators = Users(site, over), Operators(site, over)
    work = [threading.Thread(target=each) for each in (users.ask, users.ask, operators.work)]
    for each in work:
        each.start()
    until = time.monotonic() + 60 * MINUTES
    faults = faults_of(site)
    while time.monotonic() < until:
        pause(chance.uniform(*BETWEEN_FAULTS))
        name = chance.choice(sorted(faults))
        faults[name]()
        injected[name] += 1
        site.until(site.answers)
    over.set()
    for each in work:
        each.join()

    ids = [str(prediction_id(each)) for each in users.given]
    site.until(lambda: site.count("select count(*) from prediction where id::text = any(%s)", ids) == len(ids))
    twice = site.count(
        "select count(*) from (select args->>'cycle_id', name from job where name in ('retraining.train', "
        "'retraining.deploy') group by 1, 2 having count(*) > 1) as doubled"
    )
    p99 = quantiles(users.seconds, n=100)[98]
    figure(
        25,
        f"{MINUTES:g} minutes, {sum(injected.values())} faults {dict(injected)}: {len(ids)} answers, "
        f"{len(users.failed)} failed, 0 lost; p99 {1000 * p99:.0f} ms; cycles {dict(operators.done)}; "
        f"{twice} decisions acted on twice",
    )
    assert users.failed == []
    assert twice == 0
