"""`python -m tests.support.job_life URL AGENCY ACT…`: acts of a job's life in a process; prints what the last one said.

Acts: enqueue, claim, beat, sweep, now.
"""

import json
import sys
from uuid import UUID

import tuneloop.tables  # noqa: F401  (what a job's row refers to)
from tests.support.sample_jobs import Errand
from tuneloop.kit.clock import now
from tuneloop.kit.db import opened_database
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import LOST_JOBS, Claim, Queue, beat, claim_next, enqueue, perform


def main(url: str, agency: str, *acts: str) -> None:
    agency_id, held, said = UUID(agency), list[Claim](), object()
    with opened_database(url) as database:
        for act in acts:
            with database.all_agencies() as session:
                session.connection()
                if act == "enqueue":
                    said = str(enqueue(session, Errand(subject=new_id()), agency_id=agency_id))
                elif act == "claim":
                    held = [each for each in [claim_next(session, Queue.DEFAULT, worker="theirs")] if each]
                    said = str(held[0].job_id) if held else None
                elif act == "beat":
                    beat(session, held[0])
                elif act == "now":
                    said = now().isoformat()
            if act == "sweep":
                said = perform(database, LOST_JOBS)
    print(json.dumps(said))


main(*sys.argv[1:])
