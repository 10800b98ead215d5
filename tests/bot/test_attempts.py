"""Slack tells why a candidate was turned down, what is tried next, and does what a button suggests."""

from sqlmodel import select

from tests.bot.office import Office, shown
from tests.support.cycles import Workshop
from tests.support.factories import make_base
from tests.support.failed_plan import WHY, fail_plan, give_data
from tests.support.showcase_traffic import Maker
from tests.support.turned_down import LOST, TurnedDown, make_turned_down
from tuneloop.kit.db import Database
from tuneloop.retraining.service import cycles_of
from tuneloop.tables import (
    CycleState,
    Domain,
    Plan,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    SlackMessage,
)
from tuneloop_local.emulators.slack.client import EmulatorMessage


def turned_down(north: Office, database: Database, *, attempts: int = 3) -> TurnedDown:
    base = make_base(database)
    with database.unit(north.agency.id) as session:
        maker = Maker(session, base, 1)
        client = maker.client("meadow", "Meadow Furniture", Domain.ECOMMERCE, Plan.BASIC)
        return make_turned_down(maker, north.agency, client, attempts=attempts)


def about(north: Office, words: str) -> EmulatorMessage:
    (found,) = [each for each in north.messages() if words in shown(each.content)]
    return found


def test_the_alert_s_message_and_the_candidate_s_end_with_why_and_what_next(north: Office, database: Database) -> None:
    made = turned_down(north, database)
    north.tick()
    alert = about(north, "meadow/support: accuracy")
    words = shown(alert.content)
    assert ":x: *`v1.3` was turned down after 3 attempts.*" in words
    assert "returns went from 80 % (63\u201390 %, n=30) to 43 %" in words
    assert "`returns` → `order status`: 0 → *17* of n 30" in words
    assert "*What next*" in words
    assert "next_step:retrain" in alert.actions
    assert "approve_retrain" not in alert.actions, "the same again is not a next step"
    north.click("Otto", alert, "label_first")
    assert "What is the right answer?" in shown(north.told("Otto")[-1].content)
    candidate = about(north, "Candidate meadow/support@v1.3")
    words = shown(candidate.content)
    assert "Attempt 3 of up to 3: `trained again with" in words
    assert "91 % (84\u201395 %, n=120) →\n*82 % (74\u201388 %, n=120)*" in words, "the numbers stay"
    assert "promote" not in candidate.actions
    assert words.count("to 43 %") == 1, "one number for one fact"
    assert len(words) < 3000, "it fits a phone"
    assert "*What next*" in words
    assert "open_page:Look at everything that was measured" in candidate.actions
    with database.unit(north.agency.id) as session:
        posted = session.exec(select(SlackMessage).where(SlackMessage.subject_kind == "candidate")).all()
        assert [each.subject_id == made.cycle_id for each in posted] == [False], "of the third attempt only"


def test_while_another_attempt_trains_the_alert_s_message_says_which_and_why(north: Office, database: Database) -> None:
    turned_down(north, database, attempts=2)
    north.tick()
    words = shown(about(north, "meadow/support: accuracy").content)
    assert "v1.2 was turned down: returns went from 80 %" in words
    assert "*Attempt 3 of up to 3*: `trained again with" in words
    assert "Training (continue, 1 of 2)" in words
    assert "*What next*" not in words


def test_a_button_proposes_the_next_retrain_with_another_seed(north: Office, database: Database) -> None:
    made = turned_down(north, database)
    north.tick()
    north.click("Vera", about(north, "Candidate meadow/support@v1.3"), "next_step:retrain")
    assert "this needs the role operator" in shown(north.told("Vera")[-1].content)
    north.click("Otto", about(north, "Candidate meadow/support@v1.3"), "next_step:retrain")
    assert "Proposed as" in shown(north.told("Otto")[-1].content)
    with database.unit(north.agency.id) as session:
        newest, before = cycles_of(session, session.get_one(RegisteredModel, made.model.id))
        assert (newest.state, newest.alert_id, newest.recipe["seed"]) == (CycleState.PROPOSED, made.alert_id, 2)
        assert before.id == made.cycle_id
    assert "next_step:retrain" not in about(north, "Candidate meadow/support@v1.3").actions


def test_a_button_puts_queries_like_the_lost_ones_into_the_queue(north: Office, database: Database) -> None:
    made = turned_down(north, database)
    north.tick()
    north.click("Otto", about(north, "Candidate meadow/support@v1.3"), f"next_step:label:{LOST}")
    told = north.told("Otto")[-1]
    assert "36 production queries wait in the review queue now." in shown(told.content)
    assert told.actions == ["label_next"]
    with database.unit(north.agency.id) as session:
        items = session.exec(select(ReviewItem).where(ReviewItem.purpose == ReviewPurpose.BURST)).all()
        assert len(items) == 36
        texts = {item.messages[0]["content"] for item in items}
        assert len(texts) == 36
        assert all("send it back" in text or "send back" in text for text in texts)
        assert items[0].reason.startswith("v1.3 lost returns and was taken for order status")
        assert session.get_one(RetrainingCycle, made.cycle_id).state is CycleState.REJECTED


def test_asking_again_for_what_has_failed_says_so_first(north: Office, database: Database, workshop: Workshop) -> None:
    with database.unit(north.agency.id) as session:
        give_data(session, north.agency, session.get_one(RegisteredModel, workshop.model.id))
    north.say("Otto", "retrain acme")
    with database.unit(north.agency.id) as session:
        (cycle,) = session.exec(select(RetrainingCycle)).all()
        fail_plan(session, north.agency, cycle)
    north.tick()
    assert "another seed (1) (compute not measured)" in shown(
        about(north, "The retrain of acme/support failed").content
    )
    said = north.say("Otto", "retrain acme")
    assert "The same data and recipe were tried on" in said
    assert f"The retrain failed: {WHY}. Change the data or the recipe" in said
    with database.unit(north.agency.id) as session:
        assert len(session.exec(select(RetrainingCycle)).all()) == 1
    north.click("Otto", north.told("Otto")[-1], "insist")
    with database.unit(north.agency.id) as session:
        newest, _ = cycles_of(session, session.get_one(RegisteredModel, workshop.model.id))
        assert (newest.state, newest.recipe["seed"]) == (CycleState.PROPOSED, 1)


def test_the_alert_s_button_says_that_the_plan_has_failed_and_the_one_below_insists(
    north: Office, database: Database, workshop: Workshop
) -> None:
    with database.unit(north.agency.id) as session:
        give_data(session, north.agency, session.get_one(RegisteredModel, workshop.model.id))
        alert_id = workshop.alert(session)
    north.tick()
    north.click("Otto", about(north, "acme/support: accuracy"), "approve_retrain")
    with database.unit(north.agency.id) as session:
        (cycle,) = cycles_of(session, session.get_one(RegisteredModel, workshop.model.id))
        fail_plan(session, north.agency, cycle)
    north.tick()
    north.click("Otto", about(north, "acme/support: accuracy"), "approve_retrain")
    told = north.told("Otto")[-1]
    assert f"The retrain failed: {WHY}. Change the data or the recipe" in shown(told.content)
    assert told.actions == ["insist"]
    north.click("Otto", told, "insist")
    assert "Approved. The training begins." in shown(north.told("Otto")[-1].content)
    with database.unit(north.agency.id) as session:
        newest, _ = cycles_of(session, session.get_one(RegisteredModel, workshop.model.id))
        assert (newest.state, newest.recipe["seed"], newest.alert_id) == (CycleState.APPROVED, 1, alert_id)
