"""What messages show of an A/B test."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Session

from tuneloop.ab_tests.figures import in_words, reading_of
from tuneloop.retraining.live_test import LIVE
from tuneloop.tables import AbState, AbTest, AdapterVersion


@dataclass(frozen=True)
class AbView:
    id: UUID
    state: AbState
    production: str
    candidate: str
    share: float
    started_by: str
    created_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    reason: str | None
    arms: dict[str, Any]
    says: list[str]

    @property
    def live(self) -> bool:
        return self.state in LIVE


def ab_view(session: Session, test: AbTest) -> AbView:
    return AbView(
        id=test.id,
        state=test.state,
        production=session.get_one(AdapterVersion, test.production_version_id).number,
        candidate=session.get_one(AdapterVersion, test.candidate_version_id).number,
        share=test.share,
        started_by=test.started_by,
        created_at=test.created_at,
        ends_at=test.ends_at,
        ended_at=test.ended_at,
        ended_by=test.ended_by,
        reason=test.reason,
        arms=test.reading["arms"] if test.reading else {},
        says=in_words(reading_of(test)),
    )
