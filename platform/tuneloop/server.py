"""The web process: API and gateway."""

from granian.constants import Interfaces
from granian.server import Server

from tuneloop.kit.settings import Settings


def web(settings: Settings) -> None:
    """Serve until SIGTERM."""
    Server(
        "tuneloop.asgi:app_from_environment",
        factory=True,
        address=settings.web_host,
        port=settings.web_port,
        interface=Interfaces.ASGI,
        workers=settings.web_workers,
        log_access=False,
        workers_kill_timeout=20,
    ).serve()
