"""the word for a worker that is told of its job"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("job", "rung_at", new_column_name="notified_at")


def downgrade() -> None:
    op.alter_column("job", "notified_at", new_column_name="rung_at")
