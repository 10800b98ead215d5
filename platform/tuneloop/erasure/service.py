"""Ask for an erasure, look at what it would take, confirm it, and read what was done."""

from datetime import timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.service import find_client
from tuneloop.erasure.jobs import WorkErasure
from tuneloop.erasure.patterns import pattern_of
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.principal import Principal
from tuneloop.predictions.completion_ids import completion_id, prediction_id
from tuneloop.tables import (
    Client,
    Erasure,
    ErasureKind,
    ErasureState,
    Prediction,
    RegisteredModel,
    Role,
    Subscription,
    SubscriptionState,
)

KEEPABLE: Final = frozenset({"versions", "reports"})
PREVIEW_HOLDS: Final = timedelta(days=7)
"""How old a preview may be: what was found then may have grown since."""


def request_erasure(
    session: Session,
    *,
    principal: Principal,
    kind: ErasureKind,
    reason: str,
    target: str | None = None,
    client: str | None = None,
    keep: frozenset[str] = frozenset(),
) -> Erasure:
    """Begin to count what would go; nothing is changed before it is confirmed.

    `target`: the text or identifier, a completion id, or the person's id in requests (`user`). A whole client needs
    none. `keep` of a client: "versions" and "reports".

    Raises:
        InvalidInput: the target is missing, too short, a label, or not needed.
        NotFound: there is no such client or answer.
        Conflict: the client's subscription runs.
    """
    principal.require(Role.ADMIN)
    owner = find_client(session, client) if client else None
    if kind is ErasureKind.CLIENT:
        if owner is None or target:
            raise InvalidInput("name the client, and no target: all of it is erased", param="client")
        _refuse_unless_ended(session, owner.id, owner.slug)
        target = str(owner.id)
    elif keep:
        raise InvalidInput("only a whole client can keep versions or reports", param="keep")
    if unknown := keep - KEEPABLE:
        raise InvalidInput(f"only versions and reports can be kept, not {', '.join(sorted(unknown))}", param="keep")
    looked_for = checked_target(session, kind, target or "", owner)
    request = Erasure(
        agency_id=principal.agency_id,
        client_id=owner.id if owner else principal.client_id,
        kind=kind,
        target=looked_for,
        target_hash="",
        reason=reason,
        keep=sorted(keep),
        requested_by=principal.name,
    )
    request.target_hash = hash_of(request.id, looked_for)
    session.add(request)
    session.flush()
    record(session, principal, "erasure.request", "erasure", request.id, client_id=request.client_id, kind=kind)
    _begin(session, request)
    return request


def confirm_erasure(session: Session, *, principal: Principal, erasure_id: UUID) -> Erasure:
    """Erase what the preview found, and what has come since. Confirmed twice, it is done once.

    Raises:
        Conflict: it is still counted, was cancelled, or was counted too long ago.
    """
    principal.require(Role.ADMIN)
    request = _locked(session, erasure_id)
    if request.state in {ErasureState.ERASING, ErasureState.DONE}:
        return request
    if request.state is not ErasureState.READY:
        raise Conflict(f"this erasure is {request.state}; look at what it would take first", state=request.state)
    if request.requested_at < now() - PREVIEW_HOLDS:
        raise Conflict("what this would take was counted more than a week ago; ask for it again")
    if request.kind is ErasureKind.CLIENT and request.client_id is not None:
        _refuse_unless_ended(session, request.client_id, "the client")
    request.state, request.confirmed_by, request.confirmed_at = ErasureState.ERASING, principal.name, now()
    session.add(request)
    record(
        session,
        principal,
        "erasure.confirm",
        "erasure",
        request.id,
        client_id=request.client_id,
        kind=request.kind,
        found=request.found,
    )
    _begin(session, request)
    return request


def cancel_erasure(session: Session, *, principal: Principal, erasure_id: UUID) -> Erasure:
    """Forget what was looked for. Raises Conflict once it is confirmed."""
    principal.require(Role.ADMIN)
    request = _locked(session, erasure_id)
    if request.state in {ErasureState.ERASING, ErasureState.DONE}:
        raise Conflict(f"this erasure is {request.state}; it can't be taken back", state=request.state)
    request.state, request.target = ErasureState.CANCELLED, None
    session.add(request)
    record(session, principal, "erasure.cancel", "erasure", request.id, client_id=request.client_id)
    return request


def list_erasures(session: Session, *, limit: int = 100) -> list[Erasure]:
    """Newest first."""
    return list(session.exec(select(Erasure).order_by(col(Erasure.requested_at).desc()).limit(limit)))


def find_erasure(session: Session, erasure_id: UUID) -> Erasure:
    found = session.exec(select(Erasure).where(Erasure.id == erasure_id)).one_or_none()
    if found is None:
        raise NotFound("erasure", erasure_id)
    return found


def hash_of(erasure_id: UUID, target: str) -> str:
    """Who has the receipt and the target can prove that they belong together; nobody can look the target up."""
    return sha256(f"{erasure_id}:{target}".encode()).hexdigest()


def _locked(session: Session, erasure_id: UUID) -> Erasure:
    find_erasure(session, erasure_id)
    return session.exec(select(Erasure).where(Erasure.id == erasure_id).with_for_update()).one()


def _begin(session: Session, request: Erasure) -> None:
    request.job_id = enqueue(
        session,
        WorkErasure(erasure_id=request.id),
        agency_id=request.agency_id,
        dedupe_key=f"erasure:{request.id}:{request.state}",
    )
    session.add(request)
    session.flush()


def checked_target(session: Session, kind: ErasureKind, target: str, owner: Client | None) -> str:
    """What to look for.

    Raises:
        InvalidInput: it is missing, too short or a label. NotFound: there is no such answer.
    """
    target = target.strip()
    if not target:
        raise InvalidInput("say what to look for", param="target")
    if kind is ErasureKind.ANSWER:
        answer = prediction_id(target)
        if session.exec(select(Prediction.id).where(Prediction.id == answer)).one_or_none() is None:
            raise NotFound("completion", completion_id(answer))
        return str(answer)
    if kind is ErasureKind.TEXT:
        pattern_of(target)
        _refuse_labels(session, target, owner.id if owner else None)
    return target


def _refuse_labels(session: Session, target: str, client_id: UUID | None) -> None:
    query = select(RegisteredModel.contract)
    if client_id is not None:
        query = query.where(RegisteredModel.client_id == client_id)
    flat = " ".join(target.casefold().split())
    for contract in session.exec(query):
        for label in contract.get("labels", ()):
            if flat in " ".join(str(label).casefold().split()):
                raise InvalidInput(
                    f"{target!r} is part of the label {label!r}, which is not a person's text", param="target"
                )


def _refuse_unless_ended(session: Session, client_id: UUID, name: str) -> None:
    running = session.exec(
        select(Subscription.id).where(
            Subscription.client_id == client_id, Subscription.state != SubscriptionState.CANCELLED
        )
    ).first()
    if running is not None:
        raise Conflict(f"the subscription of {name} still runs; cancel it first, so that nothing more is invoiced")
