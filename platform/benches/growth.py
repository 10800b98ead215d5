"""What many models cost: gateway, portfolio, lists, and a scheduler with nothing to do.

    python platform/benches/growth.py [--models 100 --models 1000] [--versions 12] [--answers 200] [--json FILE]

Builds an installation of agencies with 100 models each, a year of readings and a month of answers, and measures
processor time of this process and the clock; the database is another process. Quote ratios, with the processor.
"""

import argparse
import asyncio
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from litestar.testing import TestClient
from sqlalchemy import Connection, text
from sqlmodel import col, func, select

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.gateway.world import World, make_world
from tests.support.factories import make_key
from tests.support.web_application import web_application

from tuneloop.gateway.kept_routes import KeptRoutes
from tuneloop.gateway.route_cache import RouteKeeper
from tuneloop.gateway.route_changes import Changes
from tuneloop.gateway.route_reading import RouteReader
from tuneloop.gateway.route_table import RouteTable
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow
from tuneloop.kit.jobs.duties import SetAside
from tuneloop.kit.jobs.scheduler import tick
from tuneloop.kit.migrations import migrate
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.registry.service import point
from tuneloop.scheduler import DUTIES
from tuneloop.tables import Agency, Alias, EvalRun, Monitor, MonitorStatus, Prediction, Reading, RegisteredModel
from tuneloop.worker import HANDLERS, load_handlers
from tuneloop_local.engines import engines

AN_AGENCY, A_CLIENT = 100, 10
WEEKS = 52
MOST_ROUNDS = 500


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--models", type=int, action="append")
    arguments.add_argument("--versions", type=int, default=12)
    arguments.add_argument("--answers", type=int, default=200, help="of each model, within a month")
    arguments.add_argument("--json", type=Path)
    asked = arguments.parse_args()
    found = []
    for models in asked.models or [100, 1000]:
        found.append(measured(models, asked.versions, asked.answers))
        print(json.dumps(found[-1], indent=2), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2))


def measured(models: int, versions: int, answers: int) -> dict[str, Any]:
    with TemporaryDirectory(prefix="tuneloop-growth-") as folder, engines(Settings(data_dir=Path(folder))) as started:
        migrate(started.migration)
        database = Database(make_engine(started.database))
        world = make_world(database)
        template(world)
        owner = make_engine(started.migration, pool_size=1)
        with owner.begin() as connection:
            connection.execute(text("set session_replication_role = replica"))  # no triggers, no foreign keys
            multiply(connection, world, models, versions, answers)
        with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("analyze"))
        owner.dispose()
        return {
            "processor": f"{platform.machine()}, {models} models of {versions} versions, {answers} answers each",
            "gateway": gateway(database, Path(folder) / "gateway"),
            "pages": pages(database, Path(folder)),
            "scheduler": scheduler(database),
        }


def template(world: World) -> None:
    with world.database.unit(world.agency.id) as session:
        common: dict[str, Any] = {"client_id": world.client.id, "model_id": world.model.id, "version_id": world.v10.id}
        run = EvalRun(
            **common,
            snapshot_id=world.v10.snapshot_id or new_id(),
            digest="0" * 64,
            engine="bench",
            correct=90,
            hallucinated=0,
            n=100,
            reused=0,
            categories={},
            seconds=1.0,
        )
        session.add(run)
        session.flush()
        monitor = Monitor(
            **common, baseline_run_id=run.id, status=MonitorStatus.OK, charts={}, read_until=world.agency.created_at
        )
        session.add(monitor)
        session.flush()
        accuracy = {"value": 0.9, "low": 0.79, "high": 0.96, "n": 50, "correct": 45}
        reading: dict[str, Any] = {"client_id": world.client.id, "model_id": world.model.id, "monitor_id": monitor.id}
        session.add(Reading(**reading, stream="labels", n=50, value=0.9, detail={"accuracy": accuracy}))
        messages = [{"role": "user", "content": "Where is my parcel?"}]
        session.add(Prediction(**common, digest="0" * 64, messages=messages, answer="order", confidence=0.9))


def multiply(connection: Connection, world: World, models: int, versions: int, answers: int) -> None:
    """Copies of the template's rows, whose ids are hashes of their names."""

    def uid(name: str) -> str:
        return f"md5({name})::uuid"

    def copies(table: str, series: str, **changed: str) -> None:
        fields = ", ".join(f"'{name}', {value}" for name, value in changed.items())
        where = {"agency": "id", "adapter_version": "id"}.get(table, "agency_id")
        of = world.v10.id if table == "adapter_version" else world.agency.id
        connection.execute(
            text(
                f"insert into {table} select made.* from (select * from {table} where {where} = :of limit 1) one, "
                f"{series}, jsonb_populate_record(null::{table}, to_jsonb(one) || jsonb_build_object({fields})) made"
            ),
            {"of": of},
        )

    agencies, clients = (models - 1) // AN_AGENCY + 1, (models - 1) // A_CLIENT + 1
    model = uid("'model' || num")
    whose = {"agency_id": uid(f"'agency' || num / {AN_AGENCY}"), "client_id": uid(f"'client' || num / {A_CLIENT}")}
    live = uid(f"'version' || num || '-{versions - 1}'")
    every = f"generate_series(0, {models - 1}) num"
    copies("agency", f"generate_series(0, {agencies - 1}) num", id=uid("'agency' || num"), slug="'agency-' || num")
    agency = uid(f"'agency' || num / {AN_AGENCY // A_CLIENT}")
    copies(
        "client",
        f"generate_series(0, {clients - 1}) num",
        id=uid("'client' || num"),
        agency_id=agency,
        slug="'client-' || num",
    )
    copies("registered_model", every, **whose, id=model, slug="'model-' || num")
    copies(
        "adapter_version",
        f"{every}, generate_series(0, {versions - 1}) ver",
        **whose,
        id=uid("'version' || num || '-' || ver"),
        model_id=model,
        number="'1.' || ver",
        digest="md5('a' || num || '-' || ver) || md5('b' || num || '-' || ver)",
    )
    copies(
        "version_alias", every, **whose, id=uid("'alias' || num"), model_id=model, name="'production'", version_id=live
    )
    run, monitor = uid("'run' || num"), uid("'monitor' || num")
    copies("eval_run", every, **whose, id=run, model_id=model, version_id=live)
    copies("monitor", every, **whose, id=monitor, model_id=model, version_id=live, baseline_run_id=run)
    copies(
        "monitor_reading",
        f"{every}, generate_series(0, {WEEKS - 1}) week",
        **whose,
        id=uid("'reading' || num || '-' || week"),
        model_id=model,
        monitor_id=monitor,
        at="now() - week * interval '7 days'",
    )
    copies(
        "prediction",
        f"{every}, generate_series(1, {answers}) nth",
        **whose,
        id=uid("'answer' || num || '-' || nth"),
        model_id=model,
        version_id=live,
        at=f"now() - nth * interval '28 days' / {answers}",
    )
    copies("api_key", every, agency_id=whose["agency_id"], id=uid("'key' || num"), key_hash="md5('key' || num)")


def cost(work: Callable[[], object], rounds: int = 1) -> dict[str, float]:
    """Milliseconds: the processor's of this process, and the clock's; medians."""
    cpu, clock = [], []
    for _ in range(rounds):
        began, at = time.process_time(), time.perf_counter()
        work()
        cpu.append(1000 * (time.process_time() - began))
        clock.append(1000 * (time.perf_counter() - at))
    return {"cpu_ms": round(statistics.median(cpu), 2), "ms": round(statistics.median(clock), 2)}


def gateway(database: Database, folder: Path) -> dict[str, Any]:
    with database.all_agencies() as session:
        found = session.get_one(Agency, session.execute(text("select md5('agency0')::uuid")).scalar_one())
        one = session.execute(text("select md5('model0')::uuid")).scalar_one()
        other = session.execute(text("select md5('version0-0')::uuid")).scalar_one()
    caller = Principal.system(found.id, "bench")
    before = _memory()
    keeper = RouteKeeper(database, KeptRoutes(folder))
    everything = cost(lambda: asyncio.run(keeper.begin()))
    reader, table = RouteReader(), RouteTable()

    def change() -> None:
        with database.unit(found.id) as session:
            point(session, session.get_one(RegisteredModel, one), Alias.PRODUCTION, other)
        with database.all_agencies() as session:
            reading = reader.changed(session, Changes(models={one}))
        table.take(reading)
        keeper._kept.keep(reading)  # noqa: SLF001  (what the keeper does with it)

    async def misspelt() -> None:
        for _ in range(1000):
            assert await keeper.route(caller, "client-0/modle-0") is None

    name = "client-0/model-0"
    return {
        "names": len(keeper.table),
        "everything at the start": everything,
        "memory of the table, MiB": (_memory() - before) >> 20,
        "one change, flip included": cost(change, rounds=20),
        "a thousand known names": cost(lambda: [keeper.table.find(caller, name) for _ in range(1000)], rounds=5),
        "a thousand times one misspelt name": cost(lambda: _ended(misspelt())),
    }


def _ended(work: Awaitable[None]) -> None:
    async def wait() -> None:
        await work

    asyncio.run(wait())


def pages(database: Database, folder: Path) -> dict[str, Any]:
    with database.all_agencies() as session:
        agency = session.get_one(Agency, session.execute(text("select md5('agency0')::uuid")).scalar_one())
    headers = {"Authorization": f"Bearer {make_key(database, agency)}"}
    storage = Storage((folder / "objects").as_uri(), cache=folder / "cache")
    with TestClient(web_application(Settings(data_dir=folder), database, storage)) as http:
        http.headers.update(headers)
        addresses = ("/api/v1/portfolio", "/api/v1/models", "/", "/api/v1/clients/client-0")

        def get(address: str) -> None:
            http.get(address, headers={"Accept": "text/html"}).raise_for_status()

        for address in addresses:
            get(address)
        return {address: cost(lambda each=address: get(each), rounds=5) for address in addresses}  # type: ignore[misc]


def scheduler(database: Database) -> dict[str, Any]:
    load_handlers(*HANDLERS)
    aside = SetAside()

    def jobs() -> int:
        with database.all_agencies() as session:
            return session.exec(select(func.count(col(JobRow.id)))).one()

    def round_() -> None:
        tick(database, lambda: None, DUTIES, aside)

    began, rounds, planned = cost(round_), 1, -1
    while (known := jobs()) != planned and rounds < MOST_ROUNDS:
        planned, rounds = known, rounds + 1
        round_()
    return {"first": began, "jobs": planned, "rounds until all are planned": rounds, "nothing to do": cost(round_, 5)}


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
