"""Between the password and the code: what a browser carries from one page to the next, sealed and for minutes."""

from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from pydantic import BaseModel, SecretStr, ValidationError

from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import NotAuthenticated, Unavailable

LASTS = timedelta(minutes=10)


class Step(BaseModel):
    """The password of `email` was right; `password_set_at` ends the step with the password."""

    user_id: UUID
    email: str
    agency_id: UUID
    password_set_at: datetime
    begun_at: datetime

    def sealed(self, keys: SecretStr) -> str:
        return Vault(keys.get_secret_value()).seal(self.model_dump_json())

    @classmethod
    def opened(cls, sealed: str, keys: SecretStr) -> Self:
        """Raises NotAuthenticated: it is none of ours, or too old."""
        try:
            step = cls.model_validate_json(Vault(keys.get_secret_value()).open(sealed))
        except (Unavailable, ValidationError) as error:
            raise NotAuthenticated("sign in again") from error
        if step.begun_at < now() - LASTS:
            raise NotAuthenticated("that took too long; sign in again")
        return step
