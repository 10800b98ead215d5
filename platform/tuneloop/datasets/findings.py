"""What is suspicious about training examples: an open finding keeps one out of snapshots until a person decides.

Findings are computed by workers; here they are stored, listed, and settled.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.datasets.deletion import delete_example
from tuneloop.datasets.edit_example import rewrite
from tuneloop.datasets.leakage import stored_messages
from tuneloop.datasets.placeholders import spans_of, text_digest, without_personal_data
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.predictions.service import require_label
from tuneloop.registry.service import contract_of
from tuneloop.registry.templates import Message
from tuneloop.tables import DataFinding, Example, FindingKind, FindingState, RegisteredModel, Role


class Found(NamedTuple):
    """A suspicion about an example, as a worker reports it."""

    example_id: UUID
    kind: FindingKind
    summary: str
    detail: dict[str, Any]


class Examined(NamedTuple):
    """What a scan looked at: for these examples, a finding of such a kind that it did not find is over."""

    example_ids: frozenset[UUID]
    kinds: frozenset[FindingKind]


class Suspect(NamedTuple):
    finding: DataFinding
    example: Example


def blocked() -> ColumnElement[bool]:
    """Condition on `Example`: something about it waits for a person."""
    return (
        select(DataFinding.id)
        .where(DataFinding.example_id == Example.id, DataFinding.state == FindingState.OPEN)
        .exists()
    )


def store_findings(
    session: Session, *, model: RegisteredModel, found: Iterable[Found], examined: Collection[Examined]
) -> list[DataFinding]:
    """Add what is new and close what is no longer found. What a person dismissed is not raised again."""
    current = {(each.example_id, each.kind): each for each in found}
    looked_at = {(example_id, kind) for each in examined for example_id in each.example_ids for kind in each.kinds}
    known = session.exec(
        select(DataFinding).where(DataFinding.model_id == model.id, col(DataFinding.example_id).is_not(None))
    )
    seen: set[tuple[UUID | None, FindingKind]] = set()
    for row in known:
        key = row.example_id, row.kind
        seen.add(key)
        if row.state is FindingState.OPEN and key in looked_at and key not in current:
            row.state, row.settled_by, row.settled_at = FindingState.FIXED, "scan", now()
        elif row.state is FindingState.FIXED and row.settled_by == "scan" and key in current:
            row.state, row.settled_by, row.settled_at = FindingState.OPEN, None, None
        if row.state is FindingState.OPEN and key in current:
            row.summary, row.detail = current[key].summary, current[key].detail
        session.add(row)
    fresh = [
        DataFinding(
            client_id=model.client_id,
            model_id=model.id,
            example_id=each.example_id,
            kind=each.kind,
            summary=each.summary,
            detail=each.detail,
        )
        for key, each in current.items()
        if key not in seen
    ]
    session.add_all(fresh)
    session.flush()
    return fresh


def list_findings(
    session: Session, *, model: RegisteredModel, state: FindingState | None = FindingState.OPEN, limit: int = 200
) -> list[Suspect]:
    """Oldest first, with the example that each is about."""
    query = (
        select(DataFinding, Example)
        .join(Example, col(Example.id) == DataFinding.example_id)
        .where(DataFinding.model_id == model.id)
    )
    if state is not None:
        query = query.where(DataFinding.state == state)
    rows = session.exec(query.order_by(DataFinding.kind, col(DataFinding.found_at), col(DataFinding.id)).limit(limit))
    return [Suspect(finding, example) for finding, example in rows]


def dismiss_finding(session: Session, *, principal: Principal, finding_id: UUID, reason: str) -> DataFinding:
    """The example is right as it is, or may be used all the same; it trains again.

    Raises:
        InvalidInput: no reason is given. Conflict: the finding is settled already.
    """
    principal.require(Role.OPERATOR)
    if not reason.strip():
        raise InvalidInput("say why the example may train all the same", param="reason")
    finding = _open(session, finding_id)
    return _settle(session, principal, finding, FindingState.DISMISSED, reason=reason.strip())


def fix_finding(
    session: Session, *, principal: Principal, finding_id: UUID, expected: str | None = None
) -> DataFinding:
    """Give the example another answer or, with none, delete it. A changed answer keeps the example's other findings.

    Raises:
        InvalidInput: the answer is not a label of the model.
    """
    principal.require(Role.OPERATOR)
    finding = _open(session, finding_id)
    model = session.get_one(RegisteredModel, finding.model_id)
    if finding.example_id is None:
        raise Conflict("this finding is about an item of the review queue; label or skip it", finding=str(finding_id))
    if expected is None:
        delete_example(session, principal=principal, model=model, example_id=finding.example_id)
        for other in _open_of(session, finding.example_id):
            _settle(session, principal, other, FindingState.FIXED, fix="deleted")
        return finding
    example = session.get_one(Example, finding.example_id)
    expected = require_label(contract_of(model), expected)
    before = example.expected
    _rewrite(session, principal, finding, example, stored_messages(example), expected)
    return _settle(session, principal, finding, FindingState.FIXED, fix="answer", before=before, after=expected)


def take_out_personal_data(session: Session, *, principal: Principal, finding_id: UUID) -> DataFinding:
    """Put a placeholder such as <EMAIL> where the scan has found personal data.

    Raises:
        Conflict: the finding is settled, about something else, or older than the example's text.
    """
    principal.require(Role.OPERATOR)
    finding = _open(session, finding_id)
    if finding.kind is not FindingKind.PERSONAL_DATA or finding.example_id is None:
        raise Conflict("only personal data of an example can be replaced by placeholders", finding=str(finding_id))
    example = session.get_one(Example, finding.example_id)
    spans = spans_of(finding.detail)
    if not spans or finding.detail.get("content") != text_digest(example):
        raise Conflict("the example has changed since it was checked; check it again first", finding=str(finding_id))
    messages, expected = without_personal_data(example, spans)
    _rewrite(session, principal, finding, example, messages, expected)
    kinds = ", ".join(dict.fromkeys(span.entity for span in spans))
    return _settle(session, principal, finding, FindingState.FIXED, fix="placeholders", kinds=kinds, n=len(spans))


def _rewrite(
    session: Session,
    principal: Principal,
    finding: DataFinding,
    example: Example,
    messages: Sequence[Message],
    expected: str,
) -> None:
    """The next scan looks at the new text; where another row holds it, what was found in the old one is settled."""
    model = session.get_one(RegisteredModel, finding.model_id)
    changed = rewrite(session, principal=principal, model=model, example=example, messages=messages, expected=expected)
    if changed.id != example.id:
        for other in _open_of(session, example.id):
            if other.id != finding.id:
                _settle(session, principal, other, FindingState.FIXED, fix="replaced", by=str(changed.id))


def _open_of(session: Session, example_id: UUID) -> Sequence[DataFinding]:
    query = select(DataFinding).where(DataFinding.example_id == example_id, DataFinding.state == FindingState.OPEN)
    return session.exec(query).all()


def _open(session: Session, finding_id: UUID) -> DataFinding:
    query = select(DataFinding).where(DataFinding.id == finding_id).with_for_update()
    finding = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if finding is None:
        raise NotFound("finding", finding_id)
    if finding.state is not FindingState.OPEN:
        raise Conflict(f"this finding is {finding.state} already", finding=str(finding_id))
    return finding


def _settle(
    session: Session, principal: Principal, finding: DataFinding, state: FindingState, **detail: Any
) -> DataFinding:
    finding.state, finding.settled_by, finding.settled_at = state, principal.name, now()
    session.add(finding)
    record(
        session,
        principal,
        f"finding.{state}",
        "finding",
        finding.id,
        client_id=finding.client_id,
        example=str(finding.example_id),
        kind=finding.kind,
        **detail,
    )
    session.flush()
    return finding
