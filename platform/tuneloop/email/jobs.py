"""The job of delivering one mail."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class GiveUpMail(Job):
    """Say on the mail that its delivery job died for good."""

    name: ClassVar[str] = "mail.give_up"
    title: ClassVar[str] = "Note that a mail could not be sent"
    queue: ClassVar[Queue] = Queue.QUICK

    mail_id: UUID
    reason: str


class SendMail(Job):
    """One attempt to hand a mail to the server."""

    name: ClassVar[str] = "mail.send"
    title: ClassVar[str] = "Send a mail"
    max_attempts: ClassVar[int] = 10
    time_limit_seconds: ClassVar[int] = 300

    mail_id: UUID

    def if_dead(self, reason: str) -> Job:
        return GiveUpMail(mail_id=self.mail_id, reason=reason)
