"""The second factor: codes of an authenticator app (TOTP, RFC 6238), or recovery codes, each of which works once."""

from base64 import b32encode
from collections.abc import Iterable
from datetime import datetime, timedelta
from hmac import compare_digest
from secrets import token_bytes
from uuid import UUID

import pyotp
from pydantic import SecretStr
from sqlmodel import Session, col, delete, func, select

from tuneloop.identity.secrets import token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import NotAllowed, NotAuthenticated, TuneloopError
from tuneloop.tables import RecoveryCode, SecondFactor

DRIFT = (-1, 0, 1)
"""Steps of 30 seconds by which the clock of a telephone may differ (RFC 6238, 5.2)."""

RECOVERY_CODES = 10
RECOVERY_BYTES = 10
FRESH = timedelta(minutes=10)
WRONG_CODE = "that code is wrong, or was used already; wait for the next one in your app"


class SecondFactorNeeded(TuneloopError):
    """The password is right. It counts neither as a failure nor as a success. `step` goes on from here in a browser."""

    status = NotAuthenticated.status
    code = "second_factor_needed"
    transient = False

    def __init__(self, message: str, *, step: str = "") -> None:
        super().__init__(message)
        self.step = step


class SecondFactorMissing(NotAllowed):
    """The agency asks for a second factor, and this person has none yet."""

    code = "second_factor_missing"
    transient = False


def second_factor_of(session: Session, user_id: UUID, *, lock: bool = False) -> SecondFactor | None:
    """The one that is asked for: a second factor that was begun and not confirmed is none."""
    query = select(SecondFactor).where(SecondFactor.user_id == user_id, col(SecondFactor.confirmed_at).is_not(None))
    return session.exec(query.with_for_update() if lock else query).one_or_none()


def who_has_second_factor(session: Session, user_ids: Iterable[UUID]) -> set[UUID]:
    mine = (col(SecondFactor.user_id).in_(list(user_ids)), col(SecondFactor.confirmed_at).is_not(None))
    return set(session.exec(select(SecondFactor.user_id).where(*mine)))


def new_secret() -> str:
    return pyotp.random_base32()


def address_of_secret(secret: str, *, email: str, agency: str) -> str:
    """What the QR code says to an authenticator app."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=f"Tuneloop ({agency})")


def check_code(session: Session, row: SecondFactor, code: str, *, keys: SecretStr, at: datetime | None = None) -> None:
    """Use a code of the app up. The row must be locked.

    Raises:
        NotAuthenticated: another code, or one that was used.
    """
    totp = pyotp.TOTP(Vault(keys.get_secret_value()).open(row.sealed_secret))
    present = totp.timecode(at or now())
    typed = code.replace(" ", "").encode()
    for step in (present + drift for drift in DRIFT):
        if compare_digest(totp.generate_otp(step).encode(), typed) and step > row.last_step:
            row.last_step = step
            session.add(row)
            return
    raise NotAuthenticated(WRONG_CODE)


def require_second_factor(session: Session, user_id: UUID, code: str | None, *, keys: SecretStr) -> bool:
    """True where the person has shown their second factor, False where they have none.

    Raises:
        SecondFactorNeeded: no code came. NotAuthenticated: it is wrong or used.
    """
    row = second_factor_of(session, user_id, lock=True)
    if row is None:
        return False
    if not code or not code.strip():
        raise SecondFactorNeeded("type the code of your authenticator app, or one of your recovery codes")
    if is_recovery_code(code):
        _use_recovery_code(session, user_id, code)
    else:
        check_code(session, row, code, keys=keys)
    return True


def is_recovery_code(code: str | None) -> bool:
    """By its form: codes of an app are digits."""
    return code is not None and not code.replace(" ", "").isdigit()


def new_recovery_codes(session: Session, user_id: UUID) -> list[str]:
    """In place of all that there were. Only their hashes are stored."""
    forget_recovery_codes(session, user_id)
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(user_id=user_id, code_hash=token_digest(_plain(code))) for code in codes)
    return codes


def recovery_codes_left(session: Session, user_id: UUID) -> int:
    mine = (RecoveryCode.user_id == user_id, col(RecoveryCode.used_at).is_(None))
    return session.exec(select(func.count(col(RecoveryCode.id))).where(*mine)).one()


def forget_recovery_codes(session: Session, user_id: UUID) -> None:
    session.exec(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user_id))


def _use_recovery_code(session: Session, user_id: UUID, code: str) -> None:
    mine = (RecoveryCode.user_id == user_id, RecoveryCode.code_hash == token_digest(_plain(code)))
    row = session.exec(select(RecoveryCode).where(*mine).with_for_update()).one_or_none()
    if row is None or row.used_at is not None:
        raise NotAuthenticated("that is no recovery code of yours, or it was used already")
    row.used_at = now()
    session.add(row)


def _new_code() -> str:
    """80 random bits, as people can copy them."""
    text = b32encode(token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _plain(code: str) -> str:
    return "".join(each for each in code.lower() if each.isalnum())
