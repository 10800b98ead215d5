"""messages that don't arrive"""

import sqlalchemy as sa
from alembic import op

from tuneloop.kit.migration_operations import confine_to_agency

revision = "delivery_problems"
down_revision = "invoice_reversals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "delivery_problem",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("to_do", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
    )
    op.create_index(
        "uq_delivery_problem_open",
        "delivery_problem",
        ["agency_id", "key"],
        unique=True,
        postgresql_where=sa.text("settled_at is null"),
    )
    confine_to_agency("delivery_problem")


def downgrade() -> None:
    op.drop_table("delivery_problem")
