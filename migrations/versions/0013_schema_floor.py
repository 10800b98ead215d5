"""schema floor: the oldest revision whose application can work with the schema"""

import sqlalchemy as sa
from alembic import op

revision = "schema_floor"
down_revision = "members_and_sessions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("schema_floor", sa.Column("revision", sa.Text(), primary_key=True))
    op.execute("insert into schema_floor values ('key_limits')")
    op.execute("grant select on schema_floor to tuneloop_app")


def downgrade() -> None:
    op.drop_table("schema_floor")
