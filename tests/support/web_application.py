"""The web application of the tests: its routes are built once per process, what it works on is each test's own."""

from functools import cache

from litestar import Litestar
from slack_bolt import BoltRequest, BoltResponse

from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.web.app import application_state, create_app
from tuneloop.web.slack import slack_routes
from tuneloop_bot.app import make_app


@cache
def any_application() -> Litestar:
    """As it is wired, without engines behind it: good for looking at its routes."""
    return create_app(Settings(), *_nothing(), lifespan=())


def web_application(settings: Settings, database: Database, storage: Storage) -> Litestar:
    """Without background tasks: the test's one connection has one user at a time. It ends the one made before."""
    application = _with_slack(tls=settings.site_url.startswith("https"))
    application.state = application_state(settings, database, storage)
    if settings.slack_signing_secret.get_secret_value():
        application.state["slack"] = make_app(settings, database)
    return application


@cache
def _with_slack(*, tls: bool) -> Litestar:
    def dispatch(request: BoltRequest) -> BoltResponse:
        answer: BoltResponse = application.state["slack"].dispatch(request)
        return answer

    settings = Settings(public_url="https://tuneloop.example" if tls else "")
    application = create_app(settings, *_nothing(), lifespan=(), more=slack_routes(dispatch))
    return application


def _nothing() -> tuple[Database, Storage]:
    return (
        Database(make_engine("postgresql://nobody@127.0.0.1:1/none")),
        Storage("memory:///", cache=Settings().data_dir),
    )
