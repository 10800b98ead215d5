"""An agency with its owner, set up by whoever will work with it."""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.months import zone_named
from tuneloop.founding.schemas import AgencyWanted
from tuneloop.founding.setup_codes import Door, door, end_setup_codes, use_setup_code
from tuneloop.identity.passwords import set_password
from tuneloop.identity.service import (
    Browser,
    Seen,
    create_agency,
    new_person,
    open_checked_session,
    person_by_password,
    person_of,
)
from tuneloop.kit.clock import now
from tuneloop.kit.errors import NotAllowed, TooManyAttempts
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.tables import ActorKind, Agency, Membership, Role
from tuneloop_billing.accounts.service import Change, change_account
from tuneloop_reports.style_service import change_style

MOST_PER_HOUR = 20
"""Agencies that an installation with open sign-up lets come about in an hour."""


class Founded(NamedTuple):
    agency: Agency
    owner: Principal
    browser: Browser


def found_agency(session: Session, *, settings: Settings, wanted: AgencyWanted, origin: str, seen: Seen) -> Founded:
    """The agency, its owner, and the owner signed in. Needs a session across agencies.

    A person who has an account here confirms with its password and second factor, and keeps their name.

    Raises:
        NotAllowed: sign-up is closed. NotAuthenticated: the code does not work, or it is not the account's password.
        SecondFactorNeeded: the account has one.
        Conflict: the short name is taken. InvalidInput: a weak password, or a time zone that there isn't.
        TooManyAttempts: too many agencies came about in the last hour.
    """
    zone_named(wanted.timezone)
    _let_in(session, settings, wanted.code)
    agency = create_agency(session, slug=wanted.slug, name=wanted.name)
    if person_of(session, wanted.email) is not None:
        user = person_by_password(session, email=wanted.email, password=wanted.password.get_secret_value())
    else:
        user = new_person(session, email=wanted.email, name=wanted.owner)
        set_password(session, user, wanted.password.get_secret_value())
    session.add(Membership(agency_id=agency.id, user_id=user.id, role=Role.OWNER))
    session.flush()
    owner = Principal(agency.id, Role.OWNER, ActorKind.USER, user.id, user.name, origin)
    record(session, owner, "agency.create", "agency", agency.id, slug=agency.slug)
    browser = open_checked_session(
        session, user=user, agency_id=agency.id, code=wanted.second_factor, keys=settings.secret_key, seen=seen
    )
    return Founded(agency, owner, browser)


def settle_agency(session: Session, *, principal: Principal, wanted: AgencyWanted) -> None:
    """Money, months and reports as the agency wants them. Needs a session of the agency."""
    change_account(session, principal=principal, change=Change(timezone=wanted.timezone, currency=wanted.currency))
    change_style(session, principal=principal, client_id=None, changes={"language": wanted.language})


def _let_in(session: Session, settings: Settings, code: str) -> None:
    match door(session, settings):
        case Door.CLOSED:
            raise NotAllowed("nobody can sign up here; ask whoever runs this installation")
        case Door.OPEN:
            lately = select(func.count()).where(col(Agency.created_at) > now() - timedelta(hours=1))
            if session.exec(lately).one() >= MOST_PER_HOUR:
                raise TooManyAttempts("many agencies signed up in this hour; try again later", retry_after_seconds=600)
        case Door.FIRST:
            use_setup_code(session, code)
            end_setup_codes(session)
        case Door.CODE:
            use_setup_code(session, code)
