"""Mail as people read it: every job of sending done, and what arrived."""

import email
import email.policy
import re

from sqlmodel import col, select

from tests.email.server import Taken
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.jobs.runtime import Runtime

LINK = re.compile(r"https://tuneloop\.example/(?:invitation|password)\?token=(\S+)")


class Post:
    def __init__(self, runtime: Runtime, taken: Taken) -> None:
        self.runtime, self.taken = runtime, taken

    def to(self, address: str) -> list[str]:
        """The text of each mail to an address, oldest first."""
        with self.runtime.database.all_agencies() as session:
            waiting = session.exec(
                select(JobRow.id)
                .where(JobRow.name == "mail.send", JobRow.state == JobState.QUEUED)
                .order_by(col(JobRow.created_at))
            ).all()
        for job_id in waiting:
            self.runtime.run(job_id)
        read = [email.message_from_bytes(raw, policy=email.policy.default) for raw in self.taken.messages]
        mine = [each for each in read if each["to"].addresses[0].addr_spec == address]
        return [body.get_content() for each in mine if (body := each.get_body(("plain",))) is not None]

    def token(self, address: str) -> str:
        """Of the link in the newest mail that has one."""
        (*_, found) = [match for text in self.to(address) for match in LINK.findall(text)]
        return str(found)
