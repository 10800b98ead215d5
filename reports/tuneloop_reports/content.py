"""What a report shows, as frozen data. It is stored once, named by its digest, and everything is made from it."""

from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel, ConfigDict, Field

from tuneloop.clients.months import Month
from tuneloop.tables import AbState, AlertKind, AlertLevel, AlertState, CycleState, Plan, Trigger
from tuneloop_reports.style import Style

FORMAT = 1


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReportRate(Frozen):
    """A share with its 95 % interval; `value` is None where nothing was measured."""

    value: float | None
    n: int
    low: float
    high: float


class Difference(Frozen):
    """Second minus first, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether chance alone is ruled out as its cause."""
        return self.low > 0 or self.high < 0


class Light(StrEnum):
    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    GREY = "grey"


class LightRule(StrEnum):
    """Which line of the stated rule decided; the first that applies, in this order."""

    OPEN_ALERT = "open_alert"
    FEW_LABELS = "few_labels"
    OPEN_WARNING = "open_warning"
    BELOW_BASELINE = "below_baseline"
    ROLLED_BACK = "rolled_back"
    ON_TRACK = "on_track"


class MonthPoint(Frozen):
    month: str
    accuracy: ReportRate


class EventKind(StrEnum):
    DEPLOYED = "deployed"
    ALERT = "alert"


class Event(Frozen):
    at: datetime
    kind: EventKind
    version: str | None = None


class CategoryKind(StrEnum):
    NEW = "new"
    KNOWN = "known"


class Category(Frozen):
    """`before` is the evaluation with which the version was released that gave most of the month's answers."""

    name: str
    kind: CategoryKind
    now: ReportRate
    before: ReportRate | None
    change: Difference | None


class ComparedRow(Frozen):
    key: str
    title: str
    n: int
    production: ReportRate
    candidate: ReportRate
    difference: Difference


class TurnedDown(Frozen):
    """A candidate that the gate did not let pass; the category that it would have lost most in, if it was one."""

    candidate: str
    category: str | None = None
    before: ReportRate | None = None
    after: ReportRate | None = None


class Retrain(Frozen):
    """One cycle of the month, with what the side-by-side comparison showed if it got that far.

    `turned_down` are its candidates that did not pass, oldest first.
    """

    started: datetime
    trigger: Trigger
    state: CycleState
    alert: str | None
    production: str | None
    candidate: str | None
    examples: int | None
    new_examples: int | None
    rows: tuple[ComparedRow, ...]
    fixed: int
    broken: int
    outcome: str | None
    labels_needed: int | None
    decided_by: str | None
    failure: str | None
    turned_down: tuple[TurnedDown, ...] = ()


class AbMetric(StrEnum):
    """What an A/B test compares."""

    ACCURACY = "accuracy"
    REPORTS = "reports"
    HALLUCINATION = "hallucination"


class MetricByArm(Frozen):
    measure: AbMetric
    production: ReportRate
    candidate: ReportRate


class LiveTest(Frozen):
    """An A/B test that ran in the month, as it stood at its end. `share` of the people were the candidate's.

    `difference` is in accuracy; its interval holds at every look together.
    """

    began: datetime
    production: str
    candidate: str
    share: float
    state: AbState
    people: int
    measures: tuple[MetricByArm, ...]
    difference: Difference | None


class FixedExample(Frozen):
    category: str
    question: str
    expected: str
    before: str
    after: str


class Fall(Frozen):
    """A share before and when the alert was raised; `name` is the category that it is of."""

    name: str = ""
    before: ReportRate
    after: ReportRate


class AlertEntry(Frozen):
    """`falls` is what the alert's evidence says in numbers; without any, its summary is shown as it was written.

    `service` and `ends_on`: of an alert about a service that answers in our place.
    """

    opened_at: datetime
    kind: AlertKind
    level: AlertLevel
    state: AlertState
    summary: str
    resolved_at: datetime | None
    resolution: str | None
    falls: tuple[Fall, ...] = ()
    named: tuple[str, ...] = ()
    service: str | None = None
    ends_on: date | None = None


class PlannedTask(Frozen):
    task: str
    every_days: int
    next_at: datetime


class Average(Frozen):
    """Mean of a quantity between 0 and 1, with its 95 % interval."""

    value: float | None
    n: int
    low: float
    high: float


class VersionEntry(Frozen):
    number: str
    digest: str
    base: str


class MonthlyActivity(Frozen):
    """What was done for a model in the month. `examples` by source."""

    examples: dict[str, int]
    labels: int
    labellers: int
    deployed: tuple[str, ...]
    rollbacks: int


class ModelReport(Frozen):
    slug: str
    task: str
    version: VersionEntry | None
    light: Light
    rule: LightRule
    accuracy: ReportRate
    before: ReportRate
    before_month: str | None
    change: Difference | None
    baseline: ReportRate | None
    answers: int
    answers_before: int
    months: tuple[MonthPoint, ...]
    events: tuple[Event, ...]
    categories: tuple[Category, ...]
    hallucination: ReportRate | None
    hallucination_before: ReportRate | None
    confidence: Average
    confidence_before: Average
    reported: ReportRate
    reported_before: ReportRate
    work: MonthlyActivity
    retrains: tuple[Retrain, ...]
    live_tests: tuple[LiveTest, ...] = ()
    fixed: tuple[FixedExample, ...]
    alerts: tuple[AlertEntry, ...]
    tasks: tuple[PlannedTask, ...]
    labels_due: int
    smallest_drop: float | None
    labels_per_week: int | None

    @property
    def in_service(self) -> bool:
        """Whether there is anything to say about its answers; a model that is being prepared has given none."""
        return self.version is not None or self.answers > 0


class ReportContent(Frozen):
    """One client and month. Closed early, a month's `end` is the moment at which it was, and the next one's `start`."""

    format: int = FORMAT
    agency: str
    client: str
    client_slug: str
    month: str
    start: datetime
    end: datetime
    time_zone: str
    plan: Plan
    models: tuple[ModelReport, ...]
    note: Annotated[str, Field(max_length=4000)] = ""
    style: Style

    @property
    def until(self) -> datetime | None:
        """When the month was closed before its end."""
        return None if self.end == Month.parse(self.month).span(ZoneInfo(self.time_zone)).end else self.end

    @property
    def light(self) -> Light:
        """The worst of the models."""
        order = [Light.RED, Light.AMBER, Light.GREY, Light.GREEN]
        return min((model.light for model in self.models), key=order.index, default=Light.GREY)

    def stored(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @property
    def digest(self) -> str:
        return sha256(orjson.dumps(self.stored(), option=orjson.OPT_SORT_KEYS)).hexdigest()
