"""What the endpoints of monitoring read and write."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tuneloop.kit.figures import MeasuredRate
from tuneloop.tables import (
    AlertChange,
    AlertKind,
    AlertLevel,
    AlertState,
    Domain,
    MonitorStatus,
    Plan,
    ScheduledTask,
)

MOST_DAYS = 366


class AlertRead(BaseModel):
    """`evidence` is that of the opening."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: AlertKind
    level: AlertLevel
    state: AlertState
    summary: str
    evidence: dict[str, Any]
    opened_at: datetime
    snoozed_until: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None


class AlertEventRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    at: datetime
    change: AlertChange
    level: AlertLevel
    actor: str
    summary: str
    evidence: dict[str, Any]


class Reason(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "The labels of that day were wrong."}]}
    )

    reason: str = Field(min_length=1, max_length=2000)


class Snooze(Reason):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"until": "2026-12-01T09:00:00Z", "reason": "The retrain is under way."}]},
    )

    until: AwareDatetime


class ReadingRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    at: datetime
    stream: str
    n: int
    value: float | None
    statistic: float | None
    threshold: float | None
    p_value: float | None
    alarm: bool
    detail: dict[str, Any]


class ClusterName(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "gift card, balance"}]})

    name: str = Field(min_length=1, max_length=300)


@dataclass(frozen=True)
class Asked:
    items: int


class ScheduleChange(BaseModel):
    """What is left out stays as it is; `suggested` goes back to what plan and domain suggest."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"task": "retrain", "every_days": 14}]})

    task: ScheduledTask
    every_days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    next_at: AwareDatetime | None = None
    paused: bool | None = None
    suggested: bool = False


@dataclass(frozen=True)
class LabelFree:
    """Accuracy that confidence alone suggests, true only if calibration still holds.

    `error` is what the last estimate was above (+) or below (-) what labels of the same period showed.
    """

    estimate: MeasuredRate
    at: datetime
    assumption: str
    error: float | None
    error_low: float | None
    error_high: float | None
    checked_on: int


@dataclass(frozen=True)
class MoreLabels:
    labels_per_week: int
    smallest_drop: float | None


@dataclass(frozen=True)
class Sensitivity:
    """The smallest fall that would be found within `weeks` with `probability`; None: no fall would be."""

    labels_per_week: int
    smallest_drop: float | None
    weeks: int
    probability: float
    more: list[MoreLabels]


@dataclass(frozen=True)
class OpenAlert:
    id: UUID
    kind: AlertKind
    level: AlertLevel
    summary: str
    opened_at: datetime
    snoozed_until: datetime | None


@dataclass(frozen=True)
class UpcomingTask:
    """Something that will happen automatically, unless `paused`."""

    task: ScheduledTask
    every_days: int
    next_at: datetime
    paused: bool
    custom: bool


@dataclass(frozen=True)
class StreamState:
    """The newest reading of one stream, with what it says in a sentence."""

    stream: str
    at: datetime
    n: int
    value: float | None
    statistic: float | None
    threshold: float | None
    p_value: float | None
    alarm: bool
    note: str | None


@dataclass(frozen=True)
class ModelHealth:
    """`accuracy` is measured on labelled production answers, `baseline` on the version's own evaluation.

    `new_questions` are the proposed names of groups unlike what is known so far (`clusters.new_clusters`). `ends_on` is
    the last day of the service that answers, where one does and its end is known.
    """

    model_id: UUID
    name: str
    version: str | None
    status: MonitorStatus
    since: datetime | None
    reason: str
    accuracy: MeasuredRate | None
    accuracy_since: datetime | None
    baseline: MeasuredRate | None
    label_free: LabelFree | None
    reports: MeasuredRate | None
    canary_noise: MeasuredRate | None
    sensitivity: Sensitivity | None
    labels_due: int
    new_questions: list[str]
    streams: list[StreamState]
    alerts: list[OpenAlert]
    tasks: list[UpcomingTask]
    ends_on: date | None


@dataclass(frozen=True)
class PortfolioRow:
    """One model. `answers` and `client_compute_seconds` are of the last 30 days; the latter is the whole client's.

    `ends_on`: last day of the service that answers, where one does and its end is known.
    """

    client: str
    client_name: str
    domain: Domain
    plan: Plan
    model: str
    model_id: UUID
    version: str | None
    status: MonitorStatus
    since: datetime | None
    reason: str
    accuracy: MeasuredRate | None
    baseline: MeasuredRate | None
    open_alerts: int
    approvals_waiting: int
    labels_due: int
    answers: int
    client_compute_seconds: float
    next_task: UpcomingTask | None
    ends_on: date | None


@dataclass(frozen=True)
class Point:
    """One period of a series."""

    at: datetime
    version: str
    figure: MeasuredRate
    alarm: bool = False


@dataclass(frozen=True)
class CategorySeries:
    """`baseline` is of the version's own evaluation; None for a category that it did not contain.

    `now` takes the last readings together and borrows strength from the other categories (partial pooling), so that a
    category of a few labels does not jump from 0 to 100 %.
    """

    category: str
    baseline: MeasuredRate | None
    now: MeasuredRate | None
    points: list[Point]


@dataclass(frozen=True)
class Confidences:
    """Shares of answers by confidence, in `BINS` equal bins from 0 to 1."""

    label: str
    shares: list[float]
    mean: float | None
    n: int


class MarkerKind(StrEnum):
    DEPLOYMENT = "deployment"
    ALERT = "alert"
    RESOLUTION = "resolution"


@dataclass(frozen=True)
class Marker:
    at: datetime
    kind: MarkerKind
    text: str
    alert_id: UUID | None = None
    version: str | None = None


@dataclass(frozen=True)
class History:
    """Everything oldest first."""

    baseline: MeasuredRate | None
    accuracy: list[Point]
    label_free: list[Point]
    reports: list[Point]
    categories: list[CategorySeries]
    confidence_then: Confidences | None
    confidence_now: Confidences | None
    markers: list[Marker]


@dataclass(frozen=True)
class ClusterExample:
    prediction_id: UUID
    question: str
    answer: str
    confidence: float | None


@dataclass(frozen=True)
class NewCluster:
    """`share` is that of the different questions of the last weeks; `p_value` says how sure it is that they are new."""

    name: str
    share: MeasuredRate
    mean_confidence: float | None
    p_value: float
    found_at: datetime
    examples: list[ClusterExample]
