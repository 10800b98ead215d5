"""A shadow test as the cycle's page shows it."""

from typing import NamedTuple

from sqlmodel import Session

from tuneloop.retraining.live_shadow import SHADOW_LIVE
from tuneloop.shadow_tests.figures import in_words, reading_of
from tuneloop.tables import AdapterVersion, ShadowTest


class ShownShadow(NamedTuple):
    test: ShadowTest
    live: bool
    production: str
    candidate: str
    says: list[str]


def shown_shadow(session: Session, test: ShadowTest) -> ShownShadow:
    return ShownShadow(
        test=test,
        live=test.state in SHADOW_LIVE,
        production=session.get_one(AdapterVersion, test.production_version_id).number,
        candidate=session.get_one(AdapterVersion, test.candidate_version_id).number,
        says=in_words(reading_of(test)),
    )
