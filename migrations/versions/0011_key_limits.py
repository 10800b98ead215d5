"""what a key is for, until when it works, and when it was last used"""

import sqlalchemy as sa
from alembic import op

revision = "key_limits"
down_revision = "job_patience"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_key", sa.Column("inference_only", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("api_key", sa.Column("expires_at", sa.DateTime(timezone=True)))
    op.add_column("api_key", sa.Column("last_used_at", sa.DateTime(timezone=True)))
    op.add_column("api_key", sa.Column("last_used_from", sa.Text()))


def downgrade() -> None:
    for column in ("last_used_from", "last_used_at", "expires_at", "inference_only"):
        op.drop_column("api_key", column)
