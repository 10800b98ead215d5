"""The edge where bounces come in: a message on standard input."""

from tuneloop.email.bounces import record_bounce
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.settings import Settings
from tuneloop.tables import MailState


def take_bounce(settings: Settings, raw: bytes) -> MailState:
    """Raises InvalidInput when it is not a bounce of one of our mails, NotFound when the mail is unknown."""
    with Database(make_engine(settings.database_url, pool_size=1)).all_agencies() as session:
        return record_bounce(session, raw).state
