"""A month of somebody else's log: taken once, sampled, labelled, and alarmed on."""

from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from sqlmodel import col, func, select

from tests.monitoring.traffic import Traffic, exact
from tests.support.cycles import Workshop
from tuneloop.datasets.logs.logged import LoggedAnswer, LogSource
from tuneloop.datasets.logs.take_answers import AnswersReport, take_answers
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.service import read_monitor
from tuneloop.predictions.completion_ids import completion_id
from tuneloop.registry.templates import Message
from tuneloop.review.queue import add_sample, submit_label
from tuneloop.tables import AdapterVersion, Alert, Prediction, Reading


def answer(number: int, *, at: datetime, key: str | None = None, given: str = "order") -> LoggedAnswer:
    question = f"Question {number} about {number * 7919}"
    return LoggedAnswer(number, LogSource.LANGFUSE, key, at, (Message(role="user", content=question),), given)


def month(count: int = 400) -> list[LoggedAnswer]:
    """Evenly over the last 28 days."""
    end = now() - timedelta(hours=1)
    return [answer(n, at=end - timedelta(days=27) * (n / count), key=f"o{n}") for n in range(count)]


class Take(NamedTuple):
    session: TenantSession
    workshop: Workshop
    version: AdapterVersion
    principal: Principal

    def __call__(self, rows: list[LoggedAnswer], *, partial: bool = False) -> AnswersReport:
        return take_answers(
            self.session,
            principal=self.principal,
            model=self.workshop.model,
            version=self.version,
            rows=rows,
            partial=partial,
        )


@pytest.fixture
def take(session: TenantSession, workshop: Workshop, version: AdapterVersion, principal: Principal) -> Take:
    return Take(session, workshop, version, principal)


def test_an_imported_month_raises_an_alarm(take: Take) -> None:
    session, workshop, _, principal = take
    report = take(month())
    assert (report.added, report.known, report.unsure, report.unwatched) == (400, 0, 400, 0)
    items = add_sample(session, workshop.model, 60)
    assert len(items) == 60
    asked = {item.prediction_id for item in items}
    times = session.exec(select(Prediction.at).where(col(Prediction.id).in_(asked))).all()
    assert max(times) - min(times) > timedelta(days=14)
    for place, item in enumerate(items):
        submit_label(session, principal=principal, item_id=item.id, expected="order" if place % 2 else "refund")
    read_monitor(session, model=workshop.model, judge=exact)
    (alert,) = session.exec(select(Alert).where(Alert.model_id == workshop.model.id)).all()
    assert alert.kind == "accuracy"
    (labels,) = session.exec(select(Reading).where(Reading.model_id == workshop.model.id, Reading.stream == "labels"))
    assert labels.n == 60


def test_an_import_counts_once(session: TenantSession, take: Take) -> None:
    rows = month(20) + [answer(99, at=now() - timedelta(days=1))] * 2
    assert (take(rows).added, take(rows).added) == (21, 0)
    again = take(rows)
    assert (again.known, again.added) == (22, 0)
    assert session.exec(select(func.count()).where(col(Prediction.imported_from) == "langfuse")).one() == 21


def test_our_own_answers_in_a_log_of_others_are_known(take: Take, traffic: Traffic) -> None:
    (own,) = traffic.answers(1)
    logged = answer(1, at=own.at, key=completion_id(own.id))
    assert take([logged]) == AnswersReport(known=1)


def test_what_a_reading_has_measured_is_not_measured_again(take: Take, traffic: Traffic) -> None:
    session, workshop = take.session, take.workshop
    traffic.week(30, 2)
    read_monitor(session, model=workshop.model, judge=exact)
    report = take(month(50))
    assert (report.added, report.unwatched) == (50, 50)


def test_one_bad_row_refuses_the_log_unless_the_good_ones_are_wanted(session: TenantSession, take: Take) -> None:
    rows = [*month(3), answer(7, at=now() + timedelta(days=3))]
    with pytest.raises(InvalidInput, match="line 7: the time of the answer is in the future; correct it"):
        take(rows)
    assert session.exec(select(func.count()).where(col(Prediction.imported_from).is_not(None))).one() == 0
    assert take(rows, partial=True)[:3] == (3, 0, 1)
    with pytest.raises(InvalidInput, match="no answers were found"):
        take([])
