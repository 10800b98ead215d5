"""Monitor state per model, its readings and the alerts they raise."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import ClientOwned


class MonitorStatus(StrEnum):
    """What a model's page shows; WARN and ALERT have an open alert behind them."""

    OK = "ok"
    WARN = "warn"
    ALERT = "alert"
    NO_DATA = "no_data"
    TOO_FEW_LABELS = "too_few_labels"


class Monitor(ClientOwned, table=True):
    """Charts of one version in production; a new deployment starts a new monitor.

    `noise` is the measured share of canary answers that change between two runs of the same version, `calibration` the
    fitted map from confidence to the probability of being right.
    """

    __table_args__ = (Index("uq_monitor_version_id", "version_id", unique=True),)

    model_id: UUID = Field(foreign_key="registered_model.id", index=True)
    version_id: UUID = Field(foreign_key="adapter_version.id")
    baseline_run_id: UUID = Field(foreign_key="eval_run.id")
    status: MonitorStatus = Field(default=MonitorStatus.NO_DATA, sa_type=text_enum(MonitorStatus))
    status_since: datetime = Field(default_factory=now)
    charts: dict[str, Any] = Field(sa_type=JSONB)
    noise: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    calibration: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    read_until: datetime
    updated_at: datetime = Field(default_factory=now)


class Reading(ClientOwned, table=True):
    """One period of one stream."""

    names_objects: ClassVar[bool] = False
    __tablename__ = "monitor_reading"
    __table_args__ = (Index("ix_monitor_reading_model_at", "model_id", "at"),)

    model_id: UUID = Field(foreign_key="registered_model.id")
    monitor_id: UUID = Field(foreign_key="monitor.id")
    at: datetime = Field(default_factory=now)
    stream: str
    n: int
    value: float | None = None
    statistic: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    alarm: bool = False
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)


class AlertKind(StrEnum):
    ACCURACY = "accuracy"
    CATEGORY = "category"
    CANARY = "canary"
    TRAFFIC = "traffic"
    REPORTS = "reports"
    END_OF_LIFE = "end_of_life"
    SERVICE = "service"


class AlertLevel(StrEnum):
    WARN = "warn"
    ALERT = "alert"


class AlertState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


class Alert(ClientOwned, table=True):
    """What fell, how sure we are and on how many examples; one open alert per model and kind.

    `evidence` is that of the opening, for good; what came later is in the alert's events. `monitor_id` is None of what
    was found about a model that nothing is measured of yet.
    """

    __table_args__ = (Index("uq_alert_open", "model_id", "kind", unique=True, postgresql_where=text("state = 'open'")),)

    model_id: UUID = Field(foreign_key="registered_model.id", index=True)
    monitor_id: UUID | None = Field(default=None, foreign_key="monitor.id")
    kind: AlertKind = Field(default=AlertKind.ACCURACY, sa_type=text_enum(AlertKind))
    level: AlertLevel = Field(default=AlertLevel.ALERT, sa_type=text_enum(AlertLevel))
    state: AlertState = Field(default=AlertState.OPEN, sa_type=text_enum(AlertState))
    summary: str
    evidence: dict[str, Any] = Field(sa_type=JSONB)
    opened_at: datetime = Field(default_factory=now)
    notified_at: datetime = Field(default_factory=now)
    snoozed_until: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution: str | None = None


class AlertChange(StrEnum):
    OPENED = "opened"
    REPEATED = "repeated"
    RAISED = "raised"
    NOTIFIED = "notified"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


class AlertEvent(ClientOwned, table=True):
    """One thing that happened to an alert, with the evidence of that moment. Rows are only ever added."""

    __tablename__ = "alert_event"

    alert_id: UUID = Field(foreign_key="alert.id", index=True)
    at: datetime = Field(default_factory=now)
    change: AlertChange = Field(sa_type=text_enum(AlertChange))
    level: AlertLevel = Field(sa_type=text_enum(AlertLevel))
    actor: str
    summary: str
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)


class ScheduledTask(StrEnum):
    READING = "reading"
    CANARY = "canary"
    RETRAIN = "retrain"


class Schedule(ClientOwned, table=True):
    """When a task of a model is due next; `custom` once somebody has changed what plan and domain suggest."""

    __table_args__ = (UniqueConstraint("model_id", "task"), Index("ix_schedule_due", "next_at"))

    model_id: UUID = Field(foreign_key="registered_model.id")
    task: ScheduledTask = Field(sa_type=text_enum(ScheduledTask))
    every_days: int
    next_at: datetime
    paused: bool = False
    custom: bool = False
