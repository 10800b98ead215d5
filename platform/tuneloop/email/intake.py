"""The edge where bounces come in: a message on standard input."""

from tuneloop.email.bounces import record_bounce
from tuneloop.kit.db import opened_database
from tuneloop.kit.settings import Settings
from tuneloop.tables import MailState


def take_bounce(settings: Settings, raw: bytes) -> MailState:
    """Raises InvalidInput when it is not a bounce of one of our mails, NotFound when the mail is unknown."""
    with opened_database(settings.database_url) as database, database.all_agencies() as session:
        return record_bounce(session, raw).state
