"""Who may set up an agency here, and the codes that say so.

The first agency of an installation always takes a code, whoever reaches the page first: what `tuneloop up` prints, or
`tuneloop agency code`. Further ones follow `TUNELOOP_SIGN_UP`.
"""

from base64 import b32encode
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from secrets import token_bytes

from sqlmodel import Session, col, delete, select

from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, NotAuthenticated
from tuneloop.kit.settings import Settings, SignUp
from tuneloop.tables import Agency, SetupCode

LIFE = timedelta(days=7)
GROUP = 6


class Door(StrEnum):
    """What it takes to set up an agency just now."""

    FIRST = "first"
    CODE = "code"
    OPEN = "open"
    CLOSED = "closed"

    @property
    def takes_code(self) -> bool:
        return self in (Door.FIRST, Door.CODE)


def door(session: Session, settings: Settings) -> Door:
    """Needs a session across agencies."""
    if session.exec(select(Agency.id).limit(1)).first() is None:
        return Door.FIRST
    return {SignUp.CLOSED: Door.CLOSED, SignUp.INVITATION: Door.CODE, SignUp.OPEN: Door.OPEN}[settings.sign_up]


def new_setup_code(session: Session, settings: Settings) -> str:
    """A code for one agency; that of an empty installation replaces the one before. Needs a session across agencies.

    Raises:
        Conflict: nobody else is to set up an agency here, or nobody needs a code to.
    """
    match door(session, settings):
        case Door.FIRST:
            end_setup_codes(session)
        case Door.OPEN:
            raise Conflict("sign-up is open (TUNELOOP_SIGN_UP): nobody needs a code")
        case Door.CLOSED:
            raise Conflict("sign-up is closed; set TUNELOOP_SIGN_UP=invitation for further agencies")
        case Door.CODE:
            pass
    code = b32encode(token_bytes(15)).decode()
    session.add(SetupCode(code_hash=_digest(code), expires_at=now() + LIFE))
    session.flush()
    return "-".join(code[start : start + GROUP] for start in range(0, len(code), GROUP))


def use_setup_code(session: Session, code: str) -> None:
    """Raises NotAuthenticated unless the code works, which is the last time that it does."""
    query = select(SetupCode).where(SetupCode.code_hash == _digest(code)).with_for_update()
    row = session.exec(query).one_or_none()
    if row is None or row.expires_at <= now():
        raise NotAuthenticated("this set-up code does not work; 'tuneloop agency code' prints a new one")
    session.delete(row)
    session.flush()


def end_setup_codes(session: Session) -> None:
    session.exec(delete(SetupCode).where(col(SetupCode.id).is_not(None)))


def _digest(code: str) -> str:
    """However it was typed; plain SHA-256 is enough for 120 random bits."""
    return sha256("".join(each for each in code.upper() if each.isalnum()).encode()).hexdigest()
