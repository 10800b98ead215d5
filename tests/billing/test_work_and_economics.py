"""Time is counted once and can be corrected; a month's figures add up."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import select

from tests.billing.conftest import Http, OnPlan
from tests.billing.office import Office
from tests.support.factories import make_base, make_client, make_model, owner_of
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.tables import Activity, Agency, Client, Invoice, Subscription, SubscriptionState, WorkEntry
from tuneloop_billing.usage.work_log import beat

WORK = "/api/v1/clients/acme/work"


def test_a_page_s_timer_counts_while_it_is_worked_on(database: Database, agency: Agency, client_row: Client) -> None:
    start, person = datetime(2026, 3, 15, 12, tzinfo=UTC), owner_of(agency)
    with database.unit(agency.id) as session:
        for seconds in (0, 30, 60, 60, 95, 400, 430):
            moment = start + timedelta(seconds=seconds)
            beat(session, principal=person, client="acme", activity=Activity.COMPARE, moment=moment)
        beat(session, principal=person, client="acme", activity=Activity.DEPLOY, moment=start)
        entries = session.exec(select(WorkEntry).order_by(WorkEntry.activity, WorkEntry.at)).all()  # type: ignore[arg-type]
    assert [(each.activity, each.seconds) for each in entries] == [
        (Activity.COMPARE, 95),
        (Activity.COMPARE, 30),
        (Activity.DEPLOY, 0),
    ]


def test_a_timer_that_runs_over_a_month_s_end_is_cut_there(
    database: Database, agency: Agency, client_row: Client
) -> None:
    end = datetime(2026, 4, 1, tzinfo=UTC)
    with database.unit(agency.id) as session:
        for seconds in (-20, 10, 40):
            moment = end + timedelta(seconds=seconds)
            beat(session, principal=owner_of(agency), client="acme", activity=Activity.OTHER, moment=moment)
        entries = session.exec(select(WorkEntry).order_by(WorkEntry.at)).all()  # type: ignore[arg-type]
    assert [each.at < end for each in entries] == [True, False]


def test_entries_are_written_corrected_and_taken_out(api: Http, client_row: Client) -> None:
    made = api.post(WORK, json={"activity": "collect", "minutes": 25, "note": "<b>October</b>"}).json()
    changed = api.patch(f"/api/v1/work/{made['id']}", json={"minutes": 30, "activity": "retrain"}).json()
    assert (changed["seconds"], changed["activity"], changed["note"]) == (1800, "retrain", "<b>October</b>")
    api.delete(f"/api/v1/work/{made['id']}")
    assert api.get(WORK).json() == []
    (event,) = [each for each in api.get("/api/v1/audit").json() if each["action"] == "work.change"]
    assert event["detail"]["before"]["seconds"] == 1500
    later = (now() + timedelta(days=1)).isoformat()
    assert api.post(WORK, json={"activity": "collect", "minutes": 5, "at": later}).status_code == 422
    assert api.post(WORK, json={"activity": "collect", "minutes": 0}).status_code == 400


def test_a_month_in_figures(api: Http, on_plan: OnPlan, database: Database, agency: Agency, client_row: Client) -> None:
    on_plan("standard")
    make_model(database, client_row, make_base(database))
    gone = make_client(database, agency, "gone")
    api.put("/api/v1/clients/gone/plan", json={"plan": "standard"})
    api.patch("/api/v1/billing", json={"gpu_hour_cost": 250})
    for activity, minutes in (("collect", 40), ("compare", 19)):
        api.post(WORK, json={"activity": activity, "minutes": minutes})
    with database.unit(agency.id) as session:
        left = session.exec(select(Subscription).where(Subscription.client_id == gone.id)).one()
        left.state, left.started_at = SubscriptionState.CANCELLED, now() - timedelta(days=90)
        session.add(
            Invoice(
                client_id=client_row.id,
                stripe_id="in_1",
                status="paid",
                currency="usd",
                total=200_000,
                amount_paid=200_000,
                amount_remaining=0,
                credited=10_000,
                issued_at=now(),
            )
        )
        session.add(
            JobRow(
                client_id=client_row.id,
                name="retraining.train",
                queue="gpu",
                args={},
                max_attempts=1,
                state=JobState.SUCCEEDED,
                started_at=now() - timedelta(seconds=1),
                finished_at=now(),
            )
        )
    early = next(each for each in api.get("/api/v1/economics").json()["clients"] if each["client"] == "acme")
    assert early["hourly"] is None, "a second of work would earn hundreds of thousands an hour"
    api.post(WORK, json={"activity": "compare", "minutes": 1})
    found: dict[str, Any] = api.get("/api/v1/economics").json()
    assert (found["mrr"], found["churn"]) == (200_000, {"left": 1, "of": 1})
    acme = next(each for each in found["clients"] if each["client"] == "acme")
    assert (acme["revenue"], acme["gpu_cost"], acme["margin"]) == (190_000, 0, 190_000)
    assert (acme["seconds"], acme["guide_seconds"], acme["hourly"]) == (3600, 5400, 190_000)
    assert found["margin"] == sum(each["margin"] for each in found["clients"]) == 190_000
    assert {each["plan"]: each["clients"] for each in found["plans"]} == {"Standard retrain": 1, "none": 1}


def test_an_invoice_is_credited(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    (invoice,) = north.invoices()
    path = f"/api/v1/invoices/{invoice.stripe_id}/credit"
    half = invoice.total // 2  # of what is left of the month
    credited = north.http.post(path, json={"amount": half, "reason": "the report was late"}).json()
    assert (credited["credited"], credited["amount_remaining"]) == (half, invoice.total - half)
    too_much = north.http.post(path, json={"amount": invoice.total, "reason": "everything"})
    assert (too_much.status_code, "larger than what is left" in too_much.text) == (502, True)
    assert north.http.post("/api/v1/invoices/in_none/credit", json={"amount": 1, "reason": "none"}).status_code == 404
