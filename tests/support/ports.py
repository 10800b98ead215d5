"""Ports that are free just now."""

import socket

from tuneloop.kit.settings import Settings
from tuneloop_local.ports import PORTS, SERVE


def on_free_ports(settings: Settings) -> Settings:
    """For an installation that nobody links to."""
    ports = {name: free_port() for name in PORTS}
    return settings.model_copy(update={**ports, SERVE: f"http://127.0.0.1:{free_port()}"})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
