"""a question says whether keys that belong to nobody may answer it"""

import sqlalchemy as sa
from alembic import op

revision = "service_keys"
<<<<<<<< HEAD:migrations/versions/0007_service_keys.py
down_revision = "sign_in_trace"
========
down_revision = "job_turns"
>>>>>>>> 855afe0 (Let nobody loosen what binds them: policy is changed by who stands above it, audited, and told to admins and owners):migrations/versions/0006_service_keys.py
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("approval", sa.Column("service_keys", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("approval", "service_keys")
