"""Whose turn it is in a queue: each agency in its turn, however many jobs another one has put there."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from tuneloop.kit.jobs.job import LANES, Queue

MOST_COUNTED = 100
CLAIM_SECONDS = 10

_TURNS = text(
    """
    with recursive waiting as (
        (select agency_id, run_after from job
         where queue = :queue and state = 'queued' order by agency_id, run_after limit 1)
        union all
        select next.agency_id, next.run_after from waiting, lateral (
            select agency_id, run_after from job
            where queue = :queue and state = 'queued' and agency_id > waiting.agency_id
            order by agency_id, run_after limit 1
        ) as next
    ), running as (
        select agency_id, count(*) as jobs from job where queue = :queue and state = 'running' group by agency_id
    )
    select waiting.agency_id, due.jobs
    from waiting
    left join running on running.agency_id = waiting.agency_id
    left join lateral (
        select started_at from job
        where queue = :queue and agency_id = waiting.agency_id and started_at is not null
        order by started_at desc limit 1
    ) as last on true
    cross join lateral (
        select count(*) as jobs from (
            select from job
            where queue = :queue and agency_id = waiting.agency_id and state = 'queued'
              and run_after <= clock_timestamp()
            order by run_after limit least(:per_agency - coalesce(running.jobs, 0), :counted)
        ) as first
    ) as due
    where waiting.run_after <= clock_timestamp() and coalesce(running.jobs, 0) < :per_agency
    order by coalesce(running.jobs, 0), last.started_at nulls first, waiting.run_after
    """
)
"""Agencies with due jobs are found by jumps in an index, so the number of their jobs does not matter."""


class Turn(NamedTuple):
    """An agency that may have another job run now; `due` counts those that are due, as far as it may have them."""

    agency_id: UUID
    due: int


def turns(session: Session, queue: Queue, *, per_agency: int | None = None) -> list[Turn]:
    """The agency with the fewest running jobs comes first, and of these the one whose last job began the longest ago.

    `per_agency` is how many jobs of an agency may run at once in the queue, by default that of its lane.
    """
    values = {"queue": queue, "per_agency": per_agency or LANES[queue].per_agency, "counted": MOST_COUNTED}
    return [Turn(*row) for row in session.execute(_TURNS, values)]


def one_at_a_time(session: Session, queue: Queue) -> None:
    """Wait until no other worker is choosing from the queue, so that what is counted is true until the commit.

    A worker that is suspended while it chooses loses its connection after `CLAIM_SECONDS`.
    """
    session.execute(
        text(
            "select set_config('idle_in_transaction_session_timeout', :limit, true), "
            "pg_advisory_xact_lock(hashtext('tuneloop job queue'), hashtext(:queue))"
        ),
        {"limit": f"{CLAIM_SECONDS}s", "queue": queue},
    )
