"""Who may try to sign in just now. Failures cost time, more with each; nobody is locked out for good.

A person's own address waits longest, so a stranger who guesses from elsewhere delays nobody: after many failures from
everywhere an account waits a minute at most, and not at all where its owner has signed in before.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import case, delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from tuneloop.kit.clock import now
from tuneloop.kit.errors import TooManyAttempts
from tuneloop.kit.ids import new_id
from tuneloop.tables import SignInTrace

FORGOTTEN_AFTER = timedelta(hours=12)
KNOWN_FOR = timedelta(days=30)


@dataclass(frozen=True)
class Patience:
    """`free` failures cost nothing; then the wait doubles from a second up to `longest` seconds."""

    free: int
    longest: int

    def seconds(self, failures: int) -> int:
        over = failures - self.free
        return 0 if over < 0 else int(min(self.longest, 2 ** min(over, 20)))


HERE = Patience(free=5, longest=900)
ADDRESS = Patience(free=30, longest=300)
ACCOUNT = Patience(free=50, longest=60)


@dataclass(frozen=True)
class Attempt:
    """Somebody at an address tries to be `email`, who need not exist."""

    email: str
    address: str

    @property
    def here(self) -> str:
        return _subject("here", self.email.lower(), self.address)

    @property
    def known(self) -> str:
        return _subject("known", self.email.lower(), self.address)

    @property
    def patience(self) -> dict[str, Patience]:
        return {
            self.here: HERE,
            _subject("address", self.address): ADDRESS,
            _subject("account", self.email.lower()): ACCOUNT,
        }


def require_patience(session: Session, attempt: Attempt) -> None:
    """Raises TooManyAttempts where it is too early for another attempt."""
    patience = attempt.patience
    rows = session.exec(select(SignInTrace).where(col(SignInTrace.subject).in_([*patience, attempt.known]))).all()
    moment = now()
    if any(row.subject == attempt.known and moment - row.last_at < KNOWN_FOR for row in rows):
        patience = {attempt.here: HERE}
    waits = [
        row.last_at + timedelta(seconds=patience[row.subject].seconds(row.failures)) - moment
        for row in rows
        if row.subject in patience and moment - row.last_at < FORGOTTEN_AFTER
    ]
    seconds = max((wait.total_seconds() for wait in waits), default=0.0)
    if seconds > 0:
        raise too_many(int(seconds) + 1)


def count_failure(session: Session, attempt: Attempt) -> None:
    moment = now()
    session.execute(delete(SignInTrace).where(col(SignInTrace.last_at) < moment - KNOWN_FOR))
    _note(session, attempt.patience, failed=True)


def note_success(session: Session, attempt: Attempt) -> None:
    session.execute(delete(SignInTrace).where(col(SignInTrace.subject) == attempt.here))
    _note(session, [attempt.known], failed=False)


def too_many(seconds: int) -> TooManyAttempts:
    return TooManyAttempts(f"too many failed attempts; try again in {seconds} seconds", retry_after_seconds=seconds)


def _note(session: Session, subjects: Iterable[str], *, failed: bool) -> None:
    moment = now()
    # In one order for everybody, or two attempts could wait for each other.
    rows = [
        {"id": new_id(), "subject": subject, "failures": int(failed), "last_at": moment} for subject in sorted(subjects)
    ]
    statement = insert(SignInTrace).values(rows)
    old = col(SignInTrace.last_at) < moment - FORGOTTEN_AFTER
    counted = case((old, statement.excluded.failures), else_=col(SignInTrace.failures) + statement.excluded.failures)
    session.execute(
        statement.on_conflict_do_update(index_elements=["subject"], set_={"failures": counted, "last_at": moment})
    )


def _subject(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()
