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
    op.create_unique_constraint(op.f("uq_api_key_previous_hash"), "api_key", ["previous_hash"])


def downgrade() -> None:
    op.drop_constraint(op.f("uq_api_key_previous_hash"), "api_key", type_="unique")
    for column in ("previous_until", "previous_hash", "upload_only"):
        op.drop_column("api_key", column)
