"""Monitor state per model, its readings and the alerts they raise."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import ClientOwned


class Monitor(ClientOwned, table=True):
    """Charts of one version in production; a new deployment starts a new monitor."""

    __table_args__ = (Index("uq_monitor_version_id", "version_id", unique=True),)

    model_id: UUID = Field(foreign_key="registered_model.id", index=True)
    version_id: UUID = Field(foreign_key="adapter_version.id")
    baseline_run_id: UUID = Field(foreign_key="eval_run.id")
    charts: dict[str, Any] = Field(sa_type=JSONB)
    read_until: datetime
    updated_at: datetime = Field(default_factory=now)


class Reading(ClientOwned, table=True):
    """One period of one stream."""

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


class AlertState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"


class Alert(ClientOwned, table=True):
    """What fell, how sure we are and on how many examples; one open alert per model."""

    __table_args__ = (Index("uq_alert_open", "model_id", unique=True, postgresql_where=text("state = 'open'")),)

    model_id: UUID = Field(foreign_key="registered_model.id")
    monitor_id: UUID = Field(foreign_key="monitor.id")
    state: AlertState = Field(default=AlertState.OPEN, sa_type=text_enum(AlertState))
    summary: str
    evidence: dict[str, Any] = Field(sa_type=JSONB)
    opened_at: datetime = Field(default_factory=now)
    resolved_at: datetime | None = None
