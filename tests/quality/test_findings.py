"""A finding holds an example back until a person decides; the job that looks is the real one."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlmodel import col, select

from tests.support.cycles import Workshop, make_workshop
from tests.support.upstream import scripted_engine
from tuneloop.datasets.findings import (
    Examined,
    Found,
    dismiss_finding,
    fix_finding,
    list_findings,
    store_findings,
    take_out_personal_data,
)
from tuneloop.datasets.imports import import_examples
from tuneloop.datasets.jobs import ScanExamples
from tuneloop.datasets.placeholders import text_digest
from tuneloop.datasets.row import ParsedRow
from tuneloop.datasets.scanning import QUIET, SCANNING
from tuneloop.datasets.service import snapshot_examples, take_snapshot
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.jobs import JobRow, JobState, claim, finish, perform
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import point
from tuneloop.registry.templates import Message
from tuneloop.review.documents import add_document
from tuneloop.review.handlers import propose_examples
from tuneloop.review.jobs import ProposeExamples
from tuneloop.tables import Agency, Alias, AuditEvent, Example, FindingKind, FindingState, Pool, ReviewItem
from tuneloop_workers.handlers.scan_examples import scan_examples

TEXTS = {
    "where is the parcel that I ordered on monday morning": "order",
    "where is the parcel that I ordered on monday mornings": "refund",
    "please repair the torn sleeve of my winter coat": "repair",
    "send it to jane.roe@example.com, the blue one I paid for": "order",
}


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order"])


@pytest.fixture
def examples(session: TenantSession, workshop: Workshop, principal: Principal) -> dict[str, Example]:
    rows = [
        ParsedRow(number, (Message(role="user", content=text),), label, None)
        for number, (text, label) in enumerate(TEXTS.items(), start=1)
    ]
    import_examples(session, principal=principal, model=workshop.model, pool=Pool.TRAINING, rows=rows)
    found = session.exec(select(Example).where(Example.pool == Pool.TRAINING)).all()
    return {example.messages[0]["content"]: example for example in found}


def training_texts(session: TenantSession, workshop: Workshop) -> set[str]:
    snapshot = take_snapshot(session, model=workshop.model, pool=Pool.TRAINING)
    return {example.messages[0]["content"] for example in snapshot_examples(session, snapshot)}


@pytest.fixture
def scan(
    session: TenantSession, database: Database, workshop: Workshop, storage: Storage, tmp_path: Path
) -> Callable[[], None]:
    """The job that waits, run by a worker."""

    def run() -> None:
        query = select(JobRow).where(JobRow.name == ScanExamples.name, JobRow.state == JobState.QUEUED)
        (row,) = session.exec(query).all()
        with database.all_agencies() as everywhere:
            held = claim(everywhere, row.id, worker="test")
        assert held is not None
        context = JobContext(database, storage, Settings(data_dir=tmp_path), held, threading.Event())
        scan_examples(context, ScanExamples(model_id=workshop.model.id))
        with database.all_agencies() as everywhere:
            finish(everywhere, held)
        session.expire_all()

    return run


@pytest.mark.failure_case(20)
def test_an_import_is_looked_at_and_what_is_found_does_not_train(
    session: TenantSession, workshop: Workshop, examples: dict[str, Example], scan: Callable[[], None]
) -> None:
    with pytest.raises(Conflict, match="4 training examples have not been checked yet"):
        training_texts(session, workshop)
    scan()
    texts = list(TEXTS)
    kinds = {
        (each.example.messages[0]["content"], each.finding.kind)
        for each in list_findings(session, model=workshop.model)
    }
    assert kinds == {
        (texts[0], FindingKind.CONFLICT),
        (texts[1], FindingKind.CONFLICT),
        (texts[3], FindingKind.PERSONAL_DATA),
    }
    assert training_texts(session, workshop) == {texts[2]}


def test_examples_without_words_are_checked_and_train(
    session: TenantSession, workshop: Workshop, principal: Principal, scan: Callable[[], None]
) -> None:
    texts = [chr(0x1F600 + number) for number in range(60)]
    rows = [
        ParsedRow(number, (Message(role="user", content=text),), ("order", "refund")[number % 2], None)
        for number, text in enumerate(texts, start=1)
    ]
    import_examples(session, principal=principal, model=workshop.model, pool=Pool.TRAINING, rows=rows)
    scan()
    assert training_texts(session, workshop) <= set(texts)


def test_personal_data_gives_way_to_placeholders_and_the_text_is_checked_again(
    session: TenantSession,
    database: Database,
    workshop: Workshop,
    examples: dict[str, Example],
    principal: Principal,
    scan: Callable[[], None],
) -> None:
    scan()
    (found,) = [
        each.finding
        for each in list_findings(session, model=workshop.model)
        if each.finding.kind is FindingKind.PERSONAL_DATA
    ]
    take_out_personal_data(session, principal=principal, finding_id=found.id)
    cleaned = "send it to <EMAIL>, the blue one I paid for"
    example = session.exec(select(Example).where(Example.id == found.example_id)).one()
    assert (example.messages[0]["content"], example.expected, example.checked_at) == (cleaned, "order", None)
    with pytest.raises(Conflict, match="1 training example has not been checked yet"):
        training_texts(session, workshop)
    scan()
    assert cleaned in training_texts(session, workshop)
    (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "finding.fixed")).all()
    assert (event.detail["fix"], event.detail["kinds"], event.detail["n"]) == ("placeholders", "EMAIL_ADDRESS", 1)
    assert "jane" not in str(event.detail)


def test_what_a_snapshot_holds_is_replaced_by_another_row_and_never_edited(
    session: TenantSession, workshop: Workshop, examples: dict[str, Example], principal: Principal
) -> None:
    mail = list(TEXTS)[3]
    example = examples[mail]
    for each in examples.values():
        each.checked_at = now()
    before = take_snapshot(session, model=workshop.model, pool=Pool.TRAINING)
    detail = {"spans": [[0, 11, 31, "EMAIL_ADDRESS"]], "content": text_digest(example)}
    found = [Found(example.id, kind, "", detail) for kind in (FindingKind.PERSONAL_DATA, FindingKind.CONFLICT)]
    store_findings(session, model=workshop.model, found=found, examined=[])
    for suspect in list_findings(session, model=workshop.model):
        if suspect.finding.kind is FindingKind.PERSONAL_DATA:
            take_out_personal_data(session, principal=principal, finding_id=suspect.finding.id)
    assert list_findings(session, model=workshop.model) == []
    assert example.deleted_at is not None
    assert before.size == 4
    assert len(snapshot_examples(session, before)) == 3
    (fresh,) = session.exec(select(Example).where(col(Example.checked_at).is_(None), Example.pool == Pool.TRAINING))
    assert fresh.messages[0]["content"] == "send it to <EMAIL>, the blue one I paid for"


def test_examples_that_came_one_by_one_are_scanned_once_no_more_come(
    session: TenantSession, database: Database, workshop: Workshop, examples: dict[str, Example]
) -> None:
    """Also those that came while a scan was running, whose own request was taken for the same."""
    (row,) = session.exec(select(JobRow).where(JobRow.name == ScanExamples.name)).all()
    assert perform(database, SCANNING) == 0
    with database.all_agencies() as scheduler:
        held = claim(scheduler, row.id, worker="test")
        assert held is not None
        finish(scheduler, held)
    assert perform(database, SCANNING) == 0
    for example in examples.values():
        example.added_at = now() - QUIET
    moved = next(iter(examples.values()))
    moved.retired_at = now()
    session.flush()
    assert perform(database, SCANNING) == 0, "one has just come from the rolling set"
    moved.retired_at = None
    session.flush()
    assert perform(database, SCANNING) == 1
    assert perform(database, SCANNING) == 0


@pytest.fixture
def conflicts(session: TenantSession, workshop: Workshop, examples: dict[str, Example]) -> list[Found]:
    found = [
        Found(examples[text].id, FindingKind.CONFLICT, "they differ", {"overlap": 0.9}) for text in list(TEXTS)[:2]
    ]
    store_findings(session, model=workshop.model, found=found, examined=[])
    for example in examples.values():
        example.checked_at = now()
    session.flush()
    return found


def test_a_dismissed_finding_lets_the_example_train_and_is_not_raised_again(
    session: TenantSession, workshop: Workshop, conflicts: list[Found], principal: Principal
) -> None:
    first = list_findings(session, model=workshop.model)[0]
    with pytest.raises(InvalidInput, match="say why"):
        dismiss_finding(session, principal=principal, finding_id=first.finding.id, reason="  ")
    dismiss_finding(session, principal=principal, finding_id=first.finding.id, reason="both are meant")
    assert first.example.messages[0]["content"] in training_texts(session, workshop)
    assert store_findings(session, model=workshop.model, found=conflicts, examined=[]) == []
    assert len(list_findings(session, model=workshop.model)) == 1
    with pytest.raises(Conflict, match="dismissed already"):
        fix_finding(session, principal=principal, finding_id=first.finding.id, expected="order")
    (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "finding.dismissed")).all()
    assert event.detail["reason"] == "both are meant"


def test_fixing_gives_another_answer_or_deletes(
    session: TenantSession, workshop: Workshop, conflicts: list[Found], principal: Principal
) -> None:
    first, second = list_findings(session, model=workshop.model)
    with pytest.raises(InvalidInput, match="not a label"):
        fix_finding(session, principal=principal, finding_id=first.finding.id, expected="refnd")
    fix_finding(session, principal=principal, finding_id=first.finding.id, expected="refund")
    assert (first.example.expected, first.example.category, first.example.checked_at) == ("refund", "refund", None)
    fix_finding(session, principal=principal, finding_id=second.finding.id)
    assert second.example.deleted_at is not None
    assert list_findings(session, model=workshop.model) == []


def test_what_is_no_longer_found_is_closed_by_the_scan(
    session: TenantSession, workshop: Workshop, conflicts: list[Found]
) -> None:
    ids = frozenset(each.example_id for each in conflicts)
    others = [Examined(ids, frozenset({FindingKind.PERSONAL_DATA})), Examined(frozenset(), frozenset(FindingKind))]
    store_findings(session, model=workshop.model, found=[], examined=others)
    assert len(list_findings(session, model=workshop.model)) == 2
    store_findings(session, model=workshop.model, found=[], examined=[Examined(ids, frozenset(FindingKind))])
    states = {each.finding.state for each in list_findings(session, model=workshop.model, state=None)}
    assert states == {FindingState.FIXED}
    store_findings(session, model=workshop.model, found=conflicts, examined=[])
    assert len(list_findings(session, model=workshop.model)) == 2


@pytest.mark.parametrize("serving", [True, False])
def test_a_document_is_proposed_with_the_label_that_production_gives(
    session: TenantSession,
    database: Database,
    workshop: Workshop,
    principal: Principal,
    storage: Storage,
    tmp_path: Path,
    serving: bool,
) -> None:
    """Without the serving host the proposals come all the same, and the person chooses the label."""
    version = workshop.version(session, "1.0")
    point(session, workshop.model, Alias.PRODUCTION, version.id)
    text = "# Returns\n- How do I send a broken lamp back?\n- My parcel is lost, what now?\n"
    made = add_document(session, principal=principal, model=workshop.model, title="Returns", text=text)
    assert made.job_id is not None
    session.flush()
    with database.all_agencies() as everywhere:
        held = claim(everywhere, made.job_id, worker="test")
    assert held is not None
    with scripted_engine() as engine:
        engine.answer = " repair"
        url = engine.url if serving else "http://127.0.0.1:1"
        settings = Settings(data_dir=tmp_path, serve_url=url, serve_token=SecretStr("secret"))
        context = JobContext(database, storage, settings, held, threading.Event())
        propose_examples(context, ProposeExamples(document_id=made.document.id))
    items = session.exec(select(ReviewItem).where(ReviewItem.document_id == made.document.id)).all()
    assert {item.messages[0]["content"] for item in items} == {
        "How do I send a broken lamp back?",
        "My parcel is lost, what now?",
    }
    assert {item.answers["proposed"] for item in items} == {"repair" if serving else ""}
