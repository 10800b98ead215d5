"""`/tuneloop …`: what each command answers, and what its buttons then do."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from tests.bot.office import Office, shown
from tests.bot.test_messages import alert_world
from tests.support.cycles import Workshop
from tests.support.factories import make_base
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.registry.contract import Contract
from tuneloop.registry.service import point
from tuneloop.tables import (
    Alias,
    Client,
    CycleState,
    Example,
    Pool,
    RegisteredModel,
    Report,
    ReportState,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    SlackMessage,
    Source,
)
from tuneloop_reports.service import freeze, report_content


def add_training(north: Office, workshop: Workshop) -> None:
    with north.database.unit(north.agency.id) as session:
        session.add(
            Example(
                client_id=workshop.client.id,
                model_id=workshop.model.id,
                pool=Pool.TRAINING,
                messages=[{"role": "user", "content": "Where is it?"}],
                expected="order",
                category="order",
                source=Source.IMPORT,
                content_hash="9" * 64,
                minhash=b"",
                checked_at=now(),
            )
        )


def newest_cycle(north: Office) -> RetrainingCycle:
    with north.database.unit(north.agency.id) as session:
        return session.exec(select(RetrainingCycle).order_by(col(RetrainingCycle.created_at).desc())).all()[0]


def test_report_shows_the_month_s_report_with_its_state_and_sends_it_once(north: Office, database: Database) -> None:
    world = alert_world(north, database, make_base(database))
    with database.unit(north.agency.id) as session:
        contacts = [{"name": "Cleo", "email": "cleo@acme.example"}]
        session.get_one(Client, world.client.id).contacts = contacts
    for asked in ("report", "report acme", "report 2026-01", "report acme 2026-01"):
        assert "Draft: waits for somebody to send it" in north.say("Vera", asked)
    assert north.told("Vera")[-1].actions == ["open_page:Preview", "send_report", "edit_note"]
    assert "no report yet" in north.say("Otto", "report 2025-12").replace("such ", "")
    assert "is not a month" in north.say("Otto", "report acme 2026-13")
    assert "no client nobody" in north.say("Otto", "report nobody")

    north.say("Otto", "report acme")
    private = north.told("Otto")[-1]
    north.click("Vera", north.told("Vera")[-4], "send_report")
    assert "this needs the role operator" in shown(north.told("Vera")[-1].content)
    north.click("Otto", private, "send_report")
    (now_so,) = [each for each in north.told("Otto") if each.ts == private.ts]
    assert (now_so.actions, "is on its way" in shown(now_so.content)) == ([], True)
    assert "Sent by `Otto`" in north.say("Vera", "report acme")
    assert north.told("Vera")[-1].actions == ["open_page:Preview"]


def test_a_month_that_is_not_over_can_be_looked_at_and_not_sent(north: Office, database: Database) -> None:
    alert_world(north, database, make_base(database))
    with database.unit(north.agency.id) as session:
        first = session.exec(select(Report)).one()
        month = f"{now():%Y-%m}"
        end = datetime(9999, 1, 1, tzinfo=now().tzinfo)
        content = report_content(session, first).model_copy(update={"month": month, "end": end})
        frozen = freeze(session, first.client_id, content)
        session.add(Report(client_id=first.client_id, month=month, snapshot_id=frozen.id))
    assert "2026-01" in north.say("Otto", "report acme")
    assert "its month is not over" in north.say("Otto", f"report acme {month}")
    assert north.told("Otto")[-1].actions == ["open_page:Preview", "edit_note"]
    with database.unit(north.agency.id) as session:
        assert {each.state for each in session.exec(select(Report))} == {ReportState.DRAFT}


def test_retrain_proposes_and_approve_answers_where_the_question_stood(north: Office, workshop: Workshop) -> None:
    assert "the training set is empty" in north.say("Otto", "retrain acme")
    add_training(north, workshop)
    assert "this needs the role operator" in north.say("Vera", "retrain acme")
    assert "Retrain acme/support?" in north.say("Otto", "retrain acme/support")
    assert "finish or reject it first" in north.say("Olga", "retrain acme")
    assert newest_cycle(north).state is CycleState.PROPOSED
    north.say("Olga", "approve")
    private = north.told("Olga")[-1]
    north.click("Olga", private, "approve_retrain")
    (now_so,) = [each for each in north.told("Olga") if each.ts == private.ts]
    assert (now_so.actions, "Approved. The training begins." in shown(now_so.content)) == ([], True)
    assert newest_cycle(north).state is CycleState.APPROVED


def test_rollback_names_both_versions_and_goes_back(north: Office, workshop: Workshop) -> None:
    assert "no previous version" in north.say("Otto", "rollback acme")
    with north.database.unit(north.agency.id) as session:
        cycle = session.get_one(RetrainingCycle, workshop.judged(session, "promote"))
        cycle.state = CycleState.DEPLOYED
        point(session, workshop.model, Alias.PREVIOUS, cycle.parent_version_id)
        point(session, workshop.model, Alias.PRODUCTION, cycle.candidate_version_id)
    assert "answers with v1.1; before it was v1.0" in north.say("Otto", "rollback acme/support")
    north.click("Otto", north.told("Otto")[-1], "roll_back")
    assert "acme/support@v1.0 is in production again" in shown(north.told("Otto")[-1].content)
    assert north.told("Otto")[-1].actions == []


def test_here_sends_a_client_s_messages_to_a_channel_of_its_own(north: Office, workshop: Workshop) -> None:
    assert "this needs the role admin" in north.say("Otto", "here acme")
    general, north.channel = north.channel, north.client.channel(north.team, "acme")
    north.client.act("invite", team=north.team, channel=north.channel)
    north.say("Ann", "here acme")
    with north.database.unit(north.agency.id) as session:
        workshop.asked(session)
    north.tick()
    (question,) = [each for each in north.messages() if "approve_retrain" in each.actions]
    assert question.channel == north.channel != general
    assert f"<#{north.channel}>" in north.say("Vera", "who-can acme")
    assert f"<#{general}>" in north.say("Vera", "who-can")


def test_what_is_unknown_or_ambiguous_is_said(north: Office, workshop: Workshop) -> None:
    assert "there is no command 'dance'" in north.say("Otto", "dance")
    assert "say which model" in north.say("Otto", "retrain")
    assert "no model beta/x" in north.say("Otto", "rollback beta/x")
    assert workshop.client.slug in north.say("Otto", "status acme")
    for word in ("help", ""):
        assert "/tuneloop report [client] [month]" in north.say("Otto", word)


def labelled_by_menu(north: Office, workshop: Workshop, labels: int) -> tuple[list[dict[str, Any]], UUID]:
    """Ask Otto for a label of a model with so many labels; the blocks that he sees, and the item."""
    with north.database.unit(north.agency.id) as session:
        model = session.get_one(RegisteredModel, workshop.model.id)
        contract = Contract.model_validate(model.contract)
        names = ["order", "refund", *(f"reason {each:03} {'x' * 68}" for each in range(labels - 2))]
        model.contract = contract.model_copy(update={"labels": tuple(names)}).model_dump(mode="json")
        item = ReviewItem(
            client_id=model.client_id,
            model_id=model.id,
            purpose=ReviewPurpose.UNCERTAIN,
            reason="unsure",
            messages=[{"role": "user", "content": "Where is it?"}],
            answers={},
        )
        session.add(item)
    north.say("Otto", "label acme")
    blocks: list[dict[str, Any]] = north.told("Otto")[-1].content["blocks"]
    return blocks, item.id


def test_many_labels_are_picked_from_a_menu_and_more_than_a_hundred_in_groups(
    north: Office, workshop: Workshop
) -> None:
    blocks, item_id = labelled_by_menu(north, workshop, 130)
    (menu,) = [each for block in blocks for each in block.get("elements", ()) if each.get("action_id") == "label_pick"]
    assert [len(group["options"]) for group in menu["option_groups"]] == [100, 30]
    picked = menu["option_groups"][1]["options"][-1]["value"]
    north.click("Otto", north.told("Otto")[-1], "label_pick", value=picked)
    with north.database.unit(north.agency.id) as session:
        assert session.get_one(ReviewItem, item_id).expected == f"reason 127 {'x' * 68}"
    assert north.told("Otto")[-1].actions == []


def test_skipping_leaves_the_answer_to_others(north: Office, workshop: Workshop) -> None:
    _, item_id = labelled_by_menu(north, workshop, 3)
    assert [each.partition(":")[0] for each in north.told("Otto")[-1].actions] == ["label"] * 3 + ["label_skip"]
    north.click("Otto", north.told("Otto")[-1], "label_skip")
    with north.database.unit(north.agency.id) as session:
        assert session.get_one(ReviewItem, item_id).expected is None
        assert session.exec(select(SlackMessage)).all() == []
