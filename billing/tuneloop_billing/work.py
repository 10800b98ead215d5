"""What a job of billing works with; a worker's context has it."""

from contextlib import AbstractContextManager
from typing import Protocol

from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession


class Work(Protocol):
    """`reading` and `unit` are transactions of the job's agency. Stripe is asked between them, never within."""

    @property
    def settings(self) -> Settings: ...

    def reading(self) -> AbstractContextManager[TenantSession]: ...

    def unit(self) -> AbstractContextManager[TenantSession]: ...
