"""A text that customers sent is looked for everywhere but in its own tables, after all kinds of things went wrong."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.gateway.waiting import eventually
from tests.gateway.world import World, make_world
from tests.support.ports import on_free_ports
from tests.support.upstream import Failure, ScriptedEngine, scripted_engine
from tuneloop.kit.db import opened_database
from tuneloop.kit.settings import Settings
from tuneloop_local.installation import installation

MARKER = "xq7marzipan"
TEXT = f"my {MARKER} did not arrive"
TWICE = (
    "insert into agency (id, slug, name, created_at) select gen_random_uuid(), %s, %s, now() from generate_series(1, 2)"
)
IN_TABLES = ("postgres/base", "postgres/pg_wal", "objects", "mailbox", "cache/stripe")


@dataclass(frozen=True)
class Site:
    settings: Settings
    world: World
    engine: ScriptedEngine
    http: httpx.Client


@pytest.fixture(scope="module")
def folder(engines_folder: Path) -> Path:
    return engines_folder / "texts"


@pytest.fixture(scope="module")
def after_everything_went_wrong(folder: Path) -> Settings:
    """The settings of an installation that ran, failed in many ways on the text, and stopped."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch, scripted_engine() as engine:
        patch.setenv("TMPDIR", str(temporary))
        patch.setattr(tempfile, "tempdir", None)
        settings = on_free_ports(Settings(data_dir=folder / "data", threads=1))
        with installation(settings) as (running, _), opened_database(running.database_url, pool_size=2) as database:
            world = make_world(database, upstream_url=engine.url)
            headers = {"Authorization": f"Bearer {world.key}"}
            with httpx.Client(base_url=running.web_url, headers=headers, timeout=60, trust_env=False) as http:
                site = Site(running, world, engine, http)
                _use_the_gateway(site)
                _use_the_api(site)
                _knock_from_outside(site)
            _break_rules_of_the_database(running.database_url)
            eventually(lambda: _idle(running.migration_url), within=60)
            _keep_rows(running.migration_url, folder / "rows")
    return settings


def _use_the_gateway(site: Site) -> None:
    body = {"model": "acme/support", "messages": [{"role": "user", "content": TEXT}]}
    first = site.http.post("/v1/chat/completions", json=body)
    assert first.status_code == 200, first.text
    for failure in (
        Failure(400, {"error": {"message": f"cannot answer {TEXT}"}}),
        Failure(500, {"error": TEXT}),
    ):
        site.engine.failure = failure
        assert site.http.post("/v1/chat/completions", json=body).is_error
    site.engine.failure = None
    site.engine.raw = f"<p>{TEXT}</p>".encode()
    site.http.post("/v1/chat/completions", json=body)
    site.engine.raw = None
    site.engine.break_after = 1
    with contextlib.suppress(httpx.HTTPError):
        site.http.post("/v1/chat/completions", json=body | {"stream": True})
    site.engine.break_after = None
    site.http.post("/v1/chat/completions", json=body | {"end_user": TEXT, MARKER: TEXT})
    for wrong in ({"messages": TEXT}, {"messages": [{"role": TEXT}]}):
        assert site.http.post("/v1/chat/completions", json=body | wrong).is_client_error
    assert site.http.post("/v1/chat/completions", content=f"{{{TEXT}").is_client_error
    site.http.post("/v1/chat/completions", json={"model": MARKER, "messages": [{"role": "user", "content": "a\0b"}]})
    answer = first.json()["id"]
    for said in (
        {"id": answer, "correction": MARKER},
        {"id": answer, "kind": "correction", "correction": MARKER, "comment": TEXT, "reporter": MARKER},
        {"id": answer, "kind": "error", "comment": f"{TEXT}\0", "reporter": MARKER},
        {"id": MARKER, "kind": "error", "comment": TEXT},
    ):
        site.http.post("/v1/feedback", json=said)


def _use_the_api(site: Site) -> None:
    model = "/api/v1/models/acme/support"
    lines = "\n".join(
        f'{{"text": "{TEXT} {number}", "label": "{label}"}}'
        for number, label in enumerate(("order", MARKER, "refund", f"{MARKER}\\u0000"))
    )
    for partial in ("false", "true"):
        site.http.post(
            f"{model}/examples?pool=training&format=jsonl&partial={partial}",
            content=f"{lines}\n{{{TEXT}\n",
            headers={"Content-Type": "application/jsonl"},
        )
    site.http.post(f"{model}/documents", json={"title": "Shipping", "text": f"# How\n\n{TEXT}? It comes. " * 40})
    site.http.post(f"{model}/documents", json={"title": "Returns\0", "text": f"{TEXT}\0"})
    site.http.post("/api/v1/clients", json={"slug": MARKER.upper(), "name": TEXT})
    site.http.post("/api/v1/clients", json={"slug": "acme", "name": f"{MARKER}\0"})
    for path in (
        f"/api/v1/models/{MARKER}/support?q={MARKER}",
        f"{model}/predictions?limit={MARKER}",
        f"{model}/predictions/{MARKER}",
        f"/sign-in?next={MARKER}",
        f"/api/v1/audit?subject_kind={MARKER}%00",
    ):
        site.http.get(path)
    site.http.post(f"{model}/findings")
    site.http.post(f"{model}/cycles", json={"note": TEXT})


def _knock_from_outside(site: Site) -> None:
    site.http.post("/slack/events", data={"text": TEXT, "payload": f'{{"text": "{TEXT}"}}'})
    site.http.post("/slack/events", json={"event": {"text": TEXT}}, headers={"X-Slack-Signature": MARKER})
    site.http.post("/webhooks/stripe", json={"email": MARKER}, headers={"Stripe-Signature": MARKER})
    site.http.post("/sign-in", data={"email": f"{MARKER}@north.example", "password": MARKER})


def _break_rules_of_the_database(url: str) -> None:
    """As any of the processes might, with values as parameters and, worse, in the statement."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select set_config('app.agency_id', '*', false)")
        for statement, values in (
            ("insert into person (id, email, name, created_at) values (gen_random_uuid(), %s, null, now())", (TEXT,)),
            (TWICE, (MARKER, TEXT)),
            ("select %s::uuid", (TEXT,)),
            ("select %s::jsonb", (f'{{"{MARKER}',)),
            (f"select '{TEXT}'::int", ()),
            (f"selekt '{TEXT}'", ()),
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(statement.encode(), values)


def _idle(owner: str) -> bool:
    with psycopg.connect(owner) as asked:
        row = asked.execute(
            "select count(*) from job where state in ('queued', 'running') and run_after < now() + interval '1 minute'"
        ).fetchone()
    return row == (0,)


def _keep_rows(owner: str, target: Path) -> None:
    """What jobs and the audit log say, as text."""
    with psycopg.connect(owner) as connection, target.open("wb") as out:
        for table in ("job", "audit_event"):
            with connection.cursor().copy(f"copy (select to_jsonb(t) from {table} t) to stdout".encode()) as rows:
                for piece in rows:
                    out.write(bytes(piece))


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(name.startswith(each) for each in IN_TABLES):
            yield path


def test_no_log_cache_or_workspace_holds_a_customers_text(after_everything_went_wrong: Settings) -> None:
    data = after_everything_went_wrong.data_dir
    assert (data / "logs" / "web.log").stat().st_size > 0
    assert [path.relative_to(data).as_posix() for path in _files(data) if MARKER.encode() in path.read_bytes()] == []


def test_no_temporary_file_holds_a_customers_text(after_everything_went_wrong: Settings, folder: Path) -> None:
    assert after_everything_went_wrong
    assert [path.name for path in (folder / "tmp").rglob("*") if path.is_file() and _holds(path)] == []


def test_neither_jobs_nor_the_audit_log_hold_a_customers_text(
    after_everything_went_wrong: Settings, folder: Path
) -> None:
    assert after_everything_went_wrong
    rows = (folder / "rows").read_text()
    assert "review.propose" in rows
    assert [line[:400] for line in rows.splitlines() if MARKER in line.lower()] == []


def _holds(path: Path) -> bool:
    return os.access(path, os.R_OK) and MARKER.encode() in path.read_bytes()
