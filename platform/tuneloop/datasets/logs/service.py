"""A file of a log, and posted spans, into the production log of a model."""

from collections.abc import Mapping
from typing import IO, Any

from sqlmodel import Session

from tuneloop.datasets.formats import Reading
from tuneloop.datasets.logs.logged import LogSource
from tuneloop.datasets.logs.otlp import answers_of
from tuneloop.datasets.logs.read_log import LogReading
from tuneloop.datasets.logs.schemas import AnswersImported
from tuneloop.datasets.logs.take_answers import AnswersReport, take_answers
from tuneloop.datasets.row import Choice
from tuneloop.datasets.schemas import ProblemRead
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.registry.service import find_version
from tuneloop.tables import AdapterVersion, Alias, RegisteredModel


def import_log(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    file: IO[bytes],
    choice: Choice,
    time_column: str | None = None,
    version: str | None = None,
    partial: bool = False,
) -> AnswersImported:
    """
    Raises:
        Conflict: no version is named, and none is in production.
        InvalidInput, TooLarge: see `take_answers` and `Reading`.
    """
    gave = answering(session, model, version)
    with Reading(file, choice) as reading:
        rows = LogReading(reading, choice, time_column=time_column)
        report = take_answers(session, principal=principal, model=model, version=gave, rows=rows, partial=partial)
    return _read(report, gave, rows.source, rows.others)


def take_spans(
    session: Session, *, principal: Principal, model: RegisteredModel, body: Mapping[str, Any], version: str | None
) -> AnswersReport:
    """Spans that cannot be read are left out and told; a request without answers is none the worse."""
    rows = list(answers_of(body))
    if not rows:
        return AnswersReport()
    gave = answering(session, model, version)
    return take_answers(session, principal=principal, model=model, version=gave, rows=rows, partial=True)


def answering(session: Session, model: RegisteredModel, version: str | None) -> AdapterVersion:
    """The version whose answers they are: the one that is named, or production."""
    try:
        return find_version(session, model, version or Alias.PRODUCTION)
    except NotFound as error:
        if version is not None:
            raise
        raise Conflict(
            "nothing is in production, so nobody knows whose answers these are; name the version that gave them"
        ) from error


def _read(report: AnswersReport, gave: AdapterVersion, source: LogSource, others: int) -> AnswersImported:
    problems = [ProblemRead.model_validate(each) for each in report.problems]
    fields = report._asdict() | {"problems": problems}
    return AnswersImported(**fields, source=source, version=gave.number, others=others)
