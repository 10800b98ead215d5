"""Who labels sees the labelled answers that are most like the one in question, from the same model only."""

import numpy as np
import pytest

from tests.review.traffic import Traffic
from tuneloop.kit.tenancy import TenantSession
from tuneloop.review.neighbours import neighbours
from tuneloop.review.tfidf import vectors
from tuneloop.tables import Example, Pool, ReviewItem, ReviewPurpose, Source

TEXTS = {
    "Where is my parcel?": "order",
    "Where is the parcel that I ordered?": "order",
    "I want my money back.": "refund",
}


def test_the_most_similar_come_first_and_what_is_unlike_does_not_come(session: TenantSession, traffic: Traffic) -> None:
    workshop = traffic.workshop
    for place, (text, expected) in enumerate(TEXTS.items()):
        session.add(
            Example(
                client_id=workshop.client.id,
                model_id=workshop.model.id,
                pool=Pool.TRAINING,
                messages=[{"role": "system", "content": "parcel"}, {"role": "user", "content": text}],
                expected=expected,
                category=expected,
                source=Source.IMPORT,
                content_hash=f"{place + 900:064x}",
                minhash=b"",
            )
        )
    item = ReviewItem(
        client_id=workshop.client.id,
        model_id=workshop.model.id,
        purpose=ReviewPurpose.UNCERTAIN,
        reason="unsure",
        messages=[{"role": "user", "content": "Where is my parcel now?"}],
        answers={},
    )
    session.add(item)
    session.flush()
    found = neighbours(session, item)
    assert [each.text for each in found] == list(TEXTS)[:2]
    assert {each.expected for each in found} == {"order"}
    assert 1 > found[0].similarity > found[1].similarity > 0.15


def test_vectors_have_unit_length_and_weigh_rare_words_more() -> None:
    points = vectors(["the red parcel", "the red coat", "the blue coat"])
    assert np.linalg.norm(points, axis=1) == pytest.approx(np.ones(3))
    assert points[0] @ points[1] > points[0] @ points[2]
    assert np.array_equal(points, vectors(["the red parcel", "the red coat", "the blue coat"]))
