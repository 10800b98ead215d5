"""The process of the local mailbox."""

import logging
import os

from granian.constants import Interfaces
from granian.server import Server

from tuneloop.kit.errors import Conflict
from tuneloop.kit.logging import SERVER_LOGS
from tuneloop.kit.settings import Settings
from tuneloop_local.emulators.smtp.box import Mailbox
from tuneloop_local.emulators.smtp.page import FOLDER
from tuneloop_local.emulators.smtp.server import mailbox_server

HOST = "127.0.0.1"
"""Whoever reads the mail of others needs no password here, so nobody else gets to it."""


def run_mailbox(settings: Settings) -> None:
    """Take mail in and show it, until SIGTERM."""
    folder = settings.data_dir.resolve() / "mailbox"
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # it would log every recipient
    smtp = mailbox_server(Mailbox(folder), HOST, settings.mailbox_smtp_port)
    try:
        smtp.start()
    except OSError as error:
        raise Conflict(f"port {settings.mailbox_smtp_port} is taken; set TUNELOOP_MAILBOX_SMTP_PORT") from error
    os.environ[FOLDER] = str(folder)
    try:
        Server(
            "tuneloop_local.emulators.smtp.page:page_from_environment",
            factory=True,
            address=HOST,
            port=settings.mailbox_port,
            interface=Interfaces.ASGI,
            log_access=False,
            log_dictconfig=SERVER_LOGS,
        ).serve()
    finally:
        smtp.stop()
