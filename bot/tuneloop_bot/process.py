"""The bot process: jobs of the chat queue, the message sync, and Slack's Socket Mode where it is set up."""

import threading

import structlog
from slack_bolt.adapter.socket_mode import SocketModeHandler

import tuneloop_bot.handlers  # noqa: F401  (registers the handlers)
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.health import health
from tuneloop.kit.jobs import Queue
from tuneloop.kit.jobs.broker import make_workers
from tuneloop.kit.settings import Settings
from tuneloop.kit.signals import stop_on_signals
from tuneloop_bot.app import ANSWER_SECONDS, make_app
from tuneloop_bot.sync_loop import sync_messages

log = structlog.get_logger(__name__)

SHUTDOWN_MS = 20_000


def run_bot(settings: Settings) -> None:
    """Until SIGTERM; a running job is finished or released."""
    workers, runtime = make_workers(settings, [Queue.CHAT])
    stop = stop_on_signals(runtime.stopping.set)
    message_sync = threading.Thread(target=sync_messages, args=(runtime.database, settings, stop), daemon=True)
    socket = _connect(settings)
    with health(settings, runtime.database, ask_broker=workers.ask_broker):
        message_sync.start()
        workers.start()
        log.info("bot_ready")
        stop.wait()
        if socket is not None:
            socket.close()  # type: ignore[no-untyped-call]
        workers.stop(timeout_ms=SHUTDOWN_MS)
        message_sync.join()


def _connect(settings: Settings) -> SocketModeHandler | None:
    """Socket Mode, when there is an app token: then Slack needs no address of ours."""
    token = settings.slack_app_token.get_secret_value()
    if not token:
        return None
    quick = Database(make_engine(settings.database_url, pool_size=5, answer_within=ANSWER_SECONDS))
    app = make_app(settings, quick)
    socket = SocketModeHandler(app, token, web_client=app.client)
    socket.connect()  # type: ignore[no-untyped-call]
    log.info("slack_socket_connected")
    return socket
