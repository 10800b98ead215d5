"""The bot process: jobs of the chat queue, the announcer, and Slack's Socket Mode where it is set up."""

import threading
from contextlib import AbstractContextManager

import dramatiq
import structlog
from slack_bolt.adapter.socket_mode import SocketModeHandler

from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.jobs import Queue
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.slack.jobs import DeliverMessage, HandleReceipt, RenewToken
from tuneloop_bot.announcer import announce
from tuneloop_bot.app import ANSWER_SECONDS, make_app
from tuneloop_bot.deliver import deliver
from tuneloop_bot.handle import handle
from tuneloop_bot.tokens import renew
from tuneloop_workers.broker import make_broker
from tuneloop_workers.runtime import Context, Runtime, handles, install
from tuneloop_workers.signals import stop_on_signals

log = structlog.get_logger(__name__)

THREADS = 4
SHUTDOWN_MS = 20_000


class ChatWork:
    """The runtime's context as the bot's jobs know it."""

    def __init__(self, context: Context) -> None:
        self.settings = context.settings
        self.agency_id = context.held.agency_id
        self._context = context

    def unit(self) -> AbstractContextManager[TenantSession]:
        return self._context.unit()


@handles(HandleReceipt)
def handle_receipt(context: Context, job: HandleReceipt) -> None:
    handle(ChatWork(context), job.receipt_id)


@handles(DeliverMessage)
def deliver_message(context: Context, job: DeliverMessage) -> None:
    deliver(ChatWork(context), job.message_id)


@handles(RenewToken)
def renew_token(context: Context, job: RenewToken) -> None:
    renew(ChatWork(context), job.installation_id)


def run_bot(settings: Settings) -> None:
    """Until SIGTERM; a running job is finished or handed back."""
    database = Database(make_engine(settings.database_url))
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    runtime = Runtime(database, storage, settings)
    install(runtime)
    worker = dramatiq.Worker(
        make_broker(settings.broker_url), queues={str(Queue.CHAT)}, worker_threads=THREADS, worker_timeout=100
    )
    stop = stop_on_signals(runtime.stopping.set)
    announcer = threading.Thread(target=announce, args=(database, settings, stop), daemon=True)
    socket = _connect(settings)
    announcer.start()
    worker.start()
    log.info("bot_ready")
    stop.wait()
    if socket is not None:
        socket.close()  # type: ignore[no-untyped-call]
    worker.stop(timeout=SHUTDOWN_MS)
    announcer.join()


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
