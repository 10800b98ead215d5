"""Guessing passwords and keys costs time: of whoever guesses, and of nobody else."""

import asyncio
import threading
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import select

from tests.support.factories import make_key, owner_of
from tests.support.people import add_member
from tuneloop.identity.password_desk import PasswordDesk
from tuneloop.identity.sign_in_limits import (
    ACCOUNT,
    ADDRESS,
    HERE,
    Attempt,
    count_failure,
    note_success,
    require_patience,
)
from tuneloop.kit.client_address import client_address, networks
from tuneloop.kit.db import Database
from tuneloop.kit.errors import NotAuthenticated, TooManyAttempts
from tuneloop.tables import Agency, Role, SignInTrace

PASSWORD = "correct horse battery"
ANN = "ann@example.com"


@pytest.fixture
def browser(app: Litestar, database: Database, agency: Agency) -> TestClient[Litestar]:
    with database.unit(agency.id) as session:
        add_member(session, principal=owner_of(agency), email=ANN, name="Ann", role=Role.OPERATOR, password=PASSWORD)
    return TestClient(app)


def _enter(browser: TestClient[Litestar], password: str, email: str = ANN) -> int:
    return browser.post("/api/v1/session", json={"email": email, "password": password}).status_code


def _pass(database: Database, time: timedelta) -> None:
    with database.all_agencies() as session:
        for row in session.exec(select(SignInTrace)):
            row.last_at -= time
            session.add(row)


def _fail(database: Database, attempt: Attempt, times: int) -> None:
    with database.all_agencies() as session:
        for _ in range(times):
            count_failure(session, attempt)


def _waits(database: Database, attempt: Attempt) -> int:
    try:
        with database.all_agencies() as session:
            require_patience(session, attempt)
    except TooManyAttempts as refused:
        return int(refused.details["retry_after_seconds"])
    return 0


@pytest.mark.parametrize("email", [ANN, "nobody@example.com"])
def test_after_some_wrong_passwords_even_the_right_one_waits(
    browser: TestClient[Litestar], database: Database, email: str
) -> None:
    assert [_enter(browser, "wrong", email) for _ in range(HERE.free)] == [401] * HERE.free
    refused = browser.post("/api/v1/session", json={"email": email, "password": PASSWORD})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 2
    _pass(database, timedelta(seconds=2))
    assert _enter(browser, PASSWORD, email) == (201 if email == ANN else 401)


def test_a_hundred_guesses_take_hours(database: Database) -> None:
    waited = 0
    for _ in range(100):
        _fail(database, Attempt(ANN, "192.0.2.1"), 1)
        waited += _waits(database, Attempt(ANN, "192.0.2.1"))
    assert waited > 20 * 3600


def test_success_forgets_the_failures_of_that_person_there(browser: TestClient[Litestar]) -> None:
    for _ in range(3):
        assert [_enter(browser, "wrong") for _ in range(HERE.free - 1)] == [401] * (HERE.free - 1)
        assert _enter(browser, PASSWORD) == 201


def test_a_stranger_elsewhere_delays_nobody_s_own_address(database: Database) -> None:
    _fail(database, Attempt(ANN, "192.0.2.1"), 20)
    assert _waits(database, Attempt(ANN, "192.0.2.1")) > 60
    assert _waits(database, Attempt(ANN, "198.51.100.7")) == 0


def test_one_address_cannot_go_through_many_accounts(database: Database) -> None:
    for number in range(ADDRESS.free + 1):
        _fail(database, Attempt(f"{number}@example.com", "192.0.2.1"), 1)
    assert _waits(database, Attempt(ANN, "192.0.2.1")) > 0


def test_many_addresses_slow_an_account_down_but_lock_nobody_out(database: Database) -> None:
    home = Attempt(ANN, "198.51.100.7")
    with database.all_agencies() as session:
        note_success(session, home)
    for number in range(ACCOUNT.free + 20):
        _fail(database, Attempt(ANN, f"192.0.2.{number}"), 1)
    assert 0 < _waits(database, Attempt(ANN, "203.0.113.5")) <= ACCOUNT.longest + 1
    assert _waits(database, home) == 0


def test_no_address_and_no_account_is_stored_in_clear(database: Database) -> None:
    _fail(database, Attempt(ANN, "192.0.2.1"), 1)
    with database.all_agencies() as session:
        stored = " ".join(row.subject for row in session.exec(select(SignInTrace)))
    assert "ann" not in stored
    assert "192.0.2.1" not in stored


def test_the_page_says_how_long_to_wait(browser: TestClient[Litestar]) -> None:
    for _ in range(HERE.free):
        browser.post("/sign-in", data={"email": ANN, "password": "wrong"})
    answer = browser.post("/sign-in", data={"email": ANN, "password": PASSWORD})
    assert answer.status_code == 429
    assert "retry-after" in answer.headers
    assert "too many failed attempts; try again in" in answer.text.lower()


def test_forty_sign_ins_at_once_hold_no_other_request(database: Database) -> None:
    """As many as the desk has places are checked, a few wait, the rest is told to come back; threads stay free."""
    desk, hashing, go_on = PasswordDesk(at_once=1, in_line=8, from_one=40), threading.Semaphore(0), threading.Event()

    def work() -> str:
        hashing.release()
        assert go_on.wait(60)
        return "in"

    async def play() -> list[str | BaseException]:
        tries = [
            asyncio.ensure_future(desk.check(database, Attempt(f"{number}@example.com", "192.0.2.1"), work))
            for number in range(40)
        ]
        await asyncio.to_thread(hashing.acquire)
        assert await asyncio.gather(*(asyncio.to_thread(str, number) for number in range(40)))
        assert not hashing.acquire(blocking=False)
        go_on.set()
        return await asyncio.gather(*tries, return_exceptions=True)

    outcomes = asyncio.run(play())
    assert outcomes.count("in") == 9
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 31


def test_one_address_leaves_places_in_line_for_others(database: Database) -> None:
    desk, go_on = PasswordDesk(at_once=1, in_line=32, from_one=8), threading.Event()

    def work() -> str:
        assert go_on.wait(60)
        return "in"

    async def play() -> tuple[list[str | BaseException], str]:
        many = [
            asyncio.ensure_future(desk.check(database, Attempt(f"{number}@example.com", "192.0.2.1"), work))
            for number in range(40)
        ]
        other = asyncio.ensure_future(desk.check(database, Attempt(ANN, "198.51.100.7"), work))
        await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(*many, return_exceptions=True), await other

    many, other = asyncio.run(play())
    assert many.count("in") == 8
    assert other == "in"


def test_unknown_keys_are_answered_slower_and_known_ones_as_ever(
    app: Litestar, database: Database, agency: Agency
) -> None:
    http = TestClient(app)
    asked = [http.get("/api/v1/session", headers={"Authorization": f"Bearer tl_{n}"}) for n in range(31)]
    assert [answer.status_code for answer in asked] == [401] * 30 + [429]
    assert int(asked[-1].headers["retry-after"]) > 0
    known = {"Authorization": f"Bearer {make_key(database, agency)}"}
    assert http.get("/api/v1/session", headers=known).status_code == 200


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "found"),
    [
        ("192.0.2.1", "203.0.113.9", "", "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9", "10.0.0.0/8", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2", "10.0.0.0/8", "203.0.113.9"),
        ("192.0.2.1", "203.0.113.9", "10.0.0.0/8", "192.0.2.1"),
        ("10.0.0.1", "nonsense", "10.0.0.0/8", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.0/8", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "", "", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", "", "192.0.2.1"),
    ],
)
def test_only_a_trusted_proxy_says_where_a_request_comes_from(
    peer: str, forwarded: str, trusted: str, found: str
) -> None:
    assert client_address(peer, [forwarded] if forwarded else [], networks(trusted)) == found


def test_a_failure_is_counted_though_its_transaction_is_undone(database: Database) -> None:
    def work() -> None:
        raise NotAuthenticated("wrong")

    async def play() -> None:
        await PasswordDesk().check(database, Attempt(ANN, "192.0.2.1"), work)

    with database.all_agencies() as session:
        before = {row.subject for row in session.exec(select(SignInTrace))}
    with pytest.raises(NotAuthenticated):
        asyncio.run(play())
    with database.all_agencies() as session:
        assert {row.failures for row in session.exec(select(SignInTrace)) if row.subject not in before} == {1}
