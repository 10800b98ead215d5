"""The guard itself: what the product does inside a unit of work is seen, what comes before or after it is not."""

import socket
from collections.abc import Iterator, Sequence
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import Session

from tests.support.network_in_transactions import FOUND
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import Duty, perform


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def seen() -> list[str]:
    """And forgotten, so that this test does not fail of it."""
    told = [found.splitlines()[0] for found in FOUND]
    FOUND.clear()
    return told


def test_connecting_sending_and_looking_up_in_a_unit_are_seen(database: Database, server: socket.socket) -> None:
    address = server.getsockname()
    with socket.create_connection(address) as kept:

        def act(session: Session, _row: UUID) -> None:
            session.execute(text("select 1"))
            kept.sendall(b"x")
            socket.getaddrinfo("localhost", 80)
            socket.create_connection(address).close()

        perform(database, Duty("careless", lambda _: [new_id()], act))
        kept.sendall(b"x")
    sending, looking_up, connecting = seen()
    assert sending == f"socket.send to {address} while a transaction is open:"
    assert "getaddrinfo 'localhost'" in looking_up
    assert f"connect {address}" in connecting


def test_before_the_first_statement_and_after_the_end_nothing_is_held(
    database: Database, server: socket.socket
) -> None:
    def due(session: Session) -> Sequence[UUID]:
        socket.create_connection(server.getsockname()).close()
        session.execute(text("select 1"))
        return []

    perform(database, Duty("careful", due, lambda *_: None))
    socket.create_connection(server.getsockname()).close()
    assert seen() == []


def test_a_session_of_the_test_s_own_is_its_own_business(session: Session, server: socket.socket) -> None:
    session.connection()
    socket.create_connection(server.getsockname()).close()
    assert seen() == []
