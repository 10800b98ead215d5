"""A file of examples into a pool: all of it or, when asked, what is good of it."""

from collections.abc import Iterable, Iterator
from functools import partial as partial_of
from typing import NamedTuple

from sqlmodel import Session

from tuneloop.audit.service import record
from tuneloop.datasets.ingest import Intake
from tuneloop.datasets.leakage import lock_pools
from tuneloop.datasets.row import LISTED_PROBLEMS, ParsedRow, RowProblem
from tuneloop.datasets.scanning import scan_soon
from tuneloop.datasets.splitting import SplitIntake
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.tables import Pool, RegisteredModel, Role, Source

_ROWS_AT_ONCE = 1_000
_LETTERS_AT_ONCE = 4_000_000


class ImportReport(NamedTuple):
    """`problems` are the first of the rejected rows; of the added ones, a split put `golden` into the golden set."""

    added: int = 0
    duplicates: int = 0
    rejected: int = 0
    problems: tuple[RowProblem, ...] = ()
    golden: int = 0


def import_examples(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    pool: Pool,
    rows: Iterable[ParsedRow | RowProblem],
    partial: bool = False,
    closest: bool = False,
    golden_share: float = 0.0,
) -> ImportReport:
    """Add the rows that are new. Unless `partial`, one bad row means that nothing is stored.

    With `closest`, a label that the model does not know is taken for the one that is written most like it. Of rows to
    train on, `golden_share` go into the golden set instead.

    Raises:
        InvalidInput: a row is bad and `partial` is off, there are no rows, or the share is not one of training rows.
    """
    principal.require(Role.OPERATOR)
    if golden_share and (pool is not Pool.TRAINING or not 0 < golden_share < 1):
        raise InvalidInput(
            "a share between 0 and 1 of training examples can be kept to measure with", param="golden_share"
        )
    lock_pools(session, model)
    training, golden = (
        Intake(session, model=model, pool=each, source=Source.IMPORT, added_by=principal.name, closest=closest)
        for each in (pool, Pool.GOLDEN)
    )
    split = SplitIntake(session, training=training, golden=golden, golden_share=golden_share)
    intake = split if golden_share else training
    report = ImportReport()
    with session.begin_nested():
        for batch in _batches(rows):
            taken = intake.take(batch)
            session.flush()
            for example in taken.added:
                session.expunge(example)
            report = ImportReport(
                report.added + len(taken.added),
                report.duplicates + len(taken.duplicates),
                report.rejected + len(taken.problems),
                (*report.problems, *taken.problems)[:LISTED_PROBLEMS],
                report.golden + sum(example.pool is not pool for example in taken.added),
            )
            if not partial and report.rejected >= LISTED_PROBLEMS:
                break
        _check(report, partial=partial)
    if pool is Pool.TRAINING and report.added:
        scan_soon(session, model)
    audited = partial_of(record, session, principal, "examples.import", "model", model.id, client_id=model.client_id)
    audited(pool=pool, added=report.added - report.golden, duplicates=report.duplicates, rejected=report.rejected)
    if report.golden:
        audited(pool=Pool.GOLDEN, added=report.golden, duplicates=0, rejected=0)
    return report


def _batches(rows: Iterable[ParsedRow | RowProblem]) -> Iterator[list[ParsedRow | RowProblem]]:
    batch: list[ParsedRow | RowProblem] = []
    letters = 0
    for row in rows:
        batch.append(row)
        if isinstance(row, ParsedRow):
            letters += sum(len(message.content) for message in row.messages)
        if len(batch) == _ROWS_AT_ONCE or letters >= _LETTERS_AT_ONCE:
            yield batch
            batch, letters = [], 0
    if batch:
        yield batch


def _check(report: ImportReport, *, partial: bool) -> None:
    if report.rejected and not partial:
        listed = [problem._asdict() for problem in report.problems]
        least = "at least " if report.rejected >= LISTED_PROBLEMS else ""
        raise InvalidInput(
            f"nothing was imported (bad rows: {least}{report.rejected}); {report.problems[0]}; "
            "correct them, or import again with 'partial' to keep the good rows",
            rejected=report.rejected,
            problems=listed,
        )
    if report == ImportReport():
        raise InvalidInput("the file has no rows")
