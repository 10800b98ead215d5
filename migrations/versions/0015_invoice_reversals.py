"""refunds and disputes of invoices, and their tax"""

import sqlalchemy as sa
from alembic import op

from tuneloop.kit.migration_operations import confine_to_agency

revision = "invoice_reversals"
down_revision = "examples_by_answer"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("invoice", sa.Column("tax", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("invoice", sa.Column("credited_tax", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "invoice_reversal",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), sa.ForeignKey("invoice.id"), nullable=False),
        sa.Column("stripe_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("credited", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_by", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("invoice_id", "stripe_id"),
    )
    confine_to_agency("invoice_reversal")


def downgrade() -> None:
    op.drop_table("invoice_reversal")
    op.drop_column("invoice", "credited_tax")
    op.drop_column("invoice", "tax")
