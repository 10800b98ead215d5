"""The web application of the tests: its routes are built once per process, what it works on is each test's own."""

from functools import cache

from litestar import Litestar

from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.web.app import application_state, create_app


@cache
def any_application() -> Litestar:
    """As it is wired, without engines behind it: good for looking at its routes."""
    nowhere = Database(make_engine("postgresql://nobody@127.0.0.1:1/none"))
    return create_app(Settings(), nowhere, Storage("memory:///", cache=Settings().data_dir), lifespan=())


def web_application(settings: Settings, database: Database, storage: Storage) -> Litestar:
    """Without background tasks: the test's one connection has one user at a time. It ends the one made before."""
    application = any_application()
    application.state = application_state(settings, database, storage)
    return application
