"""Adding a base of the catalogue without a terminal.

A base belongs to the installation and takes its disk and memory, so who may add one is a setting. Only what the
catalogue names can be added this way: tenants never supply weights of a base.
"""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.errors import Conflict, NotAllowed, NotFound
from tuneloop.kit.jobs import JobRow, JobState, enqueue
from tuneloop.kit.jobs.reading import find_job
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import BaseAdding
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.catalogue import CATALOGUE, Suggestion
from tuneloop.registry.jobs import AddBase
from tuneloop.registry.service import list_bases
from tuneloop.tables import Agency, Role

SHOWN = 5
UNDONE = (JobState.QUEUED, JobState.RUNNING, JobState.FAILED)


def why_not(everywhere: Session, principal: Principal, rule: BaseAdding) -> str | None:
    """Why the caller may not add a base, as a sentence that says who can; None if they may.

    Needs a session across agencies.
    """
    if rule is BaseAdding.NOBODY:
        return "Whoever runs this installation adds bases, with the command on its machine."
    if rule is BaseAdding.ONLY_AGENCY and len(everywhere.exec(select(Agency.id).limit(2)).all()) > 1:
        return (
            "Several agencies share this installation, so whoever runs it adds bases, with the command on its machine. "
            "TUNELOOP_ADD_BASES=owners lets the agencies' owners do so."
        )
    if not principal.may(Role.OWNER):
        return "An owner of your agency adds bases, on this page."
    return None


def suggestion(name: str) -> Suggestion:
    """Raises NotFound unless the catalogue has it."""
    found = next((each for each in CATALOGUE if each.name == name), None)
    if found is None:
        raise NotFound("base of the catalogue", name)
    return found


def order_base(session: TenantSession, *, principal: Principal, name: str, refusal: str | None) -> JobRow:
    """Have a worker add the base of the catalogue with this name; `refusal` is what `why_not` says.

    Raises:
        NotAllowed: the caller may not. NotFound: the catalogue has no such base. Conflict: it is here already, or on
            its way.
    """
    if refusal is not None:
        raise NotAllowed(refusal)
    wanted = suggestion(name)
    if any(base.name == wanted.name for base in list_bases(session)):
        raise Conflict(f"{wanted.name} is on this installation already", name=wanted.name)
    job_id = enqueue(
        session, AddBase(base=wanted.name), agency_id=principal.agency_id, dedupe_key=f"{AddBase.name}:{wanted.name}"
    )
    if job_id is None:
        raise Conflict(f"{wanted.name} is being added already; it shows here when it is done", name=wanted.name)
    record(session, principal, "base.order", "job", job_id, base=wanted.name)
    return find_job(session, job_id)


def orders(session: TenantSession) -> Sequence[JobRow]:
    """What the agency has ordered and is not there yet, the newest first."""
    query = (
        select(JobRow)
        .where(JobRow.name == AddBase.name, col(JobRow.state).in_(UNDONE))
        .order_by(col(JobRow.created_at).desc())
    )
    here = {base.name for base in list_bases(session)}
    latest: dict[str, JobRow] = {}
    for row in session.exec(query.limit(10 * SHOWN)):
        latest.setdefault(str(row.args["base"]), row)
    return [row for name, row in latest.items() if name not in here][:SHOWN]
