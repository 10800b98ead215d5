"""Examples of a model: added one by one, listed, retired, exported, frozen into snapshots."""

from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import Text, cast, func
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.datasets.ingest import Intake
from tuneloop.datasets.leakage import Sketched, collisions, excerpt, lock_pools, stored_messages, stored_text
from tuneloop.datasets.row import LISTED_PROBLEMS, ExportFormat, ParsedRow, ProblemKind
from tuneloop.datasets.scanning import require_checked
from tuneloop.datasets.writers import write_rows
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.registry.context import Context
from tuneloop.registry.templates import Message
from tuneloop.tables import (
    DataFinding,
    Example,
    FindingState,
    Pool,
    RegisteredModel,
    Role,
    Snapshot,
    SnapshotItem,
    Source,
)

_ROWS_AT_ONCE = 1_000
_WRONG_ALONE = frozenset({ProblemKind.UNKNOWN_LABEL, ProblemKind.TOO_LONG})
_MEASURING = frozenset({Pool.GOLDEN, Pool.ROLLING})


class CategoryCount(NamedTuple):
    pool: Pool
    category: str
    n: int


def add_example(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    pool: Pool,
    messages: Sequence[Message],
    expected: str,
    category: str | None = None,
    source: Source,
    prediction_id: UUID | None = None,
) -> Example:
    """Add one example; returns the stored one if the pool has it already.

    Raises:
        InvalidInput: the answer is not a label of the model, or the text is longer than the base reads.
        Conflict: the text has another answer, or is in another pool or nearly so.
    """
    principal.require(Role.OPERATOR)
    lock_pools(session, model)
    intake = Intake(
        session, model=model, pool=pool, source=source, prediction_id=prediction_id, added_by=principal.name
    )
    taken = intake.take([ParsedRow(1, tuple(messages), expected.strip(), category)])
    for problem in taken.problems:
        error = InvalidInput if problem.kind in _WRONG_ALONE else Conflict
        raise error(problem.message, kind=problem.kind)
    for example in taken.duplicates:
        return example
    (example,) = taken.added
    session.flush()
    record(
        session, principal, "example.add", "example", example.id, client_id=model.client_id, pool=pool, source=source
    )
    return example


def find_example(session: Session, model: RegisteredModel, example_id: UUID) -> Example:
    example = session.exec(
        select(Example).where(Example.id == example_id, Example.model_id == model.id, col(Example.deleted_at).is_(None))
    ).one_or_none()
    if example is None:
        raise NotFound("example", example_id)
    return example


def list_examples(
    session: Session,
    *,
    model: RegisteredModel,
    pool: Pool | None = None,
    category: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Example]:
    """A page in the order of their ids; `after` is the last id of the page before."""
    query = select(Example).where(Example.model_id == model.id, col(Example.deleted_at).is_(None))
    if pool is not None:
        query = query.where(Example.pool == pool)
    if category is not None:
        query = query.where(Example.category == category)
    if after is not None:
        query = query.where(Example.id > after)
    return list(session.exec(query.order_by(col(Example.id)).limit(limit)))


def counts(session: Session, *, model: RegisteredModel) -> list[CategoryCount]:
    query = (
        select(Example.pool, Example.category, func.count())
        .where(Example.model_id == model.id, col(Example.deleted_at).is_(None))
        .group_by(col(Example.pool), col(Example.category))
        .order_by(col(Example.pool), col(Example.category))
    )
    return [CategoryCount(Pool(pool), category, n) for pool, category, n in session.exec(query)]


def pool_size(session: Session, model: RegisteredModel, pool: Pool) -> int:
    alive = (Example.model_id == model.id, Example.pool == pool, col(Example.deleted_at).is_(None))
    return session.exec(select(func.count(col(Example.id))).where(*alive)).one()


def retire(
    session: Session, *, principal: Principal, model: RegisteredModel, example_ids: Sequence[UUID]
) -> list[Example]:
    """Move rolling examples to training, the only way by which what measured a model may train one.

    Raises:
        Conflict: one is not in the rolling set, or nearly the same as an example that goes on measuring.
    """
    principal.require(Role.OPERATOR)
    lock_pools(session, model)
    examples = [find_example(session, model, example_id) for example_id in dict.fromkeys(example_ids)]
    ids = [example.id for example in examples]
    for example in examples:
        if example.pool is not Pool.ROLLING:
            raise Conflict(f"example {example.id} is in {example.pool}; only the rolling set retires")
    for batch in _chunks(iter(examples)):
        _refuse_leaks(session, model, batch, _MEASURING, leaving=ids)
    for example in examples:
        example.pool, example.retired_at, example.checked_at = Pool.TRAINING, now(), None
        session.add(example)
        record(
            session,
            principal,
            "example.retire",
            "example",
            example.id,
            client_id=model.client_id,
            before=Pool.ROLLING,
            pool=Pool.TRAINING,
        )
    session.flush()
    return examples


def take_snapshot(session: Session, *, model: RegisteredModel, pool: Pool) -> Snapshot:
    """Freeze what the pool holds now; the same content gives the same snapshot. Findings keep examples out of training.

    Raises:
        InvalidInput: the pool is empty.
        Conflict: a training example is nearly the same as one that measures, or not checked yet.
    """
    lock_pools(session, model)
    if pool is Pool.TRAINING:
        require_checked(session, model)
    digest = sha256(pool.encode())
    ids: list[UUID] = []
    categories: dict[str, int] = {}
    opposite = _MEASURING if pool is Pool.TRAINING else {Pool.TRAINING}
    for batch in _chunks(_live(session, model, pool, without_blocked=pool is Pool.TRAINING)):
        _refuse_leaks(session, model, batch, opposite)
        for example in batch:
            digest.update(_content(example))
            ids.append(example.id)
            categories[example.category] = categories.get(example.category, 0) + 1
    if not ids:
        raise InvalidInput(f"the {pool} set is empty; import examples first", pool=pool)
    name = digest.hexdigest()
    while (known := _snapshot_named(session, model, name)) is not None:
        if not _lost_examples(session, known):
            return known
        name = sha256(name.encode()).hexdigest()
    snapshot = Snapshot(
        client_id=model.client_id,
        model_id=model.id,
        pool=pool,
        digest=name,
        size=len(ids),
        categories=categories,
    )
    session.add(snapshot)
    session.flush()
    _add_items(session, snapshot, ids)
    return snapshot


def list_snapshots(session: Session, *, model: RegisteredModel) -> list[Snapshot]:
    """Newest first."""
    query = select(Snapshot).where(Snapshot.model_id == model.id)
    return list(session.exec(query.order_by(col(Snapshot.created_at).desc(), col(Snapshot.id).desc())))


def snapshot_examples(session: Session, snapshot: Snapshot) -> list[Example]:
    """In the snapshot's order, which depends on content alone; without examples deleted since."""
    query = (
        select(Example)
        .join(SnapshotItem, col(SnapshotItem.example_id) == Example.id)
        .where(SnapshotItem.snapshot_id == snapshot.id, col(Example.deleted_at).is_(None))
        .order_by(col(SnapshotItem.position))
    )
    return list(session.exec(query))


def refuse_too_long(session: Session, *, model: RegisteredModel, snapshots: Sequence[Snapshot]) -> None:
    """Raises InvalidInput, naming every example that is longer than the base reads with the model's prompt."""
    context = Context(session, model)
    letters = func.octet_length(cast(col(Example.messages), Text)) + func.octet_length(col(Example.expected))
    query = (
        select(Example)
        .join(SnapshotItem, col(SnapshotItem.example_id) == Example.id)
        .where(col(SnapshotItem.snapshot_id).in_([each.id for each in snapshots]))
        .where(letters > context.fewest_letters)
        .order_by(col(Example.pool), col(Example.id))
    )
    measured = [(each, context.excess(stored_messages(each), each.expected)) for each in session.exec(query)]
    too_long = [(example, tokens) for example, tokens in measured if tokens is not None]
    if too_long:
        named = [
            f"{example.id} in {example.pool} ({tokens}: {excerpt(stored_text(example.messages))!r})"
            for example, tokens in too_long
        ]
        more = f" and {len(named) - LISTED_PROBLEMS} more" if len(named) > LISTED_PROBLEMS else ""
        raise InvalidInput(
            f"the base reads {context.limit} tokens with prompt and answer, these examples have more: "
            f"{', '.join(named[:LISTED_PROBLEMS])}{more}; delete them, and import shorter ones",
            too_long={str(example.id): tokens for example, tokens in too_long},
            limit=context.limit,
        )


def export(session: Session, *, model: RegisteredModel, pool: Pool, file_format: ExportFormat) -> Iterator[bytes]:
    """The pool as a file, row by row.

    Raises:
        InvalidInput: a conversation of several messages does not fit the format.
    """
    rows = (
        ParsedRow(line, stored_messages(example), example.expected, example.category)
        for line, example in enumerate(_live(session, model, pool), start=1)
    )
    return write_rows(rows, file_format)


def _live(session: Session, model: RegisteredModel, pool: Pool, *, without_blocked: bool = False) -> Iterator[Example]:
    """Ordered by content, so that the same examples come in the same order on every machine."""
    query = select(Example).where(Example.model_id == model.id, Example.pool == pool, col(Example.deleted_at).is_(None))
    if without_blocked:
        suspicious = select(DataFinding.id).where(
            DataFinding.example_id == Example.id, DataFinding.state == FindingState.OPEN
        )
        query = query.where(~suspicious.exists())
    ordered = query.order_by(col(Example.content_hash))
    return iter(session.exec(ordered, execution_options={"yield_per": _ROWS_AT_ONCE}))


def _chunks(examples: Iterator[Example]) -> Iterator[list[Example]]:
    while chunk := list(islice(examples, _ROWS_AT_ONCE)):
        yield chunk


def _refuse_leaks(
    session: Session,
    model: RegisteredModel,
    examples: Sequence[Example],
    pools: Collection[Pool],
    leaving: Collection[UUID] = (),
) -> None:
    batch = [Sketched(stored_text(example.messages), example.minhash) for example in examples]
    found = collisions(session, model_id=model.id, pools=pools, batch=batch, leaving=leaving)
    if not found:
        return
    listed = [
        {"example": str(examples[index].id), "other": str(collision.other.id), "overlap": round(collision.overlap, 3)}
        for index, collision in list(found.items())[:LISTED_PROBLEMS]
    ]
    index, first = next(iter(found.items()))
    raise Conflict(
        f"{excerpt(batch[index].text)!r} in {examples[index].pool} is {first}; "
        "what measures a model must not train it, so delete one of the two",
        collisions=listed,
    )


def _snapshot_named(session: Session, model: RegisteredModel, digest: str) -> Snapshot | None:
    query = select(Snapshot).where(Snapshot.model_id == model.id, Snapshot.digest == digest)
    return session.exec(query).one_or_none()


def _lost_examples(session: Session, snapshot: Snapshot) -> bool:
    """Whether an example was deleted since; adding its text again makes another row, which no old snapshot holds."""
    query = (
        select(SnapshotItem.id)
        .join(Example, col(Example.id) == SnapshotItem.example_id)
        .where(SnapshotItem.snapshot_id == snapshot.id, col(Example.deleted_at).is_not(None))
    )
    return session.exec(query.limit(1)).first() is not None


def _content(example: Example) -> bytes:
    content = [example.messages, example.expected, example.category]
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _add_items(session: Session, snapshot: Snapshot, ids: Sequence[UUID]) -> None:
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        items = [
            SnapshotItem(
                client_id=snapshot.client_id, snapshot_id=snapshot.id, example_id=example_id, position=position
            )
            for position, example_id in enumerate(ids[start : start + _ROWS_AT_ONCE], start=start)
        ]
        session.add_all(items)
        session.flush()
        for item in items:
            session.expunge(item)
