"""keys that only import data, and new secrets beside old ones for a while"""

import sqlalchemy as sa
from alembic import op

revision = "key_uses"
down_revision = "oidc_provider"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_key", sa.Column("upload_only", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("api_key", sa.Column("previous_hash", sa.Text()))
    op.add_column("api_key", sa.Column("previous_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for column in ("previous_until", "previous_hash", "upload_only"):
        op.drop_column("api_key", column)
