"""Many things cost as many queries as one: an agency with two of everything asks no more than one with one of each."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import event

from tests.api.routes import ENDPOINTS, Endpoint, own
from tests.api.test_other_tenant import call
from tests.support.factories import make_key
from tests.support.world import World
from tests.support.worlds import Place

BY_CLIENT = {"GET /api/v1/economics", "GET /economics"}
"""A month's money is counted client by client, by what the client's invoice is made of."""

LISTS = [each for each in ENDPOINTS if each.role is not None and each.method == "GET" and str(each) not in BY_CLIENT]


@contextmanager
def counted(place: Place) -> Iterator[list[str]]:
    sent: list[str] = []

    def keep(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(re.sub(r"savepoint_\d+|IN \(.*?\)", "…", " ".join(statement.split())))

    event.listen(place.connection, "before_cursor_execute", keep)
    yield sent
    event.remove(place.connection, "before_cursor_execute", keep)


@pytest.mark.usefixtures("undo")
@pytest.mark.parametrize("endpoint", LISTS, ids=str)
def test_two_of_everything_are_read_with_the_queries_of_one(
    site: TestClient[Litestar], place: Place, endpoint: Endpoint
) -> None:
    def queries(world: World) -> list[str]:
        key = make_key(place.database, world.agency)
        call(site, endpoint, own(world), key)
        with counted(place) as sent:
            assert call(site, endpoint, own(world), key).status_code < 500
        return sent

    one, two = queries(place.worlds.globex), queries(place.worlds.acme)
    more = sorted(set(two) - set(one)) or [each for each in set(two) if two.count(each) > one.count(each)]
    assert len(two) <= len(one), f"{len(two)} instead of {len(one)}: {more}"
