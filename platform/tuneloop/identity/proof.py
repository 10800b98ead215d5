"""Somebody who is signed in shows once more that it is them, before they change how they sign in."""

from pydantic import SecretStr
from sqlmodel import Session

from tuneloop.identity.passwords import password_of
from tuneloop.identity.second_factor import require_second_factor
from tuneloop.identity.secrets import password_matches
from tuneloop.kit.errors import NotAuthenticated
from tuneloop.tables import User


def prove(session: Session, user: User, *, password: str, code: str | None, fresh: bool, keys: SecretStr) -> None:
    """By the password, and by the second factor, unless this browser has shown it just now (`fresh`).

    Raises:
        NotAuthenticated: a wrong password or code. SecondFactorNeeded: the code is missing.
    """
    known = password_of(session, user.id)
    if not password_matches(known.password_hash if known else None, password):
        raise NotAuthenticated("that is not your present password")
    if not fresh:
        require_second_factor(session, user.id, code, keys=keys)
