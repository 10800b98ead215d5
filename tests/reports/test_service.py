"""From rows to a mail in somebody's inbox, through the public edge."""

import email
import email.policy
import re
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from PIL import Image
from pydantic import SecretStr
from sqlmodel import col, select

from tests.email.server import Taken, smtp_server
from tests.reports.january import January, day, make_january
from tests.reports.test_glyphs import RARE
from tests.support.runtime import silent_runtime
from tuneloop.ab_tests.figures import ArmCounts, Judged, figures
from tuneloop.clients.months import Month
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.jobs.runtime import Runtime
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import (
    AbState,
    AbTest,
    ActorKind,
    Agency,
    Alert,
    AuditEvent,
    BillingAccount,
    Client,
    Prediction,
    Report,
    ReportLink,
    ReportSnapshot,
    RetrainingCycle,
    Schedule,
)
from tuneloop_reports.handlers import renderer
from tuneloop_reports.month_end import MonthEnd
from tuneloop_reports.render.glyphs import missing
from tuneloop_reports.service import deliver, prepare

Http = TestClient[Litestar]
REPORT = "/api/v1/clients/acme/reports/2026-01"


@pytest.fixture
def january(database: Database, agency: Agency) -> January:
    return make_january(database, agency)


@pytest.fixture
def post() -> Iterator[Taken]:
    with smtp_server() as taken:
        yield taken


@pytest.fixture
def runtime(database: Database, storage: Storage, tmp_path: Path, post: Taken) -> Iterator[Runtime]:
    url = SecretStr(f"smtp://127.0.0.1:{post.port}?tls=off")
    yield silent_runtime(database, storage, Settings(data_dir=tmp_path, smtp_url=url, secret_key=SecretStr("a test's")))
    renderer().close()


def work(runtime: Runtime, agency: Agency) -> None:
    """Do every job that waits, and those that they leave."""
    for _ in range(10):
        with runtime.database.unit(agency.id) as session:
            query = select(JobRow.id).where(JobRow.state == JobState.QUEUED).order_by(col(JobRow.created_at))
            waiting = session.exec(query).all()
        if not waiting:
            return
        for job in waiting:
            runtime.run(job)


def model_of(api: Http) -> dict[str, Any]:
    answer = api.post(REPORT)
    assert answer.status_code == 201, answer.text
    (model,) = answer.json()["content"]["models"]
    assert isinstance(model, dict)
    return model


def test_a_month_is_what_happened_in_it(api: Http, january: January) -> None:
    model = model_of(api)
    assert {key: model["accuracy"][key] for key in ("value", "n")} == {"value": 0.91, "n": 100}
    assert (model["before_month"], model["before"]["value"], model["before"]["n"]) == ("2025-12", 0.8, 105)
    assert (model["answers"], model["answers_before"]) == (10, 1)
    assert (model["reported"]["value"], model["reported"]["n"]) == (0.2, 10)
    assert model["confidence"] == {
        "value": pytest.approx(0.8),
        "n": 10,
        "low": pytest.approx(0.8),
        "high": pytest.approx(0.8),
    }
    assert model["work"] == {
        "examples": {"correction": 2, "reviewed": 1},
        "labels": 0,
        "labellers": 0,
        "deployed": ["1.3"],
        "rollbacks": 0,
    }
    assert model["version"]["number"] == "1.3"
    assert (model["light"], model["rule"]) == ("green", "on_track")
    (retrain,) = model["retrains"]
    assert (retrain["production"], retrain["candidate"], retrain["fixed"], retrain["outcome"]) == (
        "1.2",
        "1.3",
        1,
        "promote",
    )
    assert [each["question"] for each in model["fixed"]] == ["message 8"]
    (alert,) = model["alerts"]
    assert (alert["state"], alert["resolution"]) == ("resolved", "v1.3 was deployed")
    assert [point["month"] for point in model["months"]] == ["2025-12", "2026-01"]


def test_a_month_begins_at_the_client_s_midnight(
    api: Http, january: January, database: Database, agency: Agency
) -> None:
    """In Berlin, 23:00 UTC of the last day is the next month already: each reading is in exactly one month."""
    with database.unit(agency.id) as session:
        session.add(BillingAccount(timezone="Europe/Berlin"))
    model = model_of(api)
    assert (model["accuracy"]["n"], model["before"]["n"], model["answers"]) == (105, 100, 11)
    february = api.post(REPORT.replace("01", "02")).json()["content"]["models"]
    assert [each["n"] for each in (point["accuracy"] for point in february[0]["months"])] == [100, 105, 40]


def test_a_month_is_measured_against_the_version_that_answered_in_it(
    api: Http, january: January, database: Database, agency: Agency
) -> None:
    """v1.3 came on the 21st, and every answer of January was v1.2's; v1.3 was released with 10 of 10."""
    assert model_of(api)["baseline"]["value"] == 0.7
    with database.unit(agency.id) as session:
        for answer in session.exec(select(Prediction).where(col(Prediction.at) > day(1, 3, 14)).limit(6)):
            answer.version_id = january.versions[1].id
    assert model_of(api)["baseline"]["value"] == 1.0


def test_what_happens_after_an_early_close_goes_with_the_next_month(
    api: Http, january: January, database: Database, agency: Agency
) -> None:
    with database.unit(agency.id) as session:
        client = session.exec(select(Client)).one()
        prepare(session, client=client, month="2026-01", until=day(1, 15))
    (first,) = api.post(REPORT).json()["content"]["models"]
    assert (first["answers"], first["work"]["deployed"], first["alerts"][0]["state"]) == (10, [], "open")
    content = api.post(REPORT.replace("01", "02")).json()["content"]
    assert content["start"] == "2026-01-15T12:00:00Z"
    (second,) = content["models"]
    assert (second["answers"], second["answers_before"]) == (1, 10)
    assert (second["work"]["deployed"], len(second["retrains"])) == (["1.3"], 1)
    assert second["alerts"][0]["state"] == "resolved"


def test_a_test_on_live_traffic_is_shown_as_it_stood_when_the_month_ended(
    api: Http, january: January, database: Database, agency: Agency
) -> None:
    right, wrong = Judged(correct=True, hallucinated=False), Judged(correct=False, hallucinated=False)
    with database.unit(agency.id) as session:
        cycle = session.exec(select(RetrainingCycle)).one()
        session.add(
            AbTest(
                client_id=cycle.client_id,
                model_id=cycle.model_id,
                cycle_id=cycle.id,
                production_version_id=january.versions[0].id,
                candidate_version_id=january.versions[1].id,
                state=AbState.PROMOTED,
                share=0.2,
                days=7,
                labels=40,
                started_by="Olga",
                started_from="the page",
                began_at=day(1, 30),
                ended_at=day(2, 4),
                read_at=day(1, 31),
                reading=dict(
                    figures(
                        ArmCounts(answers=90, people=80, reporting=4, labelled=[right, wrong] * 5),
                        ArmCounts(answers=30, people=20, reporting=0, labelled=[right] * 10),
                        share=0.2,
                    )
                ),
            )
        )
    (test,) = model_of(api)["live_tests"]
    assert (test["state"], test["production"], test["candidate"], test["people"]) == ("running", "1.2", "1.3", 100)
    assert [(each["measure"], each["candidate"]["n"]) for each in test["measures"]] == [
        ("accuracy", 10),
        ("reports", 20),
        ("hallucination", 10),
    ]
    assert test["difference"]["value"] == 0.5
    (february,) = api.post(REPORT.replace("01", "02")).json()["content"]["models"]
    assert [each["state"] for each in february["live_tests"]] == ["promoted"]
    assert api.post(REPORT.replace("01", "03")).json()["content"]["models"][0]["live_tests"] == []


def test_an_alert_is_shown_as_it_stood_when_the_month_ended(
    api: Http, january: January, database: Database, agency: Agency
) -> None:
    with database.unit(agency.id) as session:
        session.exec(select(Alert)).one().resolved_at = now()
    model = model_of(api)
    assert (model["alerts"][0]["state"], model["alerts"][0]["resolution"], model["light"]) == ("open", None, "red")


def test_a_retrain_is_shown_as_it_stood_when_the_month_ended(
    api: Http, january: January, database: Database, agency: Agency
) -> None:
    """Nothing is decided, planned or gone into service outside the period that it is told in."""
    with database.unit(agency.id) as session:
        cycle = session.exec(select(RetrainingCycle)).one()
        for step, number in (("approved", 11), ("training", 12), ("deployed", 21)):
            session.add(
                AuditEvent(
                    at=day(1, number),
                    actor_kind=ActorKind.SYSTEM,
                    actor_name="test",
                    origin="test",
                    action=f"cycle.{step}",
                    subject_kind="cycle",
                    subject_id=str(cycle.id),
                    detail={},
                )
            )
        session.exec(select(Schedule)).one().next_at = day(1, 14)
        prepare(session, client=session.exec(select(Client)).one(), month="2026-01", until=day(1, 15))
    first = model_of(api)
    (retrain,) = first["retrains"]
    assert (retrain["state"], retrain["candidate"], retrain["rows"]) == ("training", None, [])
    assert (retrain["decided_by"], retrain["failure"], first["tasks"]) == (None, None, [])
    (second,) = api.post(REPORT.replace("01", "02")).json()["content"]["models"]
    assert [(each["state"], each["candidate"]) for each in second["retrains"]] == [("deployed", "1.3")]


def test_a_report_that_no_font_draws_says_what_to_install_and_is_made_once_it_can_be(
    api: Http, january: January, runtime: Runtime, agency: Agency
) -> None:
    rare = next(missing("".join(map(chr, RARE))), None)
    if rare is None:
        pytest.skip("this machine's fonts draw even the rarest Han")
    api.post(REPORT)
    api.put(f"{REPORT}/note", json={"note": f"{rare} is not drawn here."})
    work(runtime, agency)
    waits = api.get(REPORT).json()
    assert waits["pages"] is None
    assert waits["problem"].startswith("no font on this machine draws Han")
    api.put(f"{REPORT}/note", json={"note": "All is drawn."})
    work(runtime, agency)
    made = api.get(REPORT).json()
    assert (made["pages"] >= 3, made["problem"]) == (True, None)


def test_a_report_is_approved_by_its_content_and_sent_once(
    api: Http, january: January, runtime: Runtime, agency: Agency, post: Taken
) -> None:
    api.patch("/api/v1/report-style", json={"accent": "#0b6e4f", "brand": "North & Sons"})
    first = api.post(REPORT).json()
    noted = api.put(f"{REPORT}/note", json={"note": "Well done. <b>Really</b>"}).json()
    assert noted["digest"] != first["digest"]
    stale = api.post(f"{REPORT}/approve", json={"digest": first["digest"]})
    assert (stale.status_code, "has changed since" in stale.text) == (409, True)
    assert post.messages == []
    approved = api.post(f"{REPORT}/approve", json={"digest": noted["digest"]})
    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    again = api.post(f"{REPORT}/approve", json={"digest": noted["digest"]})
    assert (again.status_code, "is approved, approved by" in again.text) == (409, True)
    assert api.put(f"{REPORT}/note", json={"note": "late"}).status_code == 409
    work(runtime, agency)
    sent = api.get(REPORT).json()
    assert (sent["state"], [mail["state"] for mail in sent["mails"]]) == ("delivered", ["sent", "sent"])
    assert sent["pages"] >= 3
    assert post.recipients == ["ann@client.example", "bo@client.example"]
    for raw in post.messages:
        message = email.message_from_bytes(raw, policy=email.policy.default)
        (pdf,) = message.iter_attachments()
        assert pdf.get_content() == api.get(f"{REPORT}/pdf").content
        assert "North & Sons" in str(message["from"])
        html = message.get_body(("html",))
        assert html is not None
        assert "&lt;b&gt;Really&lt;/b&gt;" in html.get_content()
        assert ("list-unsubscribe" in message) == (str(message["to"]) == "Bo <bo@client.example>")
    with runtime.database.unit(agency.id) as session:
        deliver(session, report=session.exec(select(Report)).one())
    work(runtime, agency)
    assert len(post.messages) == 2
    assert api.post(REPORT).json()["digest"] == noted["digest"], "a report that is out does not change any more"


def test_a_worker_killed_while_it_delivers_sends_nothing_twice(
    api: Http, january: January, runtime: Runtime, agency: Agency, post: Taken
) -> None:
    """The delivery job is done again from its start, as after a kill, in every state that the first try can leave."""
    digest = api.post(REPORT).json()["digest"]
    api.post(f"{REPORT}/approve", json={"digest": digest})
    for _ in range(3):
        work(runtime, agency)
        with runtime.database.unit(agency.id) as session:
            for job in session.exec(select(JobRow)):
                job.state, job.attempts = JobState.QUEUED, 0
    assert len(post.messages) == 2
    with runtime.database.unit(agency.id) as session:
        delivered = session.exec(select(AuditEvent).where(AuditEvent.action == "report.deliver")).all()
    assert len(delivered) == 1


def test_a_month_that_is_not_over_can_be_looked_at_but_not_sent(api: Http, january: January) -> None:
    this_month = str(Month.of(now(), ZoneInfo("UTC")))
    path = f"/api/v1/clients/acme/reports/{this_month}"
    draft = api.post(path).json()
    refused = api.post(f"{path}/approve", json={"digest": draft["digest"]})
    assert (refused.status_code, "is not over" in refused.text) == (422, True)
    assert api.post("/api/v1/clients/acme/reports/2099-01").status_code == 422
    assert api.post("/api/v1/clients/acme/reports/2026-13").status_code == 422


def test_without_a_recipient_nothing_is_approved(
    api: Http, january: January, database: Database, agency: Agency
) -> None:
    with database.unit(agency.id) as session:
        session.exec(select(Client)).one().contacts = []
    digest = api.post(REPORT).json()["digest"]
    assert "add a contact" in api.post(f"{REPORT}/approve", json={"digest": digest}).text
    people = [{"name": "Cy", "email": "cy@client.example"}]
    api.patch("/api/v1/report-style?client=acme", json={"further_recipients": people})
    digest = api.post(REPORT).json()["digest"]
    assert api.post(f"{REPORT}/approve", json={"digest": digest}).status_code == 200


def test_month_end_waits_for_approval_unless_the_agency_wants_none(
    api: Http, january: January, database: Database, agency: Agency
) -> None:
    with database.unit(agency.id) as session:
        client = session.exec(select(Client)).one()
        report = prepare(session, client=client, month="2026-01")
        assert not deliver(session, report=report)
    api.patch("/api/v1/report-style", json={"approve_by_itself": True})
    with database.unit(agency.id) as session:
        report = prepare(session, client=session.exec(select(Client)).one(), month=Month(2026, 1))
        assert deliver(session, report=report)
        assert (report.state, report.approved_by) == ("approved", "reports")


def test_the_close_of_a_month_finds_its_report_and_always_the_same_link(
    january: January, database: Database, agency: Agency, app: Litestar
) -> None:
    month_end = MonthEnd(Settings(secret_key=SecretStr("new,old")))
    with database.unit(agency.id) as session:
        client = session.exec(select(Client)).one()
        report_id = month_end.prepare(session, client=client, month="2026-01")
        assert month_end.prepare(session, client=client, month="2026-01") == report_id
        link = month_end.link(session, report_id=report_id)
        assert month_end.link(session, report_id=report_id) == link
        assert not month_end.deliver(session, report_id=report_id)
        client.contacts = []
        session.add(client)
        session.flush()
        assert not month_end.deliver(session, report_id=report_id)
        assert len(session.exec(select(ReportLink)).all()) == 1
    with TestClient(app) as browser:
        assert browser.get("/r/" + link.rsplit("/", 1)[1]).status_code == 200


def test_a_link_needs_no_account_and_expires(
    api: Http, january: January, runtime: Runtime, agency: Agency, app: Litestar
) -> None:
    api.patch("/api/v1/report-style", json={"language": "de"})
    api.post(REPORT)
    work(runtime, agency)
    path = "/r/" + api.post(f"{REPORT}/links").json()["url"].rsplit("/", 1)[1]
    with TestClient(app) as browser:
        page = browser.get(path)
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "<script" not in page.text
        assert "fiel von 90\u00a0% (83\N{EN DASH}94\u00a0%, n\u00a0=\u00a0100) auf 75\u00a0%" in page.text
        assert "betroffen: &lt;b&gt;repair&lt;/b&gt;" in page.text
        assert "Trefferquote im Verlauf" in page.text
        assert re.findall(r'src="(?!data:image/svg)', page.text) == []
        assert browser.get(f"{path}/report.pdf").content == api.get(f"{REPORT}/pdf").content
        assert browser.get(f"{path}/numbers.csv").text == api.get(f"{REPORT}/csv").text
        with runtime.database.unit(agency.id) as session:
            link = session.exec(select(ReportLink)).one()
            assert link.opened == 1
            link.expires_at = now() - timedelta(seconds=1)
        assert {browser.get(path).status_code, browser.get("/r/nothing").status_code} == {404}
        with runtime.database.unit(agency.id) as session:
            session.exec(select(ReportLink)).one().expires_at = now() + timedelta(days=1)
        assert api.delete(f"{REPORT}/links").json() == {"revoked": 1}
        assert browser.get(path).status_code == 404


def test_a_style_is_the_agency_s_with_what_a_client_changes(api: Http, january: January) -> None:
    api.patch("/api/v1/report-style", json={"accent": "#112233", "footer": "North"})
    own = api.patch("/api/v1/report-style?client=acme", json={"accent": "#445566"}).json()
    assert (own["accent"], own["footer"]) == ("#445566", "North")
    back = api.patch("/api/v1/report-style?client=acme", json={"accent": None}).json()
    assert back["accent"] == "#112233"
    for wrong in ({"accent": "red"}, {"language": "xx"}, {"logo": "../../etc/passwd"}, {"nothing": 1}):
        assert api.patch("/api/v1/report-style", json=wrong).status_code == 422, wrong


def test_a_digest_is_no_right_to_what_it_names(api: Http, storage: Storage) -> None:
    """Whoever knows the digest of somebody's file must not get the file as their logo."""
    secret = storage.put_bytes(b"the weights of somebody's model")
    assert api.patch("/api/v1/report-style", json={"logo": secret}).status_code == 422
    assert api.get("/api/v1/report-style").json()["logo"] is None


def test_a_logo_is_drawn_anew(api: Http, january: January, storage: Storage) -> None:
    drawn = BytesIO()
    Image.new("RGB", (2000, 500), "#0b6e4f").save(drawn, "JPEG", comment=b"<script>")
    style = api.post("/api/v1/report-style/logo", content=drawn.getvalue()).json()
    kept = storage.read(style["logo"])
    assert b"script" not in kept
    with Image.open(BytesIO(kept)) as image:
        assert (image.format, image.size) == ("PNG", (800, 200))
    for wrong in (b"<svg onload=alert(1)>", b"GIF89a", drawn.getvalue()[:300], b""):
        assert api.post("/api/v1/report-style/logo", content=wrong).status_code == 422


def test_the_same_month_is_the_same_snapshot(api: Http, january: January, database: Database, agency: Agency) -> None:
    assert api.post(REPORT).json()["digest"] == api.post(REPORT).json()["digest"]
    with database.unit(agency.id) as session:
        assert len(session.exec(select(ReportSnapshot)).all()) == 1
