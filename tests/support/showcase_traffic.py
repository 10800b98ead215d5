"""What the models of the showcase answered, and what monitoring made of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.support.showcase_models import LABELS, QUESTIONS, Models
from tuneloop.evaluation.service import rate_of
from tuneloop.kit.clock import now
from tuneloop.stats.control_charts import DriftChart
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    AdapterVersion,
    DisagreementRun,
    EvalRun,
    Monitor,
    MonitorStatus,
    Prediction,
    Reading,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
)

SENSITIVITY: dict[str, Any] = {
    "labels_per_week": 50,
    "smallest_drop": 0.1,
    "weeks": 8,
    "probability": 0.9,
    "more": [[75, 0.08], [100, 0.07], [150, 0.06], [200, 0.05]],
}


class Maker(Models):
    def monitor(self, version: AdapterVersion, run: EvalRun, status: MonitorStatus, since: datetime) -> Monitor:
        monitor = Monitor(
            client_id=version.client_id,
            model_id=version.model_id,
            version_id=version.id,
            baseline_run_id=run.id,
            status=status,
            status_since=since,
            charts={"labels": DriftChart((run.correct, run.n)).to_dict(), "sensitivity": SENSITIVITY},
            noise={"flips": 1, "n": run.n},
            read_until=now(),
        )
        self.session.add(monitor)
        self.session.flush()
        return monitor

    def readings(self, monitor: Monitor, levels: Sequence[float], *, labels: int, until: datetime) -> None:
        """One reading per week of every stream; the chart decides where the alarm is."""
        chart = DriftChart.from_dict(monitor.charts["labels"])
        for place, level in enumerate(levels):
            at = until - timedelta(weeks=len(levels) - 1 - place)
            share = labels // len(LABELS)
            hit = [
                int(
                    self.random.binomial(
                        share, max(0.05, level - (0.35 if label == "warranty" and level < 0.84 else 0))
                    )
                )
                for label in LABELS
            ]
            correct, n = sum(hit), share * len(LABELS)
            seen = chart.observe(correct, n)
            answers = int(self.random.integers(900, 1400))
            reported = int(self.random.binomial(answers, 0.004 + 0.1 * max(0.0, 0.88 - level)))
            estimate = Rate(round(answers * (level + 0.02)), answers)
            self._add(
                monitor,
                at,
                "labels",
                n,
                correct / n,
                {
                    "accuracy": rate_of(Rate(correct, n)),
                    "categories": {label: rate_of(Rate(k, share)) for label, k in zip(LABELS, hit, strict=True)},
                    "category_alarms": ["warranty"] if seen.alarm else [],
                },
                statistic=seen.statistic,
                threshold=seen.threshold,
                alarm=seen.alarm,
            )
            check = {"error": 0.031, "low": -0.02, "high": 0.08, "n": n}
            self._add(monitor, at, "label_free", answers, level + 0.02, {"estimate": rate_of(estimate), "check": check})
            if place == len(levels) - 1 and level < 0.84:
                self.cluster(monitor, at)
            self._add(
                monitor, at, "reports", answers, reported / answers, {"reported": rate_of(Rate(reported, answers))}
            )

    def cluster(self, monitor: Monitor, at: datetime) -> None:
        """A kind of question that came up lately."""
        seen = [
            Prediction(
                client_id=monitor.client_id,
                model_id=monitor.model_id,
                version_id=monitor.version_id,
                digest="5" * 64,
                at=at,
                messages=[{"role": "user", "content": text}],
                answer="returns",
                confidence=0.41,
            )
            for text in ("Do you mend jackets with the new repair voucher?", "My repair voucher code is not accepted.")
        ]
        self.session.add_all(seen)
        self.session.flush()
        group = {
            "name": "repair voucher",
            "size": 31,
            "mean_confidence": 0.44,
            "p_value": 0.0004,
            "predictions": [str(row.id) for row in seen],
        }
        self._add(monitor, at, "clusters", 640, 31 / 640, {"clusters": [group]})

    def _add(
        self, monitor: Monitor, at: datetime, stream: str, n: int, value: float, detail: dict[str, Any], **rest: Any
    ) -> None:
        self.session.add(
            Reading(
                client_id=monitor.client_id,
                model_id=monitor.model_id,
                monitor_id=monitor.id,
                at=at,
                stream=stream,
                n=n,
                value=value,
                detail=detail,
                **rest,
            )
        )

    def traffic(self, version: AdapterVersion, answers: int, *, sure: float) -> None:
        for place in range(answers):
            label = LABELS[place % len(LABELS)]
            self.session.add(
                Prediction(
                    client_id=version.client_id,
                    model_id=version.model_id,
                    version_id=version.id,
                    digest=version.digest,
                    at=now() - timedelta(minutes=7 * place + 5),
                    messages=[{"role": "user", "content": QUESTIONS[label]}],
                    answer=label,
                    confidence=float(self.random.beta(9 * sure, 1.5)),
                )
            )

    def traffic_compared(self, cycle: RetrainingCycle, production: AdapterVersion, candidate: AdapterVersion) -> None:
        """84 of 1,200 answers differ; ten of them are labelled."""
        run = DisagreementRun(
            client_id=cycle.client_id,
            cycle_id=cycle.id,
            production_digest=production.digest,
            candidate_digest=candidate.digest,
            queries=1200,
            disagreements=84,
            agreed=dict.fromkeys(LABELS, 223),
        )
        self.session.add(run)
        for place in range(84):
            label = LABELS[place % len(LABELS)]
            other = LABELS[(place + 1) % len(LABELS)]
            done = place < 10
            self.session.add(
                ReviewItem(
                    client_id=cycle.client_id,
                    model_id=cycle.model_id,
                    cycle_id=cycle.id,
                    attempt=cycle.attempt,
                    purpose=ReviewPurpose.GATE,
                    reason="production and candidate answer this differently",
                    state=ReviewState.DONE if done else ReviewState.OPEN,
                    messages=[{"role": "user", "content": QUESTIONS[label]}],
                    answers={"production": other, "candidate": label},
                    expected=(label if place % 4 else other) if done else None,
                    closed_at=now() if done else None,
                )
            )
