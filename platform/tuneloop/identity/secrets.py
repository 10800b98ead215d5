"""Making, showing once and checking secrets: passwords by argon2, random tokens by SHA-256."""

from hashlib import sha256
from secrets import token_urlsafe
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher()
_ABSENT = _HASHER.hash("nobody has this password")

KEY_PREFIX = "tl_"


class NewToken(NamedTuple):
    token: str
    digest: str


def hash_password(password: str) -> str:
    return _HASHER.hash(password)


def password_matches(stored: str | None, password: str) -> bool:
    """Takes the same time whether or not the person exists or has a password."""
    try:
        return _HASHER.verify(stored or _ABSENT, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def new_token(prefix: str = "") -> NewToken:
    token = prefix + token_urlsafe(32)
    return NewToken(token, token_digest(token))


def token_digest(token: str) -> str:
    """Plain SHA-256 is enough for a token of 256 random bits."""
    return sha256(token.encode()).hexdigest()
