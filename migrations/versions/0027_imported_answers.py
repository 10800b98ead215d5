"""answers given elsewhere are in the production log"""

import sqlalchemy as sa
from alembic import op

revision = "imported_answers"
down_revision = "external_endpoint"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("prediction", sa.Column("imported_from", sa.Text()))


def downgrade() -> None:
    op.drop_column("prediction", "imported_from")
