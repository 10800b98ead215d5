"""Monthly reports: frozen content, who approved which content, the files made of it, and links to it."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import ClientOwned, Tenant
from tuneloop.tables.links import SharedLink


class ReportStyle(Tenant, table=True):
    """How reports look and who gets them: the agency's row, and those of clients that differ from it."""

    __tablename__ = "report_style"
    __table_args__ = (UniqueConstraint("agency_id", "client_id", postgresql_nulls_not_distinct=True),)

    client_key: ClassVar[str | None] = "client_id"
    clients_share: ClassVar[bool] = True

    client_id: UUID | None = Field(default=None, foreign_key="client.id")
    values: dict[str, Any] = Field(sa_type=JSONB)
    changed_at: datetime = Field(default_factory=now)


class ReportSnapshot(ClientOwned, table=True):
    """Everything that a report shows, named by its digest. Rows are only ever added."""

    __tablename__ = "report_snapshot"
    __table_args__ = (UniqueConstraint("client_id", "digest"),)

    month: str
    digest: str
    content: dict[str, Any] = Field(sa_type=JSONB)
    created_at: datetime = Field(default_factory=now)


class ReportState(StrEnum):
    DRAFT = "draft"
    APPROVED = "approved"
    DELIVERED = "delivered"


class Report(ClientOwned, table=True):
    """A client's report of one month. `snapshot_id` moves while it is a draft; approval fixes it."""

    __table_args__ = (UniqueConstraint("client_id", "month"),)

    month: str
    state: ReportState = Field(default=ReportState.DRAFT, sa_type=text_enum(ReportState))
    snapshot_id: UUID = Field(foreign_key="report_snapshot.id")
    created_at: datetime = Field(default_factory=now)
    approved_by: str | None = None
    approved_at: datetime | None = None
    delivered_at: datetime | None = None


class ReportFile(ClientOwned, table=True):
    """The PDF of a snapshot, made by one release of the renderer."""

    __tablename__ = "report_file"
    __table_args__ = (UniqueConstraint("snapshot_id"),)

    snapshot_id: UUID = Field(foreign_key="report_snapshot.id")
    sha256: str
    size: int
    pages: int
    seconds: float
    created_at: datetime = Field(default_factory=now)


class ReportLink(SharedLink, table=True):
    __tablename__ = "report_link"

    report_id: UUID = Field(foreign_key="report.id", index=True)
    opened: int = 0
    last_opened_at: datetime | None = None
