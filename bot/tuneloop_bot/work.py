"""What a job of the bot works with; the worker's runtime provides it."""

from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession


class Work(Protocol):
    settings: Settings

    @property
    def agency_id(self) -> UUID: ...

    def unit(self) -> AbstractContextManager[TenantSession]:
        """A transaction of the job's agency, refused when another worker has taken the job over."""
