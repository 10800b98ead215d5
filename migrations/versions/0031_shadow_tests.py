"""shadow tests: what a candidate says to questions that production has answered"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from tuneloop.kit.migration_operations import confine_to_agency

revision = "shadow_tests"
down_revision = "previous_key_index"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shadow_test",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), sa.ForeignKey("retraining_cycle.id"), nullable=False, index=True),
        sa.Column("production_version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id"), nullable=False),
        sa.Column("candidate_version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_from", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True)),
        sa.Column("ends_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("ended_by", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("reading", JSONB()),
        sa.Column("read_at", sa.DateTime(timezone=True)),
        sa.Index(
            "uq_shadow_test_live",
            "model_id",
            unique=True,
            postgresql_where=sa.text("state in ('starting', 'running')"),
        ),
    )
    confine_to_agency("shadow_test")
    op.create_table(
        "shadow_answer",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("shadow_test_id", sa.Uuid(), sa.ForeignKey("shadow_test.id"), nullable=False, index=True),
        sa.Column("prediction_id", sa.Uuid(), sa.ForeignKey("prediction.id"), nullable=False),
        sa.Column("answer", sa.Text()),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float()),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.Column("same", sa.Boolean()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("prediction_id"),
    )
    confine_to_agency("shadow_answer")


def downgrade() -> None:
    op.drop_table("shadow_answer")
    op.drop_table("shadow_test")
