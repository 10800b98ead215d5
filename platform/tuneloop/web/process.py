"""The web process: API, pages, gateway, and Slack's requests where a Slack app is set up."""

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server import Server
from litestar import Litestar

from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.logging import SERVER_LOGS, configure_logging
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.web.app import create_app
from tuneloop.web.slack import slack_handlers

HEADER_MILLISECONDS = 15_000


def web(settings: Settings) -> None:
    """Serve until SIGTERM."""
    Server(
        "tuneloop.web.process:app_from_environment",
        factory=True,
        address=settings.web_host,
        port=settings.web_port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS),
        websockets=False,
        workers=settings.web_workers,
        log_access=False,
        log_dictconfig=SERVER_LOGS,
        workers_kill_timeout=20,
    ).serve()


def app_from_environment() -> Litestar:
    """The application of a server process, configured by TUNELOOP_* variables."""
    settings = Settings()
    configure_logging(settings.log_level, json_lines=settings.log_json)
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    database = Database(make_engine(settings.database_url, pool_size=10))
    return create_app(settings, database, storage, more=slack_handlers(settings))
