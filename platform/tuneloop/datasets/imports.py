"""A file of examples into a pool: all of it or, when asked, what is good of it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlmodel import Session

from tuneloop.audit.service import record
from tuneloop.datasets.ingest import Intake
from tuneloop.datasets.leakage import lock_pools
from tuneloop.datasets.row import LISTED_PROBLEMS, ParsedRow, RowProblem
from tuneloop.datasets.scanning import scan_soon
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.tables import Pool, RegisteredModel, Role, Source

_ROWS_AT_ONCE = 1_000
_LETTERS_AT_ONCE = 4_000_000


class ImportReport(NamedTuple):
    """`problems` are the first of the rejected rows."""

    added: int = 0
    duplicates: int = 0
    rejected: int = 0
    problems: tuple[RowProblem, ...] = ()


def import_examples(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    pool: Pool,
    rows: Iterable[ParsedRow | RowProblem],
    partial: bool = False,
    closest: bool = False,
) -> ImportReport:
    """Add the rows that are new. Unless `partial`, one bad row means that nothing is stored.

    With `closest`, a label that the model does not know is taken for the one that is written most like it.

    Raises:
        InvalidInput: a row is bad and `partial` is off, or there are no rows.
    """
    principal.require(Role.OPERATOR)
    lock_pools(session, model)
    intake = Intake(session, model=model, pool=pool, source=Source.IMPORT, added_by=principal.name, closest=closest)
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
            )
            if not partial and report.rejected >= LISTED_PROBLEMS:
                break
        _check(report, partial=partial)
    if pool is Pool.TRAINING and report.added:
        scan_soon(session, model)
    counts = {"added": report.added, "duplicates": report.duplicates, "rejected": report.rejected}
    record(session, principal, "examples.import", "model", model.id, client_id=model.client_id, pool=pool, **counts)
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
