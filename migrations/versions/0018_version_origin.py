"""where a version came from: one that was not trained here has no training snapshot"""

import sqlalchemy as sa
from alembic import op

revision = "version_origin"
down_revision = "erasure"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The default stays: the release before adds versions without it, and trains all of them."""
    op.add_column("adapter_version", sa.Column("origin", sa.Text(), nullable=False, server_default="trained"))
    op.alter_column("adapter_version", "snapshot_id", nullable=True)


def downgrade() -> None:
    op.alter_column("adapter_version", "snapshot_id", nullable=False)
    op.drop_column("adapter_version", "origin")
