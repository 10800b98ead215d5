"""First steps of an installation: an agency with its owner and a key."""

from tuneloop.cli.credentials import Credentials, save
from tuneloop.identity.service import add_member, create_key
from tuneloop.identity.service import create_agency as new_agency
from tuneloop.kit.db import opened_database
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.tables import ActorKind, Role


def create_agency(settings: Settings, *, slug: str, name: str, email: str, owner: str, password: str) -> str:
    """A new agency with its owner and a first API key, which also becomes this machine's credentials.

    Raises:
        Conflict: the slug is taken.
    """
    with opened_database(settings.database_url) as database:
        with database.all_agencies() as session:
            agency = new_agency(session, slug=slug, name=name)
        with database.unit(agency.id) as session:
            setup = Principal(agency.id, Role.OWNER, ActorKind.SYSTEM, None, "setup", "cli")
            add_member(session, principal=setup, email=email, name=owner, role=Role.OWNER, password=password)
            _, key = create_key(session, principal=setup, name="first key", role=Role.OWNER, client=None)
    save(settings.data_dir, Credentials(url=settings.web_url, key=key))
    return key
