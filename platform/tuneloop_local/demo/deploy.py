"""Move the alias three times while requests keep coming."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tuneloop_local.demo.api import DemoFailed, LiveTraffic
from tuneloop_local.demo.human import DEPLOY
from tuneloop_local.demo.office import Office


def deploy(office: Office, cycle: dict[str, Any]) -> dict[str, Any]:
    """Promote, roll back, roll forward; times are from the call to the first new answer."""
    old, new = cycle["parent"], cycle["candidate"]
    seconds: dict[str, float] = {}
    with LiveTraffic(office.app, office.scenario.stream) as traffic:
        traffic.wait_for(old)
        with _timed(seconds, "promote"):
            office.promote(cycle, activity=DEPLOY)
            traffic.wait_for(new)
        with _timed(seconds, "roll_back"):
            _roll_back(office)
            traffic.wait_for(old)
        with _timed(seconds, "roll_forward"):
            _roll_back(office)
            traffic.wait_for(new)
    office.show.say(
        f"promotion {seconds['promote']:.2f} s, rollback {seconds['roll_back']:.2f} s, roll-forward "
        f"{seconds['roll_forward']:.2f} s; {len(traffic.versions)} requests meanwhile, "
        f"{len(traffic.failures)} failed"
    )
    strange = set(traffic.versions) - {old, new}
    if traffic.failures or strange:
        raise DemoFailed(f"traffic was disturbed: {traffic.failures[:3]} {strange}")
    return {"seconds": seconds, "requests": len(traffic.versions), "failed": 0}


def production_is_kept(office: Office, cycle: dict[str, Any]) -> dict[str, Any]:
    """After attempts that proved nothing better: production still is what it was, and still answers."""
    production = office.operator.get(f"{office.path}/versions/production")["name"]
    answer = office.app.ask(office.scenario.stream[0]).version
    if not production == answer == cycle["parent"]:
        raise DemoFailed(f"production should still be {cycle['parent']}: it is {production}, and {answer} answers")
    office.show.say(f"no candidate was proven better: production stays {production}")
    return {"kept": production}


def _roll_back(office: Office) -> str:
    """Swap production and previous; returns the name of what serves now."""
    previous = office.operator.get(f"{office.path}/versions/previous")
    name: str = office.operator.post(f"{office.path}/rollback", {"digest": previous["digest"]})["production"]
    return name


@contextmanager
def _timed(seconds: dict[str, float], key: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[key] = time.perf_counter() - started
