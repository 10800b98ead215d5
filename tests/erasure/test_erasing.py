"""What goes, what stays, and what an erasure says about it."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, func, select

from tests.erasure.conftest import Stage
from tests.support.factories import owner_of
from tuneloop.audit.service import events
from tuneloop.datasets.service import list_examples
from tuneloop.erasure.functions import delete_client_rows, erase_columns
from tuneloop.erasure.service import confirm_erasure, request_erasure
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.ids import new_id
from tuneloop.predictions.completion_ids import completion_id
from tuneloop.review.sampling import add_sample
from tuneloop.tables import (
    Client,
    ErasureKind,
    ErasureState,
    EvalAnswer,
    Example,
    Feedback,
    FeedbackKind,
    Invoice,
    JobRow,
    Pool,
    Prediction,
    Report,
    ReportFile,
    ReportSnapshot,
    ReviewItem,
    ReviewLabel,
    ReviewPurpose,
    ReviewState,
    Snapshot,
    SnapshotItem,
    Source,
    Subscription,
    SubscriptionState,
)

ASKED = "My parcel to Gartenweg 5 has not come, and I have been waiting for three weeks now, says Ottokar"


def answered(stage: Stage, *, person: str | None, asked: str = ASKED, answer: str = "order") -> UUID:
    """An answer that was labelled, corrected and learned from."""
    mine: dict[str, Any] = {"client_id": stage.world.client.id, "model_id": stage.world.model.id}
    said = [{"role": "user", "content": asked}]
    with stage.database.unit(stage.world.agency.id) as session:
        version = stage.world.version
        prediction = Prediction(
            **mine, version_id=version.id, digest=version.digest, messages=said, answer=answer, end_user=person
        )
        session.add(prediction)
        session.flush()
        example = Example(
            **mine,
            pool=Pool.TRAINING,
            messages=said,
            expected=answer,
            category="order",
            source=Source.CORRECTION,
            content_hash=new_id().hex,
            minhash=b"x",
            prediction_id=prediction.id,
        )
        item = ReviewItem(
            **mine,
            purpose=ReviewPurpose.SAMPLE,
            reason="drawn",
            prediction_id=prediction.id,
            messages=said,
            answers={"model": answer},
            expected=answer,
            state=ReviewState.DONE,
        )
        session.add_all([example, item])
        session.flush()
        session.add(
            Feedback(
                **mine,
                prediction_id=prediction.id,
                kind=FeedbackKind.ERROR,
                comment="Ottokar is angry",
                reporter=person,
            )
        )
        session.add(
            ReviewLabel(client_id=stage.world.client.id, item_id=item.id, labeller="Ann", expected=answer, category="x")
        )
    return prediction.id


def hanging(session: Session, answer: UUID) -> tuple[Prediction, Example, ReviewItem, Feedback, ReviewLabel]:
    item = session.exec(select(ReviewItem).where(ReviewItem.prediction_id == answer)).one()
    return (
        session.get_one(Prediction, answer),
        session.exec(select(Example).where(Example.prediction_id == answer)).one(),
        item,
        session.exec(select(Feedback).where(Feedback.prediction_id == answer)).one(),
        session.exec(select(ReviewLabel).where(ReviewLabel.item_id == item.id)).one(),
    )


def test_an_answer_goes_with_all_that_hangs_on_it_and_its_label_stays(stage: Stage) -> None:
    answer, another = (
        answered(stage, person="p1"),
        answered(stage, person="p2", asked="Somebody else's question of today"),
    )
    done = stage.erase(ErasureKind.ANSWER, completion_id(answer))
    with stage.database.unit(stage.world.agency.id) as session:
        prediction, example, item, feedback, label = hanging(session, answer)
        assert prediction.messages == item.messages == [{"role": "user", "content": "[erased]"}]
        assert (prediction.answer, item.expected, label.expected) == ("order", "order", "order")
        assert item.state is ReviewState.DONE
        assert (example.messages, example.expected, example.minhash) == ([], "", b"")
        assert example.deleted_at is not None
        assert feedback.comment == "[erased]"
        others = hanging(session, another)
        assert (
            others[0].messages[0]["content"] == others[1].messages[0]["content"] == "Somebody else's question of today"
        )
        assert others[3].comment == "Ottokar is angry"
    assert done.erased == {
        "prediction": 1, "example": 1, "review_item": 1, "feedback": 1, "review_label": 1,
    }  # fmt: skip


def test_a_person_keeps_one_name_that_leads_back_to_nobody(stage: Stage) -> None:
    mine = [answered(stage, person="ottokar@example.org", asked=f"{number}: {ASKED}") for number in range(3)]
    other = answered(stage, person="ann@example.org", asked="When will the shop in town open?")
    before = counts(stage)
    stage.erase(ErasureKind.END_USER, "ottokar@example.org")
    with stage.database.unit(stage.world.agency.id) as session:
        people = {session.get_one(Prediction, each).end_user for each in mine}
        assert len(people) == 1
        assert str(people.pop()).startswith("erased-")
        assert session.get_one(Prediction, other).end_user == "ann@example.org"
    assert counts(stage) == before


def counts(stage: Stage) -> list[int]:
    tables = (Prediction, Feedback, ReviewItem, ReviewLabel)
    with stage.database.unit(stage.world.agency.id) as session:
        return [session.exec(select(func.count(col(table.id)))).one() for table in tables] + [
            session.exec(select(func.count(func.distinct(Prediction.end_user)))).one()
        ]


def test_copies_that_were_cut_short_go_too_and_the_report_is_made_anew(stage: Stage) -> None:
    answer = answered(stage, person=None)
    pdf = stage.storage.put_bytes(b"%PDF quoting it")
    client = {"client": stage.world.client.id}
    stage.owner.execute(
        text(
            "update report_snapshot set content = content || jsonb_build_object('note', cast(:said as text)) "
            "where client_id = :client"
        ),
        client | {"said": f"{ASKED[:70]} …"},
    )
    stage.owner.execute(text("update report_file set sha256 = :sha where client_id = :client"), client | {"sha": pdf})
    done = stage.erase(ErasureKind.ANSWER, completion_id(answer))
    assert (done.erased["report_snapshot"], done.erased["files"]) == (1, 1)
    assert not stage.storage.exists(pdf)
    with stage.database.unit(stage.world.agency.id) as session:
        report = session.exec(select(Report).where(Report.client_id == stage.world.client.id)).one()
        assert session.get_one(ReportSnapshot, report.snapshot_id).content["note"] == "[erased]"
        assert session.exec(select(ReportFile).where(ReportFile.client_id == report.client_id)).all() == []
        (queued,) = session.exec(select(JobRow).where(JobRow.name == "report.render")).all()
        assert queued.args == {"report_id": str(report.id)}


def test_versions_that_learned_are_listed_and_the_next_snapshot_is_without(stage: Stage) -> None:
    answer = answered(stage, person=None)
    with stage.database.unit(stage.world.agency.id) as session:
        example = session.exec(select(Example).where(Example.prediction_id == answer)).one()
        snapshot = session.exec(select(Snapshot).where(Snapshot.model_id == stage.world.model.id)).one()
        session.add(
            SnapshotItem(client_id=example.client_id, snapshot_id=snapshot.id, example_id=example.id, position=7)
        )
    request = stage.preview(ErasureKind.TEXT, "Gartenweg 5")
    name = f"{stage.world.client.slug}/support"
    assert request.versions == [{"model": name, "version": "1.0", "production": True}]
    assert stage.confirm(request.id).versions == request.versions
    with stage.database.unit(stage.world.agency.id) as session:
        model = session.merge(stage.world.model, load=False)
        assert list(list_examples(session, model=model, pool=Pool.TRAINING, limit=10)) == []


def test_nobody_is_asked_to_label_what_was_erased(stage: Stage) -> None:
    answer = answered(stage, person="p1", asked="Ottokar wonders about parcels")
    with stage.database.unit(stage.world.agency.id) as session:
        for item in session.exec(select(ReviewItem).where(ReviewItem.prediction_id == answer)):
            item.state, item.purpose = ReviewState.OPEN, ReviewPurpose.UNCERTAIN
            session.add(item)
    stage.erase(ErasureKind.TEXT, "ottokar")
    with stage.database.unit(stage.world.agency.id) as session:
        assert hanging(session, answer)[2].state is ReviewState.SKIPPED
        drawn = add_sample(session, model=session.merge(stage.world.model, load=False), size=50)
        assert answer not in {item.prediction_id for item in drawn}


def test_the_request_forgets_its_target_and_the_audit_log_never_had_it(stage: Stage) -> None:
    answered(stage, person=None)
    stage.erase(ErasureKind.TEXT, "Gartenweg 5")
    assert stage.owner.execute(text("select count(*) from erasure where target like '%Gartenweg%'")).scalar_one() == 0
    with stage.database.unit(stage.world.agency.id) as session:
        told = [event for event in events(session, limit=50) if event.action.startswith("erasure.")]
        assert [event.action for event in told] == ["erasure.done", "erasure.confirm", "erasure.request"]
        assert "Gartenweg" not in str([event.detail for event in told])


def test_of_a_confined_request_other_clients_keep_theirs(stage: Stage) -> None:
    stage.owner.execute(
        text("update prediction set end_user = 'person-77', messages = :said where agency_id = :agency"),
        {"said": '[{"role": "user", "content": "Ottokar asks"}]', "agency": stage.world.agency.id},
    )
    stage.erase(ErasureKind.TEXT, "Ottokar", client=stage.world.client.slug)
    with stage.database.unit(stage.world.agency.id) as session:
        left = {row.client_id: row.messages[0]["content"] for row in session.exec(select(Prediction))}
    assert left == {stage.world.client.id: "[erased]", stage.other.client.id: "Ottokar asks"}


@pytest.mark.parametrize(
    ("target", "why"), [("ab 1", "at least"), ("refund", "part of the label"), ("  ", "say what to look for")]
)
def test_what_would_take_too_much_is_refused(stage: Stage, target: str, why: str) -> None:
    with stage.database.unit(stage.world.agency.id) as session, pytest.raises(InvalidInput, match=why):
        request_erasure(
            session, principal=owner_of(stage.world.agency), kind=ErasureKind.TEXT, target=target, reason="asked"
        )


def test_what_is_still_counted_cannot_be_confirmed(stage: Stage) -> None:
    with stage.database.unit(stage.world.agency.id) as session:
        principal = owner_of(stage.world.agency)
        request = request_erasure(
            session, principal=principal, kind=ErasureKind.TEXT, target="Gartenweg 5", reason="asked"
        )
        with pytest.raises(Conflict, match="counting"):
            confirm_erasure(session, principal=principal, erasure_id=request.id)


def test_rows_that_never_change_are_touched_by_a_confirmed_request_of_their_agency_alone(stage: Stage) -> None:
    request = stage.preview(ErasureKind.TEXT, "Gartenweg 5")
    with stage.database.unit(stage.world.agency.id) as session:
        answer = session.exec(select(EvalAnswer).where(EvalAnswer.client_id == stage.world.client.id)).one()
    with stage.database.unit(stage.world.agency.id) as session, pytest.raises(DBAPIError, match="no confirmed erasure"):
        erase_columns(session, request, "eval_answer", [answer.id], ["answer"])
    with stage.database.unit(stage.world.agency.id) as session, pytest.raises(DBAPIError, match="no confirmed erasure"):
        delete_client_rows(session, request, "eval_answer")


def test_a_whole_client_goes_but_for_what_the_law_asks(stage: Stage) -> None:
    answered(stage, person="p1")
    end_subscription(stage)
    done = stage.erase(ErasureKind.CLIENT, client=stage.world.client.slug)
    assert done.state is ErasureState.DONE
    assert rows_of(stage, stage.world.client.id) == {
        "audit_event", "erasure", "invoice", "month_close", "service_use", "subscription", "usage_record",
    }  # fmt: skip
    with stage.database.unit(stage.world.agency.id) as session:
        client = session.get_one(Client, stage.world.client.id)
        assert client.erased_at is not None
        assert (client.name, client.contacts) == (f"Erased client {client.id.hex[-8:]}", [])
        assert session.exec(select(Invoice).where(Invoice.client_id == client.id)).first() is not None
    assert "prediction" in rows_of(stage, stage.other.client.id)


def test_versions_and_reports_of_a_client_stay_where_that_is_chosen(stage: Stage) -> None:
    end_subscription(stage)
    stage.erase(ErasureKind.CLIENT, client=stage.world.client.slug, keep=frozenset({"versions", "reports"}))
    left = rows_of(stage, stage.world.client.id)
    assert {"adapter_version", "registered_model", "snapshot", "report", "report_snapshot", "report_file"} <= left
    assert not {"version_alias", "prediction", "example", "snapshot_item", "mail"} & left


def test_a_client_whose_subscription_runs_is_refused(stage: Stage) -> None:
    with stage.database.unit(stage.world.agency.id) as session, pytest.raises(Conflict, match="cancel it first"):
        request_erasure(
            session,
            principal=owner_of(stage.world.agency),
            kind=ErasureKind.CLIENT,
            client=stage.world.client.slug,
            reason="it left",
        )


def end_subscription(stage: Stage) -> None:
    with stage.database.unit(stage.world.agency.id) as session:
        for row in session.exec(select(Subscription).where(Subscription.client_id == stage.world.client.id)):
            row.state = SubscriptionState.CANCELLED
            session.add(row)


def rows_of(stage: Stage, client: UUID) -> set[str]:
    """Tables that hold rows of the client."""
    tables = stage.owner.execute(
        text(
            "select table_name from information_schema.columns "
            "where column_name = 'client_id' and table_schema = 'public'"
        )
    ).scalars()
    return {
        table
        for table in tables.all()
        if stage.owner.execute(text(f"select count(*) from {table} where client_id = :id"), {"id": client}).scalar_one()
    }


def test_a_worker_that_dies_before_the_files_are_gone_goes_on(stage: Stage) -> None:
    answer = answered(stage, person=None)
    request = stage.preview(ErasureKind.ANSWER, completion_id(answer))
    left = stage.storage.put_bytes(b"left over")
    with stage.database.unit(stage.world.agency.id) as session:
        confirmed = confirm_erasure(session, principal=owner_of(stage.world.agency), erasure_id=request.id)
        confirmed.leftover = {"files": [left], "jobs": []}
        session.add(confirmed)
    assert stage.work(confirmed).state is ErasureState.DONE
    assert not stage.storage.exists(left)
