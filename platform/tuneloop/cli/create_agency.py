"""First steps of an installation: an agency with its owner and a key."""

from typing import NamedTuple

from tuneloop.cli.credentials import Credentials, save
from tuneloop.clients.months import zone_named
from tuneloop.founding.setup_codes import Door, door, end_setup_codes, new_setup_code
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
from tuneloop_billing.accounts.service import Change, change_account
from tuneloop_reports.style import Language
from tuneloop_reports.style_service import change_style


class NewAgency(NamedTuple):
    """Its first key, and the link by which its owner joins where no password was given."""

    key: str
    invitation: str | None


def create_agency(
    settings: Settings,
    *,
    slug: str,
    name: str,
    email: str,
    owner: str,
    password: str | None,
    currency: str = "usd",
    timezone: str = "UTC",
    language: Language = Language.ENGLISH,
) -> NewAgency:
    """A new agency with its owner and a first API key, which also becomes this machine's credentials.

    With a password, the owner is whoever types it. Without, they get an invitation, as everybody else does.

    Raises:
        Conflict: the slug is taken, or the owner has an account already. InvalidInput: the password is too weak, or
        there is no such time zone.
    """
    zone_named(timezone)
    with opened_database(settings.database_url) as database:
        with database.all_agencies() as session:
            if password is not None:
                require_good(password, email=email)
                if person_of(session, email) is not None:
                    raise Conflict(f"{email} has an account already, with a password of their own; use --invite")
            if door(session, settings) is Door.FIRST:
                end_setup_codes(session)
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
            change_account(session, principal=maker, change=Change(timezone=timezone, currency=currency))
            change_style(session, principal=maker, client_id=None, changes={"language": language})
            _, key = create_key(session, principal=maker, name="first key", role=Role.OWNER, client=None)
    save(settings.data_dir, Credentials(url=settings.web_url, key=key))
    return NewAgency(key, link)


def make_code(settings: Settings) -> str:
    """A code with which somebody sets up an agency on the page /setup.

    Raises:
        Conflict: nobody else is to, or nobody needs a code to.
    """
    with opened_database(settings.database_url) as database, database.all_agencies() as session:
        return new_setup_code(session, settings)
