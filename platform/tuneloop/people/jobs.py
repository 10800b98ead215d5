"""The job that tells admins what now binds less."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job


class TellAdmins(Job):
    """Mail to all admins and owners about an event of the audit log: who loosened which rules of what."""

    name: ClassVar[str] = "policy.tell"
    title: ClassVar[str] = "Tell admins about loosened rules"

    event_id: UUID
