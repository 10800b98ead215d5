"""A worker's runtime for tests whose database is one connection."""

import threading

from tuneloop.kit.db import Database
from tuneloop.kit.jobs.runtime import Runtime
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.worker import HANDLERS, load_handlers


def silent_runtime(database: Database, storage: Storage, settings: Settings) -> Runtime:
    """Jobs without heartbeats: these come from a thread of their own, and savepoints of two threads on one connection
    would be released in the wrong order."""
    load_handlers(*HANDLERS)
    return Runtime(database, storage, settings, beat_seconds=threading.TIMEOUT_MAX)
