"""Delete in small transactions, so that nobody waits for one, and tell the sums."""

from collections import Counter

from sqlmodel import Session, col, delete

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.retention.jobs import SweepAgency
from tuneloop.retention.rules import Rule, rules

BATCH = 500
MOST_BATCHES = 400
"""Of each kind in one night; the next night goes on."""


@handles(SweepAgency)
def sweep_agency(context: JobContext, _job: SweepAgency) -> None:
    deleted: Counter[str] = Counter()
    with context.reading() as session:
        old = list(rules(session, context.settings, agency_id=context.agency_id, at=now()))
    for rule in old:
        for _ in range(MOST_BATCHES):
            context.check()
            with context.unit() as session:
                count = _delete(session, rule)
            deleted[rule.name] += count
            context.report(stage="deleting what is old", **deleted)
            if count < BATCH:
                break
    if sums := {name: count for name, count in deleted.items() if count}:
        with context.unit() as session:
            record(session, context.principal, "retention.delete", "agency", context.agency_id, deleted=sums)


def _delete(session: Session, rule: Rule) -> int:
    ids = rule.old(session, BATCH)
    if ids:
        for table, owner in rule.parts:
            session.execute(delete(table).where(owner.in_(ids)))
        session.execute(delete(rule.table).where(col(rule.table.id).in_(ids)))
    return len(ids)
