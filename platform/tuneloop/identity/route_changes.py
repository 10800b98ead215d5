"""The gateways keep keys, versions and aliases in memory: whoever changes one says so here."""

from sqlmodel import Session, func, select

from tuneloop.tables import Agency

CHANNEL = "tuneloop_routes"


def notify_routes_changed(session: Session) -> None:
    """Tell every gateway, when the caller's transaction commits, that a key, a version or an alias has changed."""
    session.execute(select(func.pg_notify(CHANNEL, "")).select_from(Agency).limit(1))
