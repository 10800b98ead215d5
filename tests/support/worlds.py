"""Two agencies, one of them with two clients, on one connection."""

from typing import NamedTuple

from sqlalchemy import Connection

from tests.support.factories import make_agency, make_base
from tests.support.world import World, make_world
from tuneloop.kit.db import Database


class Worlds(NamedTuple):
    """`acme` and `beta` are clients of one agency, `globex` is another agency's."""

    acme: World
    beta: World
    globex: World


def build(database: Database) -> Worlds:
    base = make_base(database)
    north, south = make_agency(database, "north"), make_agency(database, "south")
    with database.all_agencies() as session:
        return Worlds(
            make_world(session, north, base, "acme"),
            make_world(session, north, base, "beta"),
            make_world(session, south, base, "globex"),
        )


class Place(NamedTuple):
    connection: Connection
    worlds: Worlds

    @property
    def database(self) -> Database:
        return Database(self.connection)
