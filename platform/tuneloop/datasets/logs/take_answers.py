"""Answers given elsewhere become rows of the production log, each once."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple
from uuid import UUID, uuid5

import orjson
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.datasets.logs.logged import LoggedAnswer
from tuneloop.datasets.logs.watched_from import watch_from
from tuneloop.datasets.row import LISTED_PROBLEMS, RowProblem, problem
from tuneloop.kit.clean_text import clean
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.predictions.completion_ids import prediction_id
from tuneloop.registry.contract import Contract
from tuneloop.registry.labels import index_of
from tuneloop.registry.service import contract_of
from tuneloop.tables import AdapterVersion, Prediction, RegisteredModel, Role

_AT_ONCE = 500
_AHEAD = timedelta(days=1)
"""Clocks of others may be so far ahead, time zones included."""


class AnswersReport(NamedTuple):
    """`known` were here before; `unsure` of those added came without a confidence.

    `unwatched` of those added were given before the last reading that measured something: they are in the log, and no
    sample is drawn from them.
    """

    added: int = 0
    known: int = 0
    rejected: int = 0
    unsure: int = 0
    unwatched: int = 0
    first: datetime | None = None
    last: datetime | None = None
    problems: tuple[RowProblem, ...] = ()


def take_answers(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    version: AdapterVersion,
    rows: Iterable[LoggedAnswer | RowProblem],
    partial: bool = False,
) -> AnswersReport:
    """Store what is new, at the time at which it was answered. Unless `partial`, one bad row means that nothing is.

    They count as answers of `version`: sampled, labelled and monitored like ours, and never billed as ours.

    Raises:
        InvalidInput: a row is bad and `partial` is off, or there are no answers.
    """
    principal.require(Role.OPERATOR)
    taker = _Taker(session, model, version)
    report = AnswersReport()
    times: list[datetime] = []
    with session.begin_nested():
        for batch in _batches(rows):
            checked = [_checked(each) for each in batch]
            good = [each for each in checked if isinstance(each, LoggedAnswer)]
            bad = [each for each in checked if isinstance(each, RowProblem)]
            added = taker.take(good)
            times += [each.at for each in added]
            report = report._replace(
                added=report.added + len(added),
                known=report.known + len(good) - len(added),
                rejected=report.rejected + len(bad),
                unsure=report.unsure + sum(each.confidence is None for each in added),
                problems=(*report.problems, *bad)[:LISTED_PROBLEMS],
            )
            if not partial and report.rejected >= LISTED_PROBLEMS:
                break
        _check(report, partial=partial)
    if times:
        since = watch_from(session, version, min(times))
        unwatched = sum(since is not None and at <= since for at in times)
        report = report._replace(first=min(times), last=max(times), unwatched=unwatched)
    counts = {"added": report.added, "known": report.known, "rejected": report.rejected}
    record(
        session,
        principal,
        "predictions.import",
        "model",
        model.id,
        client_id=model.client_id,
        version=version.number,
        **counts,
    )
    return report


class _Taker:
    def __init__(self, session: Session, model: RegisteredModel, version: AdapterVersion) -> None:
        self._session, self._model, self._version = session, model, version
        self._contract: Contract = contract_of(model)
        self._labels = index_of(self._contract.labels)

    def take(self, answers: list[LoggedAnswer]) -> list[LoggedAnswer]:
        """Those that are new."""
        ours = self._own({_own_id(each.key) for each in answers if each.key} - {None})
        by_id = {self._id(each): each for each in answers if _own_id(each.key) not in ours}
        if not by_id:
            return []
        rows = [self._row(identity, each) for identity, each in by_id.items()]
        added = self._session.execute(
            insert(Prediction)
            .values([row.model_dump() for row in rows])
            .on_conflict_do_nothing(index_elements=["id"])
            .returning(col(Prediction.id))
        ).scalars()
        return [by_id[identity] for identity in added]

    def _own(self, ids: set[UUID | None]) -> set[UUID | None]:
        """Answers of our own gateway that came back through somebody's log."""
        query = select(col(Prediction.id)).where(col(Prediction.id).in_(ids), Prediction.model_id == self._model.id)
        return set(self._session.scalars(query)) if ids else set()

    def _id(self, each: LoggedAnswer) -> UUID:
        """The same for the same answer, so that it is taken once."""
        key = each.key or orjson.dumps([each.at, [m.content for m in each.messages], each.answer]).decode()
        return uuid5(self._model.id, key)

    def _row(self, identity: UUID, each: LoggedAnswer) -> Prediction:
        return Prediction(
            id=identity,
            agency_id=self._model.agency_id,
            client_id=self._model.client_id,
            model_id=self._model.id,
            version_id=self._version.id,
            digest=self._version.digest,
            at=each.at,
            messages=[message.model_dump() for message in each.messages],
            answer=self._labels.find(each.answer) or each.answer,
            confidence=each.confidence,
            finish_reason=each.finish_reason,
            prompt_tokens=each.prompt_tokens,
            completion_tokens=each.completion_tokens,
            latency_ms=each.latency_ms,
            end_user=clean(each.end_user) if each.end_user else None,
            imported_from=each.source,
        )


def _own_id(key: str | None) -> UUID | None:
    try:
        return prediction_id(key) if key and key.startswith("chatcmpl-") else None
    except NotFound:
        return None


def _batches(rows: Iterable[LoggedAnswer | RowProblem]) -> Iterator[list[LoggedAnswer | RowProblem]]:
    source = iter(rows)
    while batch := list(islice(source, _AT_ONCE)):
        yield batch


def _checked(each: LoggedAnswer | RowProblem) -> LoggedAnswer | RowProblem:
    if isinstance(each, LoggedAnswer) and each.at > now() + _AHEAD:
        return problem(each.line, "the time of the answer is in the future; correct it")
    return each


def _check(report: AnswersReport, *, partial: bool) -> None:
    if report.rejected and not partial:
        raise InvalidInput(
            f"nothing was imported (bad rows: {report.rejected} or more); {report.problems[0]}; "
            "correct them, or import again with 'partial' to keep the good rows",
            problems=[each._asdict() for each in report.problems],
        )
    if not (report.added or report.known or report.rejected):
        raise InvalidInput("no answers were found; a row needs the question, the answer and its time")
