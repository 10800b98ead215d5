"""a question says whether keys that belong to nobody may answer it"""

import sqlalchemy as sa
from alembic import op

revision = "service_keys"
down_revision = "sign_in_trace"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("approval", sa.Column("service_keys", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("approval", "service_keys")
