"""The random sample: drawn from unlabelled answers of the period, labelled blind and once."""

from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import select

from tests.support.cycles import Workshop, make_workshop
from tuneloop.identity.principal import Principal
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.service import start_monitor
from tuneloop.review.service import draw_sample, label
from tuneloop.tables import ActorKind, AdapterVersion, Agency, Example, Pool, Prediction, Role, Source

TEXTS = [
    "Where on earth is my parcel, it should have come on Monday",
    "The zip of my jacket broke after one week of use",
    "I would like my money back for the blue tent",
    "Which sleeping bag is warm enough for minus ten degrees",
    "My card was charged twice for one order yesterday evening",
]


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order"])


@pytest.fixture
def version(session: TenantSession, workshop: Workshop) -> AdapterVersion:
    return workshop.version(session, "1.0")


@pytest.fixture
def answers(session: TenantSession, workshop: Workshop, version: AdapterVersion) -> list[Prediction]:
    rows = [
        Prediction(
            client_id=workshop.client.id,
            model_id=workshop.model.id,
            version_id=version.id,
            digest=version.digest,
            messages=[{"role": "user", "content": text}],
            answer="order",
        )
        for text in TEXTS
    ]
    session.add_all(rows)
    session.flush()
    return rows


def test_a_sample_has_no_answer_twice_and_none_that_is_labelled(
    session: TenantSession, workshop: Workshop, answers: list[Prediction], principal: Principal
) -> None:
    label(session, principal=principal, model=workshop.model, prediction_id=answers[0].id, expected="refund")
    drawn = draw_sample(session, model=workshop.model, size=50)
    assert sorted(row.id for row in drawn) == sorted(row.id for row in answers[1:])
    assert len(draw_sample(session, model=workshop.model, size=2)) == 2


def test_every_answer_has_a_chance(session: TenantSession, workshop: Workshop, answers: list[Prediction]) -> None:
    drawn = {draw_sample(session, model=workshop.model, size=1)[0].id for _ in range(60)}
    assert drawn == {row.id for row in answers}


def test_a_sample_is_of_the_current_period(
    session: TenantSession, workshop: Workshop, version: AdapterVersion, answers: list[Prediction]
) -> None:
    workshop.run(session, version, [True])
    start_monitor(session, version)
    assert draw_sample(session, model=workshop.model, size=50) == []
    answers[0].at = now() + timedelta(minutes=1)
    session.flush()
    assert draw_sample(session, model=workshop.model, size=50) == [answers[0]]


def test_a_labelled_answer_joins_the_rolling_set(
    session: TenantSession, workshop: Workshop, answers: list[Prediction], principal: Principal
) -> None:
    label(session, principal=principal, model=workshop.model, prediction_id=answers[0].id, expected="refund")
    made = session.exec(select(Example).where(Example.prediction_id == answers[0].id)).one()
    assert (made.pool, made.source, made.expected, made.category) == (Pool.ROLLING, Source.SAMPLED, "refund", "refund")
    assert made.messages == answers[0].messages


def test_an_answer_is_labelled_once(
    session: TenantSession, workshop: Workshop, answers: list[Prediction], principal: Principal
) -> None:
    label(session, principal=principal, model=workshop.model, prediction_id=answers[0].id, expected="refund")
    with pytest.raises(Conflict, match="labelled already"):
        label(session, principal=principal, model=workshop.model, prediction_id=answers[0].id, expected="order")


def test_an_unknown_label_or_answer_is_refused(
    session: TenantSession, workshop: Workshop, answers: list[Prediction], principal: Principal, agency: Agency
) -> None:
    with pytest.raises(InvalidInput, match="refnd"):
        label(session, principal=principal, model=workshop.model, prediction_id=answers[0].id, expected="refnd")
    with pytest.raises(NotFound, match="no prediction"):
        label(session, principal=principal, model=workshop.model, prediction_id=new_id(), expected="order")
    viewer = Principal(agency.id, Role.VIEWER, ActorKind.USER, None, "Vera", "test")
    with pytest.raises(NotAllowed):
        label(session, principal=viewer, model=workshop.model, prediction_id=answers[0].id, expected="order")


@pytest.mark.usefixtures("answers")
def test_the_labeller_does_not_see_what_the_model_said(session: TenantSession, api: TestClient[Litestar]) -> None:
    shown = api.get("/api/v1/models/acme/support/sample").json()
    assert len(shown) == len(TEXTS)
    assert all(set(item) == {"prediction_id", "at", "messages"} for item in shown)
