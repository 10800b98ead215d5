"""The data page, an example's lineage, and the client's page behind a link."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlmodel import select

from tests.predictions.conftest import Log, make_log
from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed
from tests.support.factories import make_client, owner_of
from tests.support.looks import check_looks
from tests.support.site import PASSWORD, make_person
from tuneloop.datasets.findings import Found, store_findings
from tuneloop.datasets.placeholders import text_digest
from tuneloop.datasets.service import add_example
from tuneloop.kit.ids import new_id
from tuneloop.predictions.completion_ids import completion_id
from tuneloop.registry.templates import Message
from tuneloop.review.correction_links import create_link
from tuneloop.review.queue import add_sample, submit_label
from tuneloop.tables import (
    Client,
    DataFinding,
    Example,
    Feedback,
    FindingKind,
    FindingState,
    Pool,
    RegisteredModel,
    ReviewItem,
    Role,
    Source,
)


@pytest.fixture
def place(home: Committed, log: Log) -> str:
    """A model with a labelled sample, a suspicious training example, and no answers kept for the gate."""
    owner = owner_of(home.agency)
    with home.database.unit(home.agency.id) as session:
        session.get_one(RegisteredModel, log.model.id).policy = {"gate_share": 0.0}
        item = add_sample(session, log.model, 1)[0]
        submit_label(session, principal=owner, item_id=item.id, expected="refund")
        mail, phone = (
            add_example(
                session,
                principal=owner,
                model=log.model,
                pool=Pool.TRAINING,
                messages=[Message(role="user", content=text)],
                expected="order",
                source=Source.IMPORT,
            )
            for text in ("Write to <jane@example.com> about my tent", "Call +44 20 7946 0958 when my shoes are there")
        )
        where = {"n": 1, "spans": [(0, 5, 21, "PHONE_NUMBER")], "content": text_digest(phone)}
        found = [
            Found(mail.id, FindingKind.PERSONAL_DATA, "Contains an e-mail address.", {"n": 1}),
            Found(phone.id, FindingKind.PERSONAL_DATA, "Contains a phone number.", where),
        ]
        store_findings(session, model=log.model, found=found, examined=[])
        return f"/models/{session.get_one(Client, log.model.client_id).slug}/support/data"


@pytest.fixture(scope="module")
def operator(home: Committed) -> str:
    return make_person(home, Role.ADMIN)


@pytest.fixture
def ann(browser: Browser, address: str, operator: str) -> Iterator[Visitor]:
    with visitor(browser, address, viewport={"width": 1200, "height": 900}) as opened:
        opened.sign_in(operator, PASSWORD)
        expect(opened.page.get_by_role("heading", name="Portfolio")).to_be_visible()
        yield opened


def test_the_data_page_settles_findings_and_shows_lineage(
    home: Committed, log: Log, place: str, ann: Visitor, shots: Path
) -> None:
    page = ann.page
    page.goto(place)
    expect(page.get_by_text("Contains an e-mail address.")).to_be_visible()
    expect(page.get_by_text("Write to <jane@example.com> about my tent").first).to_be_visible()
    page.get_by_role("img", name="Size of the training data").scroll_into_view_if_needed()
    expect(page.get_by_role("img", name="Size of the training data").locator("svg")).to_be_visible(timeout=60_000)
    page.screenshot(path=shots / "data.png", full_page=True)
    check_looks(ann)
    page.get_by_role("button", name="Choose all 2").click()
    page.get_by_label("Those that are chosen below").select_option("suggested")
    page.get_by_role("button", name="Decide them").click()
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("alert")).to_contain_text("0 decided, 2 left as they were: no other answer is suggested")
    page.get_by_role("button", name="Replace it by placeholders").click()
    expect(page.get_by_role("status")).to_contain_text("Placeholders stand where the personal data was")
    expect(page.get_by_text("Call <PHONE> when my shoes are there").first).to_be_visible()
    page.get_by_role("button", name="Keep as it is").click()
    expect(page.get_by_role("alert")).to_contain_text("say why")
    page.get_by_label("Why it may stay").fill("our own address")
    page.get_by_role("button", name="Keep as it is").click()
    expect(page.get_by_role("status")).to_have_text("The example trains as it is.")
    page.goto(f"{place}?pool=rolling")
    page.get_by_role("region", name="Examples").locator("tbody").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Example", exact=True)).to_be_visible()
    expect(page.get_by_text("Drawn at random from 12 answers")).to_be_visible()
    expect(page.get_by_text("without seeing the model's answer")).to_be_visible()
    page.screenshot(path=shots / "example.png", full_page=True)
    page.get_by_role("button", name="Delete the text").click()
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("status")).to_contain_text("text is gone")
    with home.database.unit(home.agency.id) as session:
        states = session.exec(select(DataFinding.state).where(DataFinding.model_id == log.model.id)).all()
        assert sorted(states) == [FindingState.DISMISSED, FindingState.FIXED]
        gone = session.exec(select(Example).where(Example.model_id == log.model.id, Example.pool == Pool.ROLLING)).one()
        assert (gone.messages, gone.deleted_at is not None) == ([], True)


def test_a_link_is_made_used_without_an_account_and_ended(
    home: Committed, log: Log, place: str, ann: Visitor, browser: Browser, address: str, shots: Path
) -> None:
    page = ann.page
    page.goto(place)
    page.get_by_role("button", name="Make a link").click()
    url = page.get_by_label("Copy it").input_value()
    with visitor(browser, address, viewport={"width": 390, "height": 800}, has_touch=True) as client:
        answer = completion_id(log.rows[5].id)
        client.page.goto(f"{url}?answer={answer}")
        expect(client.page.get_by_text("The answer was")).to_be_visible()
        assert client.overflow() == 0
        client.page.screenshot(path=shots / "fix.png", full_page=True)
        client.page.get_by_label("It should have been").select_option("repair")
        client.page.get_by_label("Your name").fill("Mia <i>")
        client.page.get_by_role("button", name="Send").click()
        expect(client.page.get_by_role("status")).to_contain_text("looks at it before anything learns from it")
        client.page.goto(url)
        client.page.get_by_label("What was asked?").fill("Do you lend tents?")
        client.page.get_by_label("It should have been").select_option(label="None of these, but what I write below")
        client.page.get_by_label("None of these? Say it").fill("lending")
        client.page.get_by_role("button", name="Send").click()
        expect(client.page.get_by_role("status")).to_be_visible()
    with home.database.unit(home.agency.id) as session:
        items = session.exec(
            select(ReviewItem).where(ReviewItem.model_id == log.model.id, ReviewItem.source == Source.CLIENT_LINK)
        ).all()
        assert sorted(item.answers["client"] for item in items) == ["lending", "repair"]
        assert any("Mia <i>" in item.reason for item in items)
        feedback = session.exec(select(Feedback).where(Feedback.model_id == log.model.id)).one()
        assert feedback.correction == "repair"
    page.goto(place)
    expect(page.get_by_text("used 2 times")).to_be_visible()
    page.get_by_role("button", name="End").click()
    with visitor(browser, address) as late:
        ended = late.page.goto(url)
        assert ended is not None
        assert ended.status == 404
        expect(late.page.get_by_role("heading", name="This link has ended")).to_be_visible()
        late.problems.clear()


def test_a_link_of_one_client_shows_no_answer_of_another(
    home: Committed, log: Log, browser: Browser, address: str
) -> None:
    other = make_other(home)
    with home.database.unit(home.agency.id) as session:
        token = create_link(session, principal=owner_of(home.agency), model=log.model).token
    with visitor(browser, address) as stranger:
        stranger.page.goto(f"/fix/{token}?answer={completion_id(other.rows[0].id)}")
        expect(stranger.page.get_by_role("heading", name="This link has ended")).to_be_visible()
        stranger.problems.clear()


def make_other(home: Committed) -> Log:
    return make_log(home.database, make_client(home.database, home.agency, f"o{new_id().hex[-8:]}"), 1)
