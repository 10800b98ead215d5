"""What a person's own password must be, setting it, and the sessions that end with the old one."""

from importlib.resources import files
from uuid import UUID

from sqlmodel import Session, col, delete, select

from tuneloop.identity.secrets import hash_password
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.tables import Password, User, WebSession

LEAST = 12
MOST = 200
FEWEST_DIFFERENT = 5
COMMON = frozenset((files("tuneloop.identity") / "common_passwords.txt").read_text("utf-8").split())
ROWS = ("abcdefghijklmnopqrstuvwxyz" * 2, "1234567890" * 3, "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm")
LOOKALIKES = str.maketrans("013457@$!", "oieastasi")


def require_good(password: str, *, email: str) -> None:
    """NIST SP 800-63B: length counts, composition does not; nothing that is tried first.

    Raises:
        InvalidInput: too short or long, the address itself, or known to everybody.
    """
    if len(password) < LEAST:
        raise InvalidInput(f"a password has at least {LEAST} characters; a few words do well", field="password")
    if len(password) > MOST:
        raise InvalidInput(f"a password has {MOST} characters at most", field="password")
    folded = password.casefold()
    local, _, domain = email.casefold().partition("@")
    own = {email.casefold(), local, domain}
    if folded in own or _core(folded) in {_core(each) for each in own if len(each) >= 4}:
        raise InvalidInput("a password can't be your own address; choose other words", field="password")
    if len(set(folded)) < FEWEST_DIFFERENT or _core(folded) in COMMON or folded in COMMON or _is_run(folded):
        raise InvalidInput("everybody tries this password first; choose other words", field="password")


def set_password(session: Session, user: User, password: str) -> None:
    """Make it the person's, and end every session that was opened with another one.

    Raises:
        InvalidInput: it is too weak.
    """
    require_good(password, email=user.email)
    row = session.exec(select(Password).where(Password.user_id == user.id)).one_or_none()
    if row is None:
        row = Password(user_id=user.id, password_hash="")
    row.password_hash, row.set_at = hash_password(password), now()
    session.add(row)
    end_sessions(session, user_id=user.id)
    session.flush()


def password_of(session: Session, user_id: UUID) -> Password | None:
    return session.exec(select(Password).where(Password.user_id == user_id)).one_or_none()


def end_sessions(session: Session, *, user_id: UUID, agency_id: UUID | None = None) -> None:
    """Sign a person out everywhere, or of one agency."""
    ended = delete(WebSession).where(col(WebSession.user_id) == user_id)
    if agency_id is not None:
        ended = ended.where(col(WebSession.session_agency_id) == agency_id)
    session.exec(ended.execution_options(synchronize_session="fetch"))


def _core(text: str) -> str:
    """Without what people add to a word to satisfy a rule: digits and signs at the ends, and lookalikes."""
    return "".join(each for each in text.strip("0123456789.,-_!?#$*+@ ").translate(LOOKALIKES) if each.isalpha())


def _is_run(text: str) -> bool:
    """Such as abcdefghijkl, 210987654321 or qwertyuiopas, or the same few letters again and again."""
    again = any(text == (text[:size] * len(text))[: len(text)] for size in range(1, 7))
    return again or any(text in row or text[::-1] in row for row in ROWS)
