"""Encryption of credentials that we must be able to read again, such as Slack's tokens."""

from base64 import urlsafe_b64encode
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tuneloop.kit.errors import Unavailable


class Vault:
    """Seals with the first of several comma-separated keys and opens what any of them sealed, so keys can change."""

    def __init__(self, keys: str) -> None:
        named = [key.strip() for key in keys.split(",") if key.strip()]
        if not named:
            raise Unavailable("set TUNELOOP_SECRET_KEY: without it no credentials can be stored")
        self._fernet = MultiFernet([Fernet(urlsafe_b64encode(sha256(key.encode()).digest())) for key in named])

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises Unavailable when none of the keys sealed it, or it was altered."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise Unavailable(
                "a stored credential cannot be decrypted: TUNELOOP_SECRET_KEY has changed; put the old key after the "
                "new one, or install the integration again"
            ) from error
