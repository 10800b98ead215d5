"""exceptions about clients' money"""

import sqlalchemy as sa
from alembic import op

from tuneloop.kit.migration_operations import confine_to_agency

revision = "payment_problems"
down_revision = "mail_without_tokens"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_problem",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("to_do", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("settled_by", sa.Text()),
    )
    op.create_index(
        "uq_payment_problem_open",
        "payment_problem",
        ["client_id", "key"],
        unique=True,
        postgresql_where=sa.text("settled_at is null"),
    )
    confine_to_agency("payment_problem")


def downgrade() -> None:
    op.drop_table("payment_problem")
