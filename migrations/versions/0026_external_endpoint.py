"""versions that others host: where they answer, by which key, at what price and until when"""

import sqlalchemy as sa
from alembic import op

from tuneloop.kit.migration_operations import confine_to_agency

revision = "external_endpoint"
down_revision = "webhook_hash"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "external_endpoint",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False, index=True),
        sa.Column("version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id"), nullable=False, unique=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("sealed_key", sa.Text()),
        sa.Column("gives_confidence", sa.Boolean(), nullable=False),
        sa.Column("input_price", sa.Integer()),
        sa.Column("output_price", sa.Integer()),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("ends_on", sa.Date()),
        sa.Column("end_is_typed", sa.Boolean(), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.Column("problem_at", sa.DateTime(timezone=True)),
        sa.Column("confirmed_at", sa.DateTime(timezone=True)),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    confine_to_agency("external_endpoint")
    # An external version may give no confidence; the release before gives one always.
    op.alter_column("eval_answer", "confidence", nullable=True)
    # What is found without a reading, such as the end of a service, needs no monitor.
    op.alter_column("alert", "monitor_id", nullable=True)


def downgrade() -> None:
    op.alter_column("alert", "monitor_id", nullable=False)
    op.alter_column("eval_answer", "confidence", nullable=False)
    op.drop_table("external_endpoint")
