"""The candidate answers half of the people for a while, beside production: what they report, and what labels say."""

from typing import Any

from tuneloop_local.demo.api import Operator
from tuneloop_local.demo.office import Office
from tuneloop_local.demo.weeks import Weeks

SHARE, DAYS = 0.5, 7
REQUESTS = 120


def try_on_people(office: Office, weeks: Weeks, cycle: dict[str, Any]) -> dict[str, Any]:
    """Start the test, serve both arms, read twice with labels in between, stop it; returns it as it ended."""
    operator, path = office.operator, f"/api/v1/cycles/{cycle['id']}/ab-tests"
    body = {"digest": cycle["candidate_digest"], "share": SHARE, "days": DAYS}
    test = operator.post(path, body)
    operator.until(path, lambda tests: tests[0]["state"] != "starting")
    served = weeks.serve("both arms", weeks.again(REQUESTS), people=REQUESTS)
    corrections = weeks.report_errors(served)
    _read(operator, test)
    office.people.empty_queue()
    office.ledger.once(office.people.take_work())
    _read(operator, test)
    (found, *_) = operator.get(path)
    office.show.ab_test(found)
    if found["ended_at"] is None:
        operator.post(f"/api/v1/ab-tests/{test['id']}/stop", {"reason": "seen enough"})
    return {**operator.get(path)[0], "corrections": corrections}


def _read(operator: Operator, test: dict[str, Any]) -> None:
    operator.finished(operator.post(f"/api/v1/ab-tests/{test['id']}/readings")["id"])
