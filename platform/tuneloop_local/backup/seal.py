"""The secret key of an installation, encrypted with a passphrase: the database holds only what it has sealed."""

import os
from base64 import b64decode, b64encode, urlsafe_b64encode

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from tuneloop.kit.errors import InvalidInput

SHORTEST = 12
_COST = {"n": 1 << 16, "r": 8, "p": 1}


def seal(secret: str, passphrase: str) -> bytes:
    """Raises InvalidInput for a passphrase that is too short to withstand guessing."""
    if len(passphrase) < SHORTEST:
        raise InvalidInput(f"the passphrase needs at least {SHORTEST} characters")
    salt = os.urandom(16)
    sealed = Fernet(_key(passphrase, salt, _COST)).encrypt(secret.encode())
    return orjson.dumps({"scrypt": _COST, "salt": b64encode(salt).decode(), "secret_key": sealed.decode()})


def unseal(stored: bytes, passphrase: str) -> str:
    """Raises InvalidInput where the passphrase is another one."""
    found = orjson.loads(stored)
    try:
        key = _key(passphrase, b64decode(found["salt"]), found["scrypt"])
        return Fernet(key).decrypt(found["secret_key"].encode()).decode()
    except InvalidToken as error:
        raise InvalidInput("this is not the passphrase that the backup's secret key was encrypted with") from error


def _key(passphrase: str, salt: bytes, cost: dict[str, int]) -> bytes:
    return urlsafe_b64encode(Scrypt(salt=salt, length=32, **cost).derive(passphrase.encode()))
