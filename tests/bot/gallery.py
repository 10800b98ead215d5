"""Every message that the app sends, and every modal, in one workspace: made by the real listeners, to look at."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import Session, select

from tests.bot.office import Office, shown
from tests.bot.test_messages import NASTY, RATE, alert_world, point
from tests.support.cycles import Workshop, make_workshop
from tests.support.factories import make_base
from tests.support.showcase_traffic import Maker
from tests.support.turned_down import make_turned_down
from tuneloop.kit.clock import now
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.monitoring.alerts import notify_again
from tuneloop.registry.contract import Contract
from tuneloop.registry.service import point as move
from tuneloop.tables import (
    Alert,
    Alias,
    BaseModel,
    Client,
    CycleState,
    Domain,
    Example,
    PaymentProblem,
    PaymentProblemKind,
    Plan,
    Pool,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    Source,
)
from tuneloop_bot.message_sync import refresh

RATES = [{"value": v, "n": 120, "low": v - 0.06, "high": v + 0.04} for v in (0.87, 0.91)]


def row(key: str, title: str, gain: float) -> dict[str, Any]:
    return {
        "key": key,
        "title": title,
        "n": 120,
        "production": RATES[0],
        "candidate": RATES[1],
        "difference": {"value": gain, "low": gain - 0.03, "high": gain + 0.03},
        "fixed": 9,
        "broken": 4,
        "p_value": 0.04,
    }


def item(number: int) -> dict[str, str]:
    return {"expected": "order", "production": f"refund {number} {NASTY}", "candidate": "order", "category": "order"}


TABLE: dict[str, Any] = {
    "rows": [
        row("overall", "Overall accuracy", 0.04),
        row("target", "New and fallen categories", 0.12),
        row("strong", "Previously strong categories", -0.01),
        row("hallucination", "Hallucination rate", -0.014),
    ],
    "target": ["order"],
    "categories": [row("order", "order", 0.12), row("refund", "refund *x*", -0.02)],
    "fixed": [item(each) for each in range(9)],
    "broken": [item(each) for each in range(2)],
}
VERDICTS = {
    "promote": ["It gains 12 points on order (9 to 15).", "Strong categories keep theirs."],
    "reject": ["It loses 6 points on refund (-9 to -3), which was strong before."],
    "need_more_labels": ["The gain on order may be chance: +3 points (-2 to +8)."],
}
STATES = ("asked", "training", "rejected", "failed", "deployed")
COMMANDS = (
    "help",
    "status",
    "who-can",
    "report",
    "week",
    "approve",
    "promote",
    "rollback deployed",
    "retrain acme",
    "label labels",
    "label menu",
)


class Begun(NamedTuple):
    state: str
    workshop: Workshop
    cycle_id: UUID


class Gallery(NamedTuple):
    """`modals` opens each modal, by name."""

    north: Office
    base: BaseModel
    modals: dict[str, Callable[[], None]]


def make_gallery(north: Office) -> Gallery:
    base = make_base(north.database)
    _alert(north, base)
    gallery = Gallery(north, base, {})
    begun = [_cycle(gallery, state) for state in (*STATES, *VERDICTS)]
    north.tick()
    with north.database.unit(north.agency.id) as session:
        for begin in begun:
            _come_to(session, session.get_one(RetrainingCycle, begin.cycle_id), begin)
    question = next(each for each in north.messages() if "Retrain rejected/support?" in shown(each.content))
    north.click("Otto", question, "reject")
    north.submit("Otto", reason="wait for the new labels")
    _turned_down(gallery)
    _calls(north)
    _labels(gallery)
    for command in COMMANDS:
        north.say("Otto", command)
    for who in ("Otto", "Vera"):
        north.client.act("open_home", team=north.team, user=north.people[who])
    north.work()
    _modals(gallery)
    return gallery


def _alert(north: Office, base: BaseModel) -> None:
    """Six weeks of readings, three wrong answers, a contact for the report."""
    world = alert_world(north, north.database, base)
    with north.database.unit(north.agency.id) as session:
        alert = session.exec(select(Alert)).one()
        alert.opened_at = now() - timedelta(days=8)
        alert.evidence = {
            **alert.evidence,
            "current": {**RATE, "value": 0.66, "low": 0.52, "high": 0.78, "n": 50},
            "series": {"accuracy": [point(1, 44), point(5, 43), point(8, 45), point(12, 39), point(19, 36)]},
            "before": {"order": RATE},
            "categories": {"order": {**RATE, "value": 0.5, "low": 0.3, "high": 0.7, "n": 20}},
        }
        session.get_one(Client, world.client.id).contacts = [{"name": "Cleo", "email": "cleo@acme.example"}]
        for place, text in enumerate(("Where is my parcel?", f"It never came. {NASTY}", "Cancel it, please.")):
            answered = Prediction(
                client_id=world.client.id,
                model_id=world.model.id,
                version_id=world.version.id,
                digest=world.version.digest,
                messages=[{"role": "user", "content": text}],
                answer="refund",
                confidence=0.6,
            )
            session.add(answered)
            session.flush()
            session.add(
                Example(
                    client_id=world.client.id,
                    model_id=world.model.id,
                    pool=Pool.ROLLING,
                    messages=answered.messages,
                    expected="order",
                    category="order",
                    source=Source.SAMPLED,
                    content_hash=f"{place + 700:064x}",
                    minhash=b"",
                    prediction_id=answered.id,
                    added_at=alert.opened_at - timedelta(hours=1),
                )
            )


def _cycle(gallery: Gallery, state: str) -> Begun:
    """A client of its own, with a cycle that is asked about."""
    north = gallery.north
    slug = state.replace("_", "-")
    workshop = make_workshop(north.database, north.agency, ["order", "refund"], base=gallery.base, client_slug=slug)
    with north.database.unit(north.agency.id) as session:
        if state in VERDICTS or state == "deployed":
            outcome = state if state in VERDICTS else "promote"
            asked = [{**each, "example_id": str(workshop.examples[0].id)} for each in TABLE["fixed"]]
            table = {**TABLE, "fixed": asked}
            cycle_id = workshop.judged(session, outcome, table=table, reasons=VERDICTS[outcome])
        else:
            cycle_id = workshop.asked(session)
    return Begun(state, workshop, cycle_id)


def _turned_down(gallery: Gallery) -> None:
    """One whose three attempts have ended, and one whose third is trained."""
    north = gallery.north
    with north.database.unit(north.agency.id) as session:
        maker = Maker(session, gallery.base, 1)
        for slug, name, attempts in (("meadow", "Meadow Furniture", 3), ("orchard", "Orchard Toys", 2)):
            client = maker.client(slug, name, Domain.ECOMMERCE, Plan.BASIC)
            make_turned_down(maker, north.agency, client, attempts=attempts)
    north.tick()


def _come_to(session: Session, cycle: RetrainingCycle, begun: Begun) -> None:
    state, workshop = begun.state, begun.workshop
    cycle.updated_at = now()
    if state == "training":
        job = JobRow(client_id=cycle.client_id, name="x", queue="gpu", args={}, max_attempts=1, state=JobState.RUNNING)
        job.progress = {"stage": "training", "step": 130, "steps": 200}
        session.add(job)
        session.flush()
        cycle.state, cycle.job_id = CycleState.TRAINING, job.id
    elif state == "failed":
        cycle.state = CycleState.FAILED
        cycle.failure = "The parent's loss was not reproduced: 1.92 instead of 1.41. The adapter does not fit the base."
    elif state == "deployed":
        cycle.state = CycleState.DEPLOYED
        move(session, workshop.model, Alias.PREVIOUS, cycle.parent_version_id)
        move(session, workshop.model, Alias.PRODUCTION, cycle.candidate_version_id)


def _calls(north: Office) -> None:
    """Nobody has answered for long; it is Monday."""
    with north.database.unit(north.agency.id) as session:
        alert = session.exec(select(Alert).join(Client).where(Client.slug == "acme")).one()
        alert.notified_at = alert.opened_at
        notify_again(session, alert.model_id)
        problem = PaymentProblem(
            client_id=alert.client_id,
            kind=PaymentProblemKind.DISPUTED,
            key="disputed:in_1:dp_1",
            summary="Acme disputes 2,000.00 USD of invoice ACME-0001 (fraudulent); Stripe calls it needs response",
            to_do="answer it with evidence in Stripe's dashboard until 2026-12-09, or accept it there",
        )
        session.add(problem)
    monday = now().replace(hour=9) + timedelta(days=7 - now().weekday())
    for at in (now(), now() + timedelta(minutes=25), now() + timedelta(minutes=50), monday):
        with north.database.unit(north.agency.id) as session:
            refresh(session, north.settings, at=at, at_once=True)
        north.work()


def _labels(gallery: Gallery) -> None:
    for slug, labels in (("labels", 8), ("menu", 130)):
        workshop = make_workshop(
            gallery.north.database, gallery.north.agency, ["order"], base=gallery.base, client_slug=slug
        )
        with gallery.north.database.unit(gallery.north.agency.id) as session:
            model = session.get_one(RegisteredModel, workshop.model.id)
            names = ("order", "refund", *(f"reason {each}" for each in range(labels - 2)))
            contract = Contract.model_validate(model.contract).model_copy(update={"labels": names})
            model.contract = contract.model_dump(mode="json")
            session.add(
                ReviewItem(
                    client_id=model.client_id,
                    model_id=model.id,
                    purpose=ReviewPurpose.UNCERTAIN,
                    reason="the model is unsure: 41 %",
                    messages=[{"role": "user", "content": f"My parcel came, but not all of it. {NASTY}"}],
                    answers={},
                )
            )


def _modals(gallery: Gallery) -> None:
    """Openers, so that each can be looked at while it is open."""
    north = gallery.north

    def opener(action: str) -> Callable[[], None]:
        return lambda: north.click("Otto", _with(north, action), action)

    def shortcut() -> None:
        message = _with(north, "snooze")
        at = {"channel": message.channel, "ts": message.ts, "callback": "answer_was_wrong"}
        north.client.act("shortcut", team=north.team, user=north.people["Otto"], **at)

    gallery.modals.update({each: opener(each) for each in ("no_problem", "reject", "override", "edit_note")})
    gallery.modals["shortcut"] = shortcut


def _with(north: Office, action: str) -> Any:
    return next(each for each in north.messages() if action in each.actions)
