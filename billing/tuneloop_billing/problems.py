"""Exceptions about a client's money: raised once, shown until they end, dismissed by a person."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.tables import Client, PaymentProblem, PaymentProblemKind, Role


class Exceptional(NamedTuple):
    """What is the matter and what ends it. `key` names the instance."""

    kind: PaymentProblemKind
    key: str
    summary: str
    to_do: str


class OpenProblem(NamedTuple):
    problem: PaymentProblem
    client: Client


def raise_problem(session: Session, client_id: UUID, found: Exceptional) -> None:
    """Harmless while it is open; one that somebody has dismissed stays dismissed."""
    query = select(PaymentProblem).where(PaymentProblem.client_id == client_id, PaymentProblem.key == found.key)
    rows = session.exec(query.with_for_update()).all()
    open_ = next((row for row in rows if row.settled_at is None), None)
    if open_ is not None:
        open_.summary, open_.to_do = found.summary, found.to_do
        session.add(open_)
    elif not any(row.settled_by for row in rows):
        session.add(PaymentProblem(client_id=client_id, **found._asdict()))
        session.flush()


def keep_problems(
    session: Session,
    client_id: UUID,
    kinds: Iterable[PaymentProblemKind],
    found: Iterable[Exceptional] = (),
    *,
    about: str = "",
) -> None:
    """These are all that there are of these kinds now, about a thing whose id the keys hold: what else is open of them
    has ended.
    """
    listed = list(found)
    keys = {each.key for each in listed}
    query = select(PaymentProblem).where(
        PaymentProblem.client_id == client_id,
        col(PaymentProblem.kind).in_(list(kinds)),
        col(PaymentProblem.settled_at).is_(None),
    )
    for row in session.exec(query):
        if row.key not in keys and about in row.key:
            row.settled_at = now()
            session.add(row)
    for each in listed:
        raise_problem(session, client_id, each)


def open_problems(session: Session, *, client_id: UUID | None = None) -> list[OpenProblem]:
    """Oldest first; of one client, or of all whom the session may see."""
    query = (
        select(PaymentProblem, Client)
        .join(Client, col(Client.id) == PaymentProblem.client_id)
        .where(col(PaymentProblem.settled_at).is_(None))
        .order_by(col(PaymentProblem.found_at), col(PaymentProblem.id))
    )
    if client_id is not None:
        query = query.where(PaymentProblem.client_id == client_id)
    return [OpenProblem(problem, client) for problem, client in session.exec(query)]


def dismiss_problem(session: Session, *, principal: Principal, problem_id: UUID) -> OpenProblem:
    """Strike it off as known. Raises NotFound, or Conflict when it has ended."""
    principal.require(Role.ADMIN)
    query = select(PaymentProblem).where(PaymentProblem.id == problem_id).with_for_update()
    row = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise NotFound("problem", problem_id)
    if row.settled_at is not None:
        raise Conflict("this problem has ended already")
    row.settled_at, row.settled_by = now(), principal.name
    session.add(row)
    record(session, principal, "problem.dismiss", "problem", row.id, client_id=row.client_id, kind=row.kind)
    return OpenProblem(row, session.get_one(Client, row.client_id))
