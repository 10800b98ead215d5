"""Documents and client links propose; people decide."""

from datetime import timedelta

import pytest
from sqlmodel import select

from tests.review.traffic import Traffic
from tuneloop.datasets.growth import growth, guide_at
from tuneloop.datasets.lineage import ledger, lineage
from tuneloop.datasets.rolling_window import retire_due
from tuneloop.identity.secrets import token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.jobs import JobRow, perform
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.service import point
from tuneloop.review.blinding import shown
from tuneloop.review.correction_links import (
    MOST_AN_HOUR,
    TooManyCorrections,
    correct_by_link,
    create_link,
    find_link,
    revoke_link,
)
from tuneloop.review.daily_refill import TENDING, tend
from tuneloop.review.documents import add_document, list_documents, propose_labels
from tuneloop.review.extraction import extract_pairs, extract_texts
from tuneloop.review.jobs import ProposeExamples, TendQueue
from tuneloop.review.queue import add_sample, submit_label
from tuneloop.tables import (
    Alias,
    Example,
    Pool,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    ShareLink,
    Source,
)

GUIDE = """# Returns
You may return goods within **30 days**.

Keep the receipt.

Q: Who pays for the parcel?
A: We do, if it was our mistake.
You pay otherwise.

How long does a refund take?
Five working days.

- Opening hours: 9 to 17
- warranty - two years
* Can I return a tent?

Exchange
--------
1. Write to us
2. Wait for the label
"""


def test_a_text_gives_its_questions_headings_and_terms() -> None:
    found = {pair.question: pair.answer for pair in extract_pairs(GUIDE)}
    assert found == {
        "Returns": "You may return goods within 30 days.\n\nKeep the receipt.",
        "Who pays for the parcel?": "We do, if it was our mistake.\nYou pay otherwise.",
        "How long does a refund take?": "Five working days.\n\n- Opening hours: 9 to 17\n- warranty - two years",
        "Opening hours": "9 to 17",
        "warranty": "two years",
        "Exchange": "- Write to us\n- Wait for the label",
    }
    assert extract_pairs(GUIDE) == extract_pairs(GUIDE.replace("\n", "\r\n"))
    assert "How long does a refund take?" in extract_texts(GUIDE)
    assert extract_pairs("") == []


def test_a_confirmed_proposal_trains(session: TenantSession, traffic: Traffic, ann: Principal) -> None:
    contract = Contract(task=Task.GENERATE, system_prompt="Reply.")
    traffic.change(session, contract=contract.model_dump(mode="json"))
    made = add_document(session, principal=ann, model=traffic.model, title="Returns", text=GUIDE)
    assert len(made.items) == 6
    assert session.exec(select(Example).where(Example.pool == Pool.TRAINING)).all() == []
    first = made.items[0]
    assert shown(contract, first).answers == ["You may return goods within 30 days.\n\nKeep the receipt."]
    submit_label(session, principal=ann, item_id=first.id, expected="Within 30 days.")
    example = session.get_one(Example, first.example_id)
    assert (example.pool, example.source, example.expected) == (Pool.TRAINING, Source.DOCUMENT, "Within 30 days.")
    (count,) = list_documents(session, traffic.model)
    assert (count.proposed, count.waiting, count.confirmed) == (6, 5, 1)
    with pytest.raises(Conflict, match="added as 'Returns' already"):
        add_document(session, principal=ann, model=traffic.model, title="Again", text=GUIDE.upper())
    with pytest.raises(InvalidInput, match="nothing here"):
        add_document(session, principal=ann, model=traffic.model, title="Prose", text="One line of prose.")


def test_a_classify_model_is_asked_for_its_labels(session: TenantSession, traffic: Traffic, ann: Principal) -> None:
    made = add_document(session, principal=ann, model=traffic.model, title="Returns", text=GUIDE)
    (job,) = session.exec(select(JobRow).where(JobRow.name == ProposeExamples.name)).all()
    assert (made.items, made.job_id) == ([], job.id)
    texts = extract_texts(GUIDE)
    items = propose_labels(session, document=made.document, texts=texts, answers={texts[0]: "refund"})
    assert [item.answers["proposed"] for item in items] == ["refund", *[""] * (len(texts) - 1)]
    assert propose_labels(session, document=made.document, texts=texts, answers={}) == []


def test_a_link_is_stored_as_a_hash_and_ends(
    session: TenantSession, database: Database, traffic: Traffic, ann: Principal
) -> None:
    link, token = create_link(session, principal=ann, model=traffic.model)
    session.flush()
    assert link.token_hash == token_digest(token)
    assert token not in str(link.model_dump())
    with database.all_agencies() as everywhere:
        assert find_link(everywhere, token).id == link.id
        with pytest.raises(NotFound):
            find_link(everywhere, "fix_unknown")
    link.expires_at = now() - timedelta(seconds=1)
    session.flush()
    with database.all_agencies() as everywhere, pytest.raises(NotFound):
        find_link(everywhere, token)
    link.expires_at = now() + timedelta(days=1)
    revoke_link(session, principal=ann, link_id=link.id)
    session.flush()
    with database.all_agencies() as everywhere, pytest.raises(NotFound):
        find_link(everywhere, token)


@pytest.fixture
def link(session: TenantSession, traffic: Traffic, ann: Principal) -> ShareLink:
    return create_link(session, principal=ann, model=traffic.model).row


def test_a_client_s_word_waits_for_a_labeller(
    session: TenantSession, traffic: Traffic, link: ShareLink, ann: Principal
) -> None:
    item = correct_by_link(session, link_id=link.id, question="Where is my tent?", expected="refund", name="Mia")
    assert item is not None
    assert (item.purpose, item.source, item.state) == (ReviewPurpose.FLAGGED, Source.CLIENT_LINK, ReviewState.OPEN)
    assert item.reason == "The client (Mia) says what the answer should have been."
    submit_label(session, principal=ann, item_id=item.id, expected="order")
    example = session.get_one(Example, item.example_id)
    assert (example.pool, example.source, example.expected) == (Pool.TRAINING, Source.CLIENT_LINK, "order")
    assert (link.uses, link.used_at is not None) == (1, True)


def test_corrections_of_one_answer_are_one_item(session: TenantSession, traffic: Traffic, link: ShareLink) -> None:
    traffic.change(session, policy={"gate_share": 0.0})
    (answer,) = traffic.answers(session, 1)
    first, second = (
        correct_by_link(session, link_id=link.id, answer_id=answer.id, expected="refund", name=name)
        for name in ("Mia", "Tom")
    )
    assert first is not None
    assert first is second
    assert len(first.answers["feedback"]) == 2
    assert first.answers["production"] == "order"


def test_an_answer_kept_for_the_gate_waits_as_feedback(
    session: TenantSession, traffic: Traffic, link: ShareLink
) -> None:
    traffic.change(session, policy={"gate_share": 0.9})
    answers = traffic.answers(session, 30)
    items = [
        correct_by_link(session, link_id=link.id, answer_id=answer.id, expected="refund", name="Mia")
        for answer in answers[:12]
    ]
    assert items.count(None) >= 8


def test_a_link_is_not_a_flood(session: TenantSession, link: ShareLink) -> None:
    for number in range(MOST_AN_HOUR):
        correct_by_link(session, link_id=link.id, question=f"Question {number}?", expected="refund")
    with pytest.raises(TooManyCorrections, match="come back later"):
        correct_by_link(session, link_id=link.id, question="One more?", expected="refund")
    for item in session.exec(select(ReviewItem)).all():
        item.created_at = now() - timedelta(hours=2)
    session.flush()
    assert correct_by_link(session, link_id=link.id, question="One more?", expected="refund") is not None


def test_what_has_measured_long_enough_trains_and_the_ledger_says_so(
    session: TenantSession, traffic: Traffic, ann: Principal
) -> None:
    traffic.answers(session, 3)
    items = add_sample(session, traffic.model, 3)
    for item in items:
        submit_label(session, principal=ann, item_id=item.id, expected="order")
    old = session.get_one(Example, items[0].example_id)
    old.added_at = now() - timedelta(weeks=9)
    session.flush()
    assert retire_due(session, principal=ann, model=traffic.model) == [old]
    assert (old.pool, old.retired_at is not None) == (Pool.TRAINING, True)
    assert retire_due(session, principal=ann, model=traffic.model) == []
    moves = [(move.before, move.after, move.actor) for move in ledger(session, traffic.model)]
    assert moves[0] == (Pool.ROLLING, Pool.TRAINING, "Ann")
    assert moves[1:] == [(None, Pool.ROLLING, "Ann")] * 3
    found = lineage(session, traffic.model, old.id)
    assert found.prediction is not None
    assert [label.expected for label in found.labels] == ["order"]
    assert [move.after for move in found.moves] == [Pool.ROLLING, Pool.TRAINING]


def test_growth_is_counted_by_source_and_month(session: TenantSession, traffic: Traffic, ann: Principal) -> None:
    def add(n: int, source: Source, months_ago: int) -> None:
        for number in range(n):
            session.add(
                Example(
                    client_id=traffic.model.client_id,
                    model_id=traffic.model.id,
                    pool=Pool.TRAINING,
                    messages=[{"role": "user", "content": f"{source} {number}"}],
                    expected="order",
                    category="order",
                    source=source,
                    content_hash=f"{source}{number}",
                    minhash=b"",
                    added_at=now() - timedelta(days=31 * months_ago),
                )
            )
        session.flush()

    add(30, Source.IMPORT, 3)
    add(4, Source.CORRECTION, 0)
    add(2, Source.SAMPLED, 0)
    grown = growth(session, traffic.model)
    assert (grown.total, [month.total for month in grown.months]) == (36, [30, 36])
    assert grown.months[1].added == {Source.CORRECTION: 4, Source.SAMPLED: 2}
    assert (grown.guide.low, grown.guide.high) == (302, 604)
    assert grown.advice.startswith("266 more examples reach the guide's 302")
    assert [(each.category, each.training) for each in grown.categories if each.training] == [("order", 36)]


@pytest.mark.parametrize(("months", "low", "high"), [(0, 200, 500), (3, 300, 600), (9, 500, 1000), (30, 600, 1200)])
def test_the_guide_is_read_between_its_points(months: float, low: int, high: int) -> None:
    assert guide_at(months) == (low, high)


def test_a_model_in_production_is_tended_once_a_day(
    session: TenantSession, database: Database, traffic: Traffic, principal: Principal
) -> None:
    point(session, traffic.model, Alias.PRODUCTION, traffic.version.id)
    traffic.answers(session, 40)
    session.flush()
    assert perform(database, TENDING) == 1
    assert perform(database, TENDING) == 0
    (job,) = session.exec(select(JobRow).where(JobRow.name == TendQueue.name)).all()
    assert job.run_after > now() + timedelta(hours=23)
    tend(session, principal=principal, model=traffic.model)
    items = session.exec(select(ReviewItem)).all()
    assert len(items) == 15  # a seventh of a hundred
    assert sum(item.purpose is ReviewPurpose.SAMPLE for item in items) in (7, 8)
