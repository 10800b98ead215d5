"""The emulator as a process of an installation; its state is in the data folder."""

import signal
import threading

import structlog

from tuneloop.kit.settings import Settings
from tuneloop_local.emulators.slack.app import Emulator
from tuneloop_local.emulators.slack.server import running
from tuneloop_local.emulators.slack.workspace import App

log = structlog.get_logger(__name__)

FIRST_TEAM = "Agency"


def serve(settings: Settings) -> None:
    """Until SIGTERM. A first workspace is there, with one person in it."""
    app = App(
        client_id=settings.slack_client_id or "emulator",
        client_secret=settings.slack_client_secret.get_secret_value(),
        signing_secret=settings.slack_signing_secret.get_secret_value(),
        request_url=f"{settings.site_url}/slack/events",
    )
    file = settings.data_dir / "slack-emulator.json"
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with running(Emulator(port=settings.slack_emulator_port, app=app, file=file)) as emulator:
        if not emulator.slack.state.teams:
            team = emulator.slack.add_team(FIRST_TEAM)
            emulator.slack.add_person(team.id, "You", "you@example.com")
        log.info("slack_emulator_ready", url=emulator.url)
        stop.wait()
