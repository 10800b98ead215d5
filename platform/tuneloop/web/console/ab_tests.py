"""An A/B test as the cycle's page shows it."""

from typing import Any, NamedTuple

from sqlmodel import Session

from tuneloop.ab_tests.figures import TITLES, in_words, reading_of
from tuneloop.retraining.live_test import LIVE
from tuneloop.tables import AbTest, AdapterVersion


class ComparedRate(NamedTuple):
    title: str
    production: dict[str, Any]
    candidate: dict[str, Any]


class ShownTest(NamedTuple):
    test: AbTest
    live: bool
    production: str
    candidate: str
    people: tuple[int, int]
    measures: list[ComparedRate]
    says: list[str]


def shown_test(session: Session, test: AbTest) -> ShownTest:
    arms = test.reading["arms"] if test.reading else None
    return ShownTest(
        test=test,
        live=test.state in LIVE,
        production=session.get_one(AdapterVersion, test.production_version_id).number,
        candidate=session.get_one(AdapterVersion, test.candidate_version_id).number,
        people=(arms["production"]["people"], arms["candidate"]["people"]) if arms else (0, 0),
        measures=[ComparedRate(title, arms["production"][key], arms["candidate"][key]) for key, title in TITLES.items()]
        if arms
        else [],
        says=in_words(reading_of(test)),
    )
