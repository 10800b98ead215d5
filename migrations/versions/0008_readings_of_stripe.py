"""number what is read from stripe, and when an agency's daily round of billing is next"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "billing_account",
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.alter_column("billing_account", "next_due_at", server_default=None)
    op.create_index(op.f("ix_billing_account_next_due_at"), "billing_account", ["next_due_at"], unique=False)
    for table, column in (("billing_account", "reads"), ("invoice", "read"), ("subscription", "read")):
        op.add_column(table, sa.Column(column, sa.Integer(), nullable=False, server_default="0"))
        op.alter_column(table, column, server_default=None)
    op.add_column("subscription", sa.Column("problem", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("subscription", "problem")
    for table, column in (("subscription", "read"), ("invoice", "read"), ("billing_account", "reads")):
        op.drop_column(table, column)
    op.drop_index(op.f("ix_billing_account_next_due_at"), table_name="billing_account")
    op.drop_column("billing_account", "next_due_at")
