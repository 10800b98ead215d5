"""A telephone with an authenticator app, for people of the tests."""

import time

import pyotp

STEP = 30


class Phone:
    """Never shows a code twice: it begins one step back, so that three fit into what a server takes at a time."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret)
        self._shown = 0

    def code(self) -> str:
        self._shown = max(self._shown + 1, int(time.time()) // STEP - 1)
        return self._totp.generate_otp(self._shown)

    @property
    def again(self) -> str:
        """The code that was shown last."""
        return self._totp.generate_otp(self._shown)
