"""What leaves the house: mail, Slack and Stripe. Held, it waits as queued jobs until a person has looked.

After a restoration some of it may have gone out already, between the backup and the accident.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlmodel import Session, col, func, select, update

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict
from tuneloop.kit.jobs import JobHold, JobRow, JobState, is_held
from tuneloop.kit.jobs.hold import LOOK_AGAIN
from tuneloop.kit.principal import Principal
from tuneloop.tables import Agency, Mail, MailState, SlackMessage

OUTGOING = r"^(mail\.send|report\.deliver|slack\.|billing\.)"
DROPPED = "not sent: it waited when the installation was restored from a backup, and may have gone out before"


class Waiting(StrEnum):
    SEND = "send"
    DROP = "drop"


class Held(NamedTuple):
    since: datetime | None
    reason: str
    jobs: dict[str, int]
    mails: int


def hold_outgoing(session: Session, *, reason: str) -> None:
    """Also while everything runs: what is being sent is finished, nothing more begins."""
    if _open(session) is None:
        session.add(JobHold(jobs=OUTGOING, reason=reason))


def look_at_outgoing(session: Session) -> Held:
    """Across agencies: since when it is held, and how many jobs and mails wait."""
    hold = _open(session)
    if hold is None:
        return Held(None, "", {}, 0)
    queued = select(JobRow.name, func.count()).where(JobRow.state == JobState.QUEUED, is_held())
    mails = select(func.count()).where(col(Mail.state).in_([MailState.QUEUED, MailState.SENDING]))
    return Held(
        hold.held_at,
        hold.reason,
        dict(session.exec(queued.group_by(col(JobRow.name))).all()),
        session.exec(mails).one(),
    )


def release_outgoing(session: Session, *, mails: Waiting) -> int:
    """Let it go; returns how many mails waited.

    Slack is asked whether a message is there before it is posted, Stripe whether a month is invoiced. A mail server
    can't be asked, so a person says what becomes of the mails that waited.

    Raises:
        Conflict: nothing is held.
    """
    hold = _open(session)
    if hold is None:
        raise Conflict("nothing is held; mail, Slack and Stripe go out as usual")
    waited = session.exec(select(Mail).where(col(Mail.state).in_([MailState.QUEUED, MailState.SENDING]))).all()
    if mails is Waiting.DROP:
        for mail in waited:
            mail.state, mail.failure = MailState.FAILED, DROPPED
            session.add(mail)
    unposted = update(SlackMessage).where(col(SlackMessage.ts).is_(None), col(SlackMessage.attempted_at).is_(None))
    session.execute(unposted.values(attempted_at=hold.held_at))
    soon = update(JobRow).where(
        col(JobRow.state) == JobState.QUEUED, is_held(), col(JobRow.run_after) < func.clock_timestamp() + LOOK_AGAIN
    )
    session.execute(soon.values(run_after=func.clock_timestamp()).execution_options(synchronize_session=False))
    hold.released_at = now()
    session.add(hold)
    counts = {agency: sum(mail.agency_id == agency for mail in waited) for agency in session.exec(select(Agency.id))}
    for agency, count in counts.items():
        principal = Principal.system(agency, "installation")
        record(session, principal, "outgoing.release", "agency", agency, mails=count, then=mails.value)
    return len(waited)


def _open(session: Session) -> JobHold | None:
    return session.exec(select(JobHold).where(col(JobHold.released_at).is_(None)).limit(1)).first()
