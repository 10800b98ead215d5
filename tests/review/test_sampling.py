"""The random sample: each answer's stored chance is the chance that it had."""

import numpy as np
import pytest

from tests.review.traffic import Traffic
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.tenancy import TenantSession
from tuneloop.review import sampling
from tuneloop.review.queue import add_sample
from tuneloop.tables import ReviewItem


def chance(item: ReviewItem) -> float:
    assert item.inclusion_probability is not None
    return item.inclusion_probability


def test_weighing_by_the_stored_chance_counts_the_traffic(
    session: TenantSession, traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Horvitz-Thompson: the sum of 1/chance is the number of answers, on average over draws, also after two draws."""
    traffic.answers(session, 60)
    estimates = []
    for seed in range(80):
        monkeypatch.setattr(sampling, "SEED", seed)
        with session.begin_nested() as savepoint:
            drawn = add_sample(session, traffic.model, 10)
            before = [chance(item) for item in drawn]
            drawn += add_sample(session, traffic.model, 5)
            assert all(once <= chance(item) for once, item in zip(before, drawn, strict=False))
            estimates.append(sum(1 / chance(item) for item in drawn))
            savepoint.rollback()
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - 60) < 3 * error
    assert error < 3


def test_a_sample_that_takes_everything_is_certain(session: TenantSession, traffic: Traffic) -> None:
    answers = traffic.answers(session, 4)
    drawn = add_sample(session, traffic.model, 10)
    assert {item.prediction_id for item in drawn} == {answer.id for answer in answers}
    assert {item.inclusion_probability for item in drawn} == {1.0}
    assert add_sample(session, traffic.model, 10) == []


def test_uncertain_strata_get_more_than_their_share(session: TenantSession, traffic: Traffic) -> None:
    sure, unsure = traffic.answers(session, 60, confidence=0.97), traffic.answers(session, 20, confidence=0.5)
    unsure[0].confidence = None
    drawn = add_sample(session, traffic.model, 20, strata=[0.8])
    ids = {answer.id for answer in unsure}
    taken = [item for item in drawn if item.prediction_id in ids]
    assert len(drawn) == 20
    assert 7 <= len(taken) <= 12  # an even share would be 5
    assert {item.stratum for item in taken} == {"confidence 0.00 to 0.80"}
    assert len({item.inclusion_probability for item in drawn}) == 2
    weights = sum(1 / (item.inclusion_probability or 0) for item in drawn)
    assert weights == pytest.approx(len(sure) + len(unsure), rel=0.6)


def test_cuts_must_rise(session: TenantSession, traffic: Traffic) -> None:
    with pytest.raises(InvalidInput, match="rising order"):
        add_sample(session, traffic.model, 5, strata=[0.8, 0.5])


def test_an_item_says_why_it_is_there(session: TenantSession, traffic: Traffic) -> None:
    traffic.answers(session, 4)
    item: ReviewItem = add_sample(session, traffic.model, 1)[0]
    assert item.reason == "Drawn at random from 4 answers, to measure accuracy."
