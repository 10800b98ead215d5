"""Two agencies, one of them with two clients, on one connection."""

from typing import NamedTuple

from sqlalchemy import Connection

from tests.support.factories import make_agency, make_base
from tests.support.world import World, make_world
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id


class Worlds(NamedTuple):
    """`acme` and `beta` are clients of one agency, `globex` is another agency's."""

    acme: World
    beta: World
    globex: World


def build(database: Database) -> Worlds:
    """Under names of their own: who keeps them in an open transaction blocks nobody that writes the usual ones."""
    base = make_base(database, f"base-{new_id()}")
    north, south = (make_agency(database, f"{name}-{new_id()}") for name in ("north", "south"))
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
