"""First steps of an installation: an agency with its owner and a key."""

from typing import NamedTuple

from tuneloop.cli.credentials import Credentials, save
from tuneloop.identity.keys import create_key
from tuneloop.identity.passwords import require_good, set_password
from tuneloop.identity.service import add_member, person_of
from tuneloop.identity.service import create_agency as new_agency
from tuneloop.kit.db import opened_database
from tuneloop.kit.errors import Conflict
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.people.invitations import invite, show_link
from tuneloop.tables import ActorKind, Role


class NewAgency(NamedTuple):
    """Its first key, and the link by which its owner joins where no password was given."""

    key: str
    invitation: str | None


def create_agency(
    settings: Settings, *, slug: str, name: str, email: str, owner: str, password: str | None
) -> NewAgency:
    """A new agency with its owner and a first API key, which also becomes this machine's credentials.

    With a password, the owner is whoever types it. Without, they get an invitation, as everybody else does.

    Raises:
        Conflict: the slug is taken, or the owner has an account already. InvalidInput: the password is too weak.
    """
    with opened_database(settings.database_url) as database:
        with database.all_agencies() as session:
            if password is not None:
                require_good(password, email=email)
                if person_of(session, email) is not None:
                    raise Conflict(f"{email} has an account already, with a password of their own; use --invite")
            agency = new_agency(session, slug=slug, name=name)
        link = None
        with database.unit(agency.id) as session:
            maker = setup = Principal(agency.id, Role.OWNER, ActorKind.SYSTEM, None, name, "cli")
            if password is not None:
                member = add_member(session, principal=setup, email=email, name=owner, role=Role.OWNER)
                set_password(session, member.user, password)
                maker = Principal(agency.id, Role.OWNER, ActorKind.USER, member.user.id, owner, "cli")
            else:
                row = invite(session, principal=setup, settings=settings, email=email, role=Role.OWNER, client=None)
                link = show_link(session, principal=setup, settings=settings, invitation_id=row.id)
            _, key = create_key(session, principal=maker, name="first key", role=Role.OWNER, client=None)
    save(settings.data_dir, Credentials(url=settings.web_url, key=key))
    return NewAgency(key, link)
