"""Traffic of one model, and what people said about it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.support.cycles import Workshop
from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.service import read_monitor
from tuneloop.tables import AdapterVersion, Example, Feedback, FeedbackKind, Pool, Prediction, Reading, Source


class Traffic:
    """Answers of production and what people said about them."""

    def __init__(self, session: TenantSession, workshop: Workshop, version: AdapterVersion) -> None:
        self.session = session
        self.workshop = workshop
        self.version = version
        self.made = 0

    def answers(
        self, count: int, *, confidence: float = 0.9, at: datetime | None = None, category: str = "order"
    ) -> list[Prediction]:
        rows = [
            Prediction(
                client_id=self.workshop.client.id,
                model_id=self.workshop.model.id,
                version_id=self.version.id,
                digest=self.version.digest,
                at=at or now() - timedelta(days=1),
                messages=[{"role": "user", "content": f"traffic {place}"}],
                answer=category,
                confidence=confidence,
            )
            for place in range(count)
        ]
        self.session.add_all(rows)
        self.session.flush()
        return rows

    def label(
        self,
        rows: Sequence[Prediction],
        expected: str,
        source: Source = Source.SAMPLED,
        *,
        at: datetime | None = None,
    ) -> None:
        for row in rows:
            self.made += 1
            self.session.add(
                Example(
                    client_id=row.client_id,
                    model_id=row.model_id,
                    pool=Pool.ROLLING if source is Source.SAMPLED else Pool.TRAINING,
                    messages=[{"role": "user", "content": "x"}],
                    expected=expected,
                    category=expected,
                    source=source,
                    content_hash=f"{1_000_000 + self.made:064x}",
                    minhash=b"",
                    prediction_id=row.id,
                    added_at=at or now(),
                )
            )
        self.session.flush()

    def week(self, right: int, wrong: int) -> None:
        """Answers of now, all of them labelled; the wrong ones should have been `rental`."""
        rows = self.answers(right + wrong, at=now())
        self.label(rows[:right], "order")
        self.label(rows[right:], "rental")

    def bad_week(self) -> None:
        self.week(30, 30)

    def report(self, rows: Sequence[Prediction], kind: FeedbackKind) -> None:
        for row in rows:
            self.session.add(Feedback(client_id=row.client_id, model_id=row.model_id, prediction_id=row.id, kind=kind))
        self.session.flush()


def exact(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[bool]:
    return [example.expected == prediction.answer for example, prediction in zip(examples, predictions, strict=True)]


def read(session: TenantSession, workshop: Workshop) -> dict[str, Reading]:
    return {reading.stream: reading for reading in read_monitor(session, model=workshop.model, judge=exact)}
