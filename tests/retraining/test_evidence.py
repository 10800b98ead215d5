"""A question about promotion shows accuracy, interval, n and categories, also for a first version."""

from pathlib import Path

from litestar import Litestar
from litestar.testing import TestClient

from tests.cli.shell import Shell, Wire
from tests.support.cycles import Workshop
from tests.support.factories import make_key
from tuneloop.kit.db import Database
from tuneloop.kit.tenancy import TenantSession
from tuneloop.retraining.evidence import evidence_of, in_words
from tuneloop.tables import Agency, RetrainingCycle

RIGHT = [True, False]
"""Of one golden example each of `order` and `refund`."""


def test_a_first_version_s_evidence_is_its_own_evaluation(session: TenantSession, workshop: Workshop) -> None:
    cycle = session.get_one(RetrainingCycle, workshop.first(session, RIGHT))
    evidence = evidence_of(session, cycle)
    assert evidence is not None
    overall = evidence.rows[0]
    assert (overall.key, overall.n, overall.candidate["value"], overall.production) == ("overall", 2, 0.5, None)
    assert 0 < overall.candidate["low"] < 0.5 < overall.candidate["high"] < 1
    assert [(each.title, each.candidate["value"]) for each in evidence.categories] == [("refund", 0.0), ("order", 1.0)]
    assert "50 % (9\u201391 %, n=2)" in in_words(evidence)
    assert "Weakest of 2 categories: refund 0 %" in in_words(evidence)


def test_before_the_evaluation_there_is_none(session: TenantSession, workshop: Workshop) -> None:
    cycle = session.get_one(RetrainingCycle, workshop.asked(session))
    assert evidence_of(session, cycle) is None


def test_the_api_and_the_command_line_show_it(
    session: TenantSession,
    workshop: Workshop,
    api: TestClient[Litestar],
    database: Database,
    agency: Agency,
    tmp_path: Path,
) -> None:
    cycle_id = workshop.first(session, RIGHT)
    found = api.get(f"/api/v1/cycles/{cycle_id}").json()["evidence"]
    assert found["rows"][0]["candidate"]["n"] == 2
    assert [each["title"] for each in found["categories"]] == ["refund", "order"]
    shell = Shell(Wire(api), make_key(database, agency), tmp_path)
    lines = shell.run("cycle", "show", str(cycle_id)).stdout
    assert "Overall accuracy" in lines
    assert "50 % (9\u201391 %, n=2)" in lines
    assert "refund" in lines
