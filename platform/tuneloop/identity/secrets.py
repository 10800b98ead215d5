"""Making, showing once and checking secrets: passwords by argon2, random tokens by SHA-256."""

from base64 import urlsafe_b64encode
from functools import cache
from hashlib import sha256
from hmac import digest as hmac_digest
from secrets import token_urlsafe
from typing import NamedTuple
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

from tuneloop.kit.errors import Unavailable

_HASHER = PasswordHasher()

KEY_PREFIX = "tl_"


class NewToken(NamedTuple):
    token: str
    digest: str


@cache
def _hash_of_nobody() -> str:
    return _HASHER.hash("nobody has this password")


def hash_password(password: str) -> str:
    return _HASHER.hash(password)


def password_matches(stored: str | None, password: str) -> bool:
    """Takes the same time whether or not the person exists or has a password."""
    try:
        return _HASHER.verify(stored or _hash_of_nobody(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def new_token(prefix: str = "") -> NewToken:
    token = prefix + token_urlsafe(32)
    return NewToken(token, token_digest(token))


def token_digest(token: str) -> str:
    """Plain SHA-256 is enough for a token of 256 random bits."""
    return sha256(token.encode()).hexdigest()


def csrf_token_of(session_token: str) -> str:
    """What the forms of a browser's session carry: derived, so that it is stored nowhere."""
    return urlsafe_b64encode(hmac_digest(session_token.encode(), b"csrf", "sha256")).decode().rstrip("=")


def derived_token(keys: SecretStr, secret_id: UUID) -> NewToken:
    """The token of a link, made anew whenever it is shown or sent, so that it is stored nowhere.

    Raises:
        Unavailable: the installation has no secret key.
    """
    newest = next(filter(None, map(str.strip, keys.get_secret_value().split(","))), None)
    if newest is None:
        raise Unavailable("set TUNELOOP_SECRET_KEY: without it no links can be made")
    token = urlsafe_b64encode(hmac_digest(newest.encode(), b"link:" + secret_id.bytes, "sha256")).decode().rstrip("=")
    return NewToken(token, token_digest(token))
