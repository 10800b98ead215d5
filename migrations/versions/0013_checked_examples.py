"""when a scan saw an example"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Until now every training example was scanned as soon as it came.
    checked_at = sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True, server_default=sa.func.now())
    op.add_column("example", checked_at)
    op.alter_column("example", "checked_at", server_default=None)
    op.create_index(
        "ix_example_unchecked",
        "example",
        ["model_id"],
        postgresql_where=sa.text("pool = 'training' and checked_at is null and deleted_at is null"),
    )


def downgrade() -> None:
    op.drop_index("ix_example_unchecked", table_name="example")
    op.drop_column("example", "checked_at")
