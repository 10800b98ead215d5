"""What logs and job rows keep of an exception: enough to find it, nothing that a customer wrote."""

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any, ClassVar

import httpx
import orjson
import psycopg
import pytest
import structlog
from openai import BadRequestError
from pydantic import BaseModel
from slack_sdk.errors import SlackApiError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from stripe import CardError

from tests.support.committed import Committed
from tests.support.sample_jobs import Errand
from tuneloop.kit.db import Database
from tuneloop.kit.error_report import describe, describe_traceback
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, enqueue
from tuneloop.kit.jobs.runtime import JobContext, Runtime, handles
from tuneloop.kit.logging import HEARD, OURS, configure_logging
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Client

TWICE = (
    "insert into person (id, email, name, created_at) "
    "select gen_random_uuid(), :v, :v, now() from generate_series(1, 2)"
)
SECRET = "Frau Krähenbühl-Ohnegleichen"


class Spec(BaseModel):
    steps: int


class Puzzled(Exception):
    """What a library might raise."""


def look_up() -> None:
    dict[str, str]()[SECRET]


def read_a_number() -> None:
    int(SECRET)


def validate() -> None:
    Spec.model_validate({"steps": SECRET, SECRET: 1})


def parse() -> None:
    orjson.loads(f'{{"{SECRET}": {SECRET}}}')


def decode() -> None:
    SECRET.encode("utf-16").decode("utf-8")


def open_file() -> None:
    open(f"/nowhere/{SECRET}")  # noqa: SIM115


def raise_from_another() -> None:
    try:
        look_up()
    except KeyError as error:
        raise InvalidInput(f"{SECRET!r} is not a label") from error


def raise_several() -> None:
    raise ExceptionGroup(SECRET, [KeyError(SECRET), Puzzled(SECRET)])


def refuse_a_card() -> None:
    raise CardError(f"no card of {SECRET}", param=SECRET, code="card_declined")  # type: ignore[no-untyped-call]


def refuse_a_message() -> None:
    answer = {"ok": False, "error": "invalid_blocks", "text": SECRET}
    raise SlackApiError(SECRET, answer)  # type: ignore[no-untyped-call]


def refuse_a_request() -> None:
    request = httpx.Request("POST", f"http://127.0.0.1/?q={SECRET}")
    httpx.Response(400, request=request, text=SECRET).raise_for_status()


def refuse_a_completion() -> None:
    request = httpx.Request("POST", "http://127.0.0.1/")
    response: Any = httpx.Response(400, request=request)
    raise BadRequestError(SECRET, response=response, body={"message": SECRET})


RAISERS = (
    look_up,
    read_a_number,
    validate,
    parse,
    decode,
    open_file,
    raise_from_another,
    raise_several,
    refuse_a_card,
    refuse_a_message,
    refuse_a_request,
    refuse_a_completion,
)


def raised(by: Callable[[], object]) -> Exception:
    try:
        by()
    except Exception as error:  # noqa: BLE001  (any: that is what the tests are about)
        return error
    raise AssertionError(f"{by} raised nothing")


@pytest.mark.parametrize("by", RAISERS)
def test_an_exception_is_told_without_what_it_quotes(by: Callable[[], None]) -> None:
    error = raised(by)
    told = f"{describe(error)}\n{describe_traceback(error)}"
    assert SECRET not in told
    assert "Krähenbühl" not in told
    assert type(error).__name__ in describe(error)
    assert by.__name__ in told


@pytest.mark.parametrize(
    ("statement", "value", "state"),
    [
        ("insert into agency (id, slug, name, created_at) values (gen_random_uuid(), :v, null, now())", SECRET, "name"),
        (TWICE, SECRET, "uq_person_email"),
        ("select cast(:v as uuid)", SECRET, "22P02"),
        ("select cast(:v as jsonb)", f'{{"a": {SECRET}}}', "22P02"),
        ("select :v", f"{SECRET}\0", "DataError"),
    ],
)
def test_a_row_that_the_database_refuses_is_told_by_constraint_and_code(
    database: Database, statement: str, value: str, state: str
) -> None:
    def violate() -> None:
        with database.all_agencies() as session:
            session.execute(text(statement), {"v": value})

    error = raised(violate)
    assert isinstance(error, SQLAlchemyError)
    told = f"{describe(error)} {describe_traceback(error)} {error.statement if hasattr(error, 'statement') else ''}"
    assert SECRET not in told
    assert state in describe(error)


def test_a_database_that_is_away_is_told_in_its_own_words() -> None:
    error = raised(lambda: psycopg.connect("postgresql://nobody@127.0.0.1:1/none", connect_timeout=2))
    assert "127.0.0.1" in describe(error)


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """What a process would write to standard error."""
    before = logging.getLogger().handlers[:], logging.getLogger().level, structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in (*OURS, *HEARD)}
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    stream = StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        configure_logging("INFO", json_lines=True)
        yield stream
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.getLogger().handlers[:] = before[0]
    logging.getLogger().setLevel(before[1])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.configure(**before[2])


@pytest.mark.parametrize("by", RAISERS)
def test_no_way_of_logging_an_exception_quotes_it(lines: StringIO, by: Callable[[], None]) -> None:
    error = raised(by)
    structlog.get_logger("tuneloop.test").error("failed", error=error, exc_info=error)
    logging.getLogger("asyncio").error("Task exception was never retrieved: %r", error, exc_info=error)
    logging.getLogger("slack_bolt").error(f"Failed to run listener function (error: {error})", exc_info=error)
    logging.getLogger("stripe").error("error_message=%r", SECRET)
    logging.getLogger("stripe").info("error_message=%r", SECRET)
    thread = threading.Thread(target=by)
    thread.start()
    thread.join()
    sys.excepthook(type(error), error, error.__traceback__)
    written = lines.getvalue()
    assert "Krähenbühl" not in json.dumps([json.loads(line) for line in written.splitlines()], ensure_ascii=False)
    assert by.__name__ in written
    assert {"failed", "library_message", "thread_failed", "process_failed"} <= {
        json.loads(line)["event"] for line in written.splitlines()
    }


def test_a_forgotten_task_says_where_it_failed_and_no_more(lines: StringIO) -> None:
    async def fail() -> None:
        look_up()

    async def forget() -> None:
        task = asyncio.create_task(fail())
        await asyncio.wait((task,))
        del task

    asyncio.run(forget())
    assert "look_up" in lines.getvalue()
    assert "hnegleichen" not in lines.getvalue()


def test_a_library_that_speaks_of_processes_is_quoted(lines: StringIO) -> None:
    library = logging.getLogger("_granian")
    library.propagate = True  # a server that ran in this process before has turned it off
    library.info("Listening at: %s", "http://127.0.0.1:1")
    assert "Listening at: http://127.0.0.1:1" in lines.getvalue()


class CrashOnText(Errand):
    name: ClassVar[str] = "test.crash_on_text"


class RefuseText(Errand):
    name: ClassVar[str] = "test.violate"


@handles(CrashOnText)
def crash_on_text(_context: JobContext, _job: CrashOnText) -> None:
    look_up()


@handles(RefuseText)
def violate_a_constraint(context: JobContext, _job: RefuseText) -> None:
    with context.unit() as session:
        session.add_all([Client(slug=SECRET, name=SECRET), Client(slug=SECRET, name=SECRET)])


@pytest.mark.parametrize("job", [CrashOnText, RefuseText])
def test_a_job_that_fails_on_a_text_does_not_keep_it(
    committed: Committed, storage: Storage, lines: StringIO, job: type[Errand]
) -> None:
    with committed.database.unit(committed.agency.id) as session:
        job_id = enqueue(session, job(subject=new_id()), agency_id=committed.agency.id)
    assert job_id is not None
    runtime = Runtime(committed.database, storage, Settings())
    runtime.run(job_id)
    with committed.database.unit(committed.agency.id) as session:
        row = session.get_one(JobRow, job_id)
    assert row.error is not None
    assert "hnegleichen" not in row.error
    assert "hnegleichen" not in lines.getvalue()
    assert '"event": "job_crashed"' in lines.getvalue()
