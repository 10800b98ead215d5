"""what external versions have answered, kept for when their services are gone"""

import sqlalchemy as sa
from alembic import op

from tuneloop.kit.migration_operations import confine_to_agency

revision = "recording"
down_revision = "alert_mail"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recording",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False, index=True),
        sa.Column("version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id"), nullable=False),
        sa.Column("job_id", sa.Uuid()),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("most_cost", sa.BigInteger()),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("problem", sa.Text()),
        sa.Index("uq_recording_live", "version_id", unique=True, postgresql_where=sa.text("ended_at is null")),
    )
    confine_to_agency("recording")
    op.create_table(
        "recorded_answer",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id"), nullable=False),
        sa.Column("recording_id", sa.Uuid(), sa.ForeignKey("recording.id"), nullable=False, index=True),
        sa.Column("example_id", sa.Uuid(), sa.ForeignKey("example.id"), index=True),
        sa.Column("prediction_id", sa.Uuid(), sa.ForeignKey("prediction.id"), index=True),
        sa.Column("cache_key", sa.Text(), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.Column("answer", sa.Text()),
        sa.Column("confidence", sa.Float()),
        sa.Column("margin", sa.Float()),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Index("ix_recorded_answer_key", "version_id", "cache_key"),
    )
    confine_to_agency("recorded_answer")


def downgrade() -> None:
    op.drop_table("recorded_answer")
    op.drop_table("recording")
