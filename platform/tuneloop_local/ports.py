"""The ports of an installation: which they are, that they are free, and that a data folder keeps the ones it chose.

Links in mails, invoices and Slack name a port, so an installation must come up on the same ones again.
"""

import json
import random
import socket
from contextlib import suppress

from pydantic import SecretStr

from tuneloop.kit.errors import Conflict, Unavailable
from tuneloop.kit.settings import Settings

PORTS = ("web_port", "mailbox_smtp_port", "mailbox_port", "stripe_emulator_port", "slack_emulator_port")
SERVE = "serve_url"
FILE = "ports.json"
OFFSETS = range(1000, 22_000, 100)
"""Added to the usual ports. All stay below the range from which systems take ports for outgoing connections."""


def with_kept_ports(settings: Settings) -> Settings:
    """With the ports that the data folder keeps. What the environment names comes first."""
    kept = _kept(settings)
    return settings.model_copy(
        update={name: value for name, value in kept.items() if name not in settings.model_fields_set}
    )


def with_own_ports(settings: Settings) -> Settings:
    """As `with_kept_ports`; a data folder that keeps none chooses ports that are free, beside those of others.

    Raises:
        Unavailable: there are no such ports.
    """
    file = settings.data_dir / FILE
    if not file.exists():
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(_choose(settings), indent=2) + "\n")
    return with_kept_ports(settings)


def require_free_ports(settings: Settings) -> None:
    """Raises Conflict, naming the setting, where another program has one of the ports."""
    ports = {f"TUNELOOP_{name.upper()}": getattr(settings, name) for name in PORTS if _needs(settings, name)}
    for setting, port in {**ports, f"TUNELOOP_{SERVE.upper()}": settings.serve_port}.items():
        if not _is_free(port):
            value = _local(port + 1) if setting.endswith("URL") else port + 1
            raise Conflict(
                f"port {port} is taken by another program; stop it, or set {setting} to use another port, such as "
                f"{setting}={value}{_what_breaks(settings, port)}",
                port=port,
            )


def _what_breaks(settings: Settings, port: int) -> str:
    kept = port in _kept(settings).values()
    return f". Links that were sent from {settings.data_dir} before lead to port {port}" if kept else ""


def _kept(settings: Settings) -> dict[str, int | str]:
    file = settings.data_dir / FILE
    kept: dict[str, int | str] = json.loads(file.read_text()) if file.exists() else {}
    return {name: value for name, value in kept.items() if name in (*PORTS, SERVE)}


def _choose(settings: Settings) -> dict[str, int | str]:
    usual = Settings.model_construct()
    for offset in random.sample(OFFSETS, len(OFFSETS)):
        ports = {name: getattr(usual, name) + offset for name in PORTS}
        serve = usual.serve_port + offset
        if all(_is_free(port) for port in (*ports.values(), serve)):
            return {**ports, SERVE: _local(serve)}
    raise Unavailable(f"no free ports for {settings.data_dir}; set {', '.join(_names())}")


def _names() -> list[str]:
    return [f"TUNELOOP_{name.upper()}" for name in (*PORTS, SERVE)]


def _local(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def _needs(settings: Settings, port: str) -> bool:
    """A stand-in whose real service is set up does not start."""
    real = {
        "mailbox": settings.smtp_url,
        "stripe": settings.stripe_platform_key,
        "slack": settings.slack_signing_secret,
    }
    secret = real.get(port.split("_", maxsplit=1)[0], SecretStr(""))
    return not secret.get_secret_value()
