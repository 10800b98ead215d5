"""A database that a test may switch off."""

from typing import NamedTuple

import psycopg
from psycopg import sql


class OwnDatabase(NamedTuple):
    name: str
    url: str
    owner_url: str

    def switch(self, *, on: bool) -> None:
        """Refuse new connections and cut the open ones, as a crash would."""
        change = sql.SQL("alter database {} allow_connections {}").format(sql.Identifier(self.name), sql.Literal(on))
        with psycopg.connect(self.owner_url, autocommit=True) as owner:
            owner.execute(change)
            if not on:
                owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [self.name])
