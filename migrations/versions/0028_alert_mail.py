"""people say whether alerts come by mail"""

import sqlalchemy as sa
from alembic import op

revision = "alert_mail"
down_revision = "imported_answers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("membership", sa.Column("alert_mail", sa.Text(), nullable=False, server_default="without_slack"))


def downgrade() -> None:
    op.drop_column("membership", "alert_mail")
