"""The Bolt app: the same for HTTP and Socket Mode."""

import logging

from slack_bolt import App
from slack_sdk import WebClient

from tuneloop.kit.crypto import Vault
from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings
from tuneloop_bot.authorize import Teams, authorize
from tuneloop_bot.listeners import Listeners

ANSWER_SECONDS = 1.5
"""Longest wait for the database: Slack gives three seconds in all."""

CALL_SECONDS = 2
"""Of Slack's three seconds for an answer, for a modal to be opened in."""


def make_app(settings: Settings, database: Database) -> App:
    """`process_before_response`: a listener keeps what came and then answers, so nothing acknowledged is lost."""
    teams = Teams(database, Vault(settings.secret_key.get_secret_value()))
    app = App(
        name="tuneloop",
        logger=logging.getLogger("slack_bolt"),
        signing_secret=settings.slack_signing_secret.get_secret_value(),
        client=WebClient(base_url=settings.slack_api_url, timeout=CALL_SECONDS),
        before_authorize=teams.before_authorize,
        authorize=authorize,
        process_before_response=True,
    )
    Listeners(database).register(app)
    return app
