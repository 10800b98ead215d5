"""What commands that run here, and not on a server, have in common: settings, engines, and how errors are told."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import typer
from pydantic import ValidationError

from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.output import Output
from tuneloop.cli.wiring import Options, answering
from tuneloop.kit.logging import configure_logging
from tuneloop.kit.processes import end_with_parent_if_asked
from tuneloop.kit.settings import Settings
from tuneloop_local.ports import with_kept_ports

if TYPE_CHECKING:
    from tuneloop.kit.tenancy import TenantSession


@contextmanager
def process(ctx: typer.Context, *, json: bool = False, logs: bool = False) -> Iterator[Settings]:
    """Settings for a command that runs here, with errors reported like all others."""
    options: Options = ctx.obj
    end_with_parent_if_asked()
    with answering(Output(json=json or options.json)):
        try:
            settings = with_kept_ports(Settings(data_dir=options.data_dir))
        except ValidationError as error:
            problems = "; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())
            raise Failure("usage", f"the environment is not complete: {problems}", exit_code=ExitCode.USAGE) from error
        configure_logging(settings.log_level if logs else "WARNING", json_lines=settings.log_json and logs)
        yield settings


@contextmanager
def product_process(ctx: typer.Context) -> Iterator[Settings]:
    """Of one that works with the database: it does not start on a schema that it can't work with."""
    from tuneloop.kit.migrations import require_schema

    with process(ctx, logs=True) as settings:
        require_schema(settings.database_url)
        yield settings


def engines_of(settings: Settings) -> AbstractContextManager[Settings]:
    """The engines that the settings name, or the embedded ones of the data folder."""
    if settings.database_url:
        return nullcontext(settings)
    from tuneloop_local.installation import running_engines

    return running_engines(settings)


@contextmanager
def across_agencies(settings: Settings) -> Iterator["TenantSession"]:
    """A session on the database that the settings name, or on the data folder's."""
    from tuneloop.kit.db import opened_database

    with (
        engines_of(settings) as running,
        opened_database(running.database_url) as database,
        database.all_agencies() as session,
    ):
        yield session
