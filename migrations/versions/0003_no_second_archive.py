"""versions keep their files once, without a second archive of them all"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("adapter_version", "bundle_sha256")


def downgrade() -> None:
    op.add_column("adapter_version", sa.Column("bundle_sha256", sa.Text(), nullable=False, server_default=""))
    op.alter_column("adapter_version", "bundle_sha256", server_default=None)
