"""A report's content made up in full: what every part looks like."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tuneloop.stats.intervals import Rate, newcombe_difference
from tuneloop.stats.paired import PairedCounts, compare_counts
from tuneloop.tables import AbState, AlertKind, AlertLevel, AlertState, CycleState, Plan, Trigger
from tuneloop_reports.content import (
    AbMetric,
    AlertEntry,
    Average,
    Category,
    CategoryKind,
    ComparedRow,
    Difference,
    Event,
    EventKind,
    FixedExample,
    LiveTest,
    MetricByArm,
    ModelReport,
    MonthlyActivity,
    MonthPoint,
    PlannedTask,
    ReportContent,
    ReportRate,
    Retrain,
    VersionEntry,
)
from tuneloop_reports.gather.traffic_light import COLOURS, rule_of
from tuneloop_reports.style import Style

END = datetime(2026, 2, 1, tzinfo=UTC)


def figure(correct: int, n: int) -> ReportRate:
    rate = Rate(correct, n)
    low, high = rate.interval
    return ReportRate(value=rate.value if n else None, n=n, low=low, high=high)


def between(before: tuple[int, int], now: tuple[int, int]) -> Difference:
    old, new = Rate(*before), Rate(*now)
    low, high = newcombe_difference(old, new)
    return Difference(value=new.value - old.value, low=low, high=high)


def category(name: str, now: tuple[int, int], before: tuple[int, int] | None) -> Category:
    return Category(
        name=name,
        kind=CategoryKind.KNOWN if before else CategoryKind.NEW,
        now=figure(*now),
        before=figure(*before) if before else None,
        change=between(before, now) if before else None,
    )


def row(key: str, title: str, both: int, fixed: int, broken: int, neither: int) -> ComparedRow:
    counts = PairedCounts(both, fixed, broken, neither)
    compared = compare_counts(counts)
    return ComparedRow(
        key=key,
        title=title,
        n=counts.n,
        production=figure(counts.production.correct, counts.n),
        candidate=figure(counts.candidate.correct, counts.n),
        difference=Difference(value=compared.difference, low=compared.interval.low, high=compared.interval.high),
    )


RETRAIN = Retrain(
    started=END - timedelta(days=12),
    trigger=Trigger.ALERT,
    state=CycleState.DEPLOYED,
    alert="Accuracy on sampled traffic fell.",
    production="1.2",
    candidate="1.3",
    examples=684,
    new_examples=96,
    rows=(
        row("overall", "Overall accuracy", 340, 42, 11, 27),
        row("target", "New and fallen categories", 18, 31, 2, 9),
        row("strong", "Previously strong categories", 270, 8, 6, 12),
        row("hallucination", "Hallucination rate", 4, 3, 9, 404),
    ),
    fixed=42,
    broken=11,
    outcome="promote",
    labels_needed=None,
    decided_by="Olga",
    failure=None,
)

LIVE_TEST = LiveTest(
    began=END - timedelta(days=11),
    production="1.2",
    candidate="1.3",
    share=0.2,
    state=AbState.PROMOTED,
    people=1840,
    measures=(
        MetricByArm(measure=AbMetric.ACCURACY, production=figure(33, 40), candidate=figure(38, 40)),
        MetricByArm(measure=AbMetric.REPORTS, production=figure(21, 1472), candidate=figure(3, 368)),
        MetricByArm(measure=AbMetric.HALLUCINATION, production=figure(1, 40), candidate=figure(0, 40)),
    ),
    difference=Difference(value=0.125, low=-0.14, high=0.33),
)


def model(**changed: Any) -> ModelReport:
    accuracy, before, baseline = figure(221, 240), figure(192, 230), figure(366, 400)
    alerts = (
        AlertEntry(
            opened_at=END - timedelta(days=20),
            kind=AlertKind.ACCURACY,
            level=AlertLevel.ALERT,
            state=AlertState.RESOLVED,
            summary="Accuracy on sampled traffic fell from 91 % (88-94 %, n=400) to 79 % (70-86 %, n=82). "
            "Most of it: repair, rental.",
            resolved_at=END - timedelta(days=9),
            resolution="version 1.3 was deployed and its chart is quiet",
        ),
    )
    rule = rule_of(accuracy=accuracy, baseline=baseline, alerts=alerts, rollbacks=0)
    right = [(178, 200), (171, 190), (196, 215), (190, 210), (198, 222), (201, 228), (192, 230), (221, 240)]
    months = ["2025-06", "2025-07", "2025-08", "2025-09", "2025-10", "2025-11", "2025-12", "2026-01"]
    values: dict[str, Any] = {
        "slug": "support",
        "task": "classify",
        "version": VersionEntry(number="1.3", digest="7f3a" * 16, base="gemma-3-270m"),
        "light": COLOURS[rule],
        "rule": rule,
        "accuracy": accuracy,
        "before": before,
        "before_month": "2025-12",
        "change": between((192, 230), (221, 240)),
        "baseline": baseline,
        "answers": 18240,
        "answers_before": 17105,
        "months": tuple(
            MonthPoint(month=name, accuracy=figure(*counts)) for name, counts in zip(months, right, strict=True)
        ),
        "events": (
            Event(at=END - timedelta(days=118), kind=EventKind.DEPLOYED, version="1.2"),
            Event(at=END - timedelta(days=20), kind=EventKind.ALERT),
            Event(at=END - timedelta(days=9), kind=EventKind.DEPLOYED, version="1.3"),
        ),
        "categories": (
            category("order status", (58, 60), (66, 70)),
            category("refund", (44, 47), (52, 56)),
            category("delivery address", (31, 34), (44, 48)),
            category("repair", (29, 33), (19, 40)),
            category("payment", (24, 26), (41, 44)),
            category("account", (17, 22), (38, 42)),
            category("rental", (10, 12), None),
            category("gift card", (8, 12), (28, 30)),
            category("feedback", (3, 4), (20, 22)),
        ),
        "hallucination": figure(7, 420),
        "hallucination_before": figure(13, 420),
        "confidence": Average(value=0.914, n=18240, low=0.911, high=0.917),
        "confidence_before": Average(value=0.883, n=17105, low=0.880, high=0.886),
        "reported": figure(182, 18240),
        "reported_before": figure(257, 17105),
        "work": MonthlyActivity(
            examples={"correction": 38, "reviewed": 34, "sampled": 24},
            labels=304,
            labellers=2,
            deployed=("1.3",),
            rollbacks=0,
        ),
        "retrains": (RETRAIN,),
        "live_tests": (LIVE_TEST,),
        "fixed": (
            FixedExample(
                category="repair",
                question="The zip of my jacket came off after two weeks. Can you mend it, or do I get a new one? "
                "My order is [reference], write to [e-mail].",
                expected="repair",
                before="refund",
                after="repair",
            ),
            FixedExample(
                category="rental",
                question="Do you lend tents for a weekend?",
                expected="rental",
                before="order status",
                after="rental",
            ),
        ),
        "alerts": alerts,
        "tasks": (
            PlannedTask(task="reading", every_days=7, next_at=END + timedelta(days=3)),
            PlannedTask(task="retrain", every_days=30, next_at=END + timedelta(days=18)),
        ),
        "labels_due": 14,
        "smallest_drop": 0.07,
        "labels_per_week": 60,
    }
    return ModelReport(**(values | changed))


def content(*models: ModelReport, **changed: Any) -> ReportContent:
    values: dict[str, Any] = {
        "agency": "North Agency",
        "client": "Acme Outfitters",
        "client_slug": "acme",
        "month": "2026-01",
        "start": datetime(2026, 1, 1, tzinfo=UTC),
        "end": END,
        "time_zone": "UTC",
        "plan": Plan.STANDARD,
        "models": models or (model(),),
        "style": Style(footer="North Agency GmbH, Harbour Street 7, Hamburg", website="north.example"),
    }
    return ReportContent(**(values | changed))
