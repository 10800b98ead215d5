"""people set their own passwords, by links that they get by mail

Passwords that an admin had chosen open nothing any more: their owners choose new ones by "Forgotten your password?".
"""

import sqlalchemy as sa
from alembic import op

from tuneloop.kit.migration_operations import APP_ROLE, confine_to_agency

revision = "own_passwords"
down_revision = "payment_problems"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person_password",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("person.id"), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("user_id"),
    )
    op.create_table(
        "password_link",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "invitation",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("invited_client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("invited_by", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True)),
        sa.Column("accepted_by", sa.Uuid(), sa.ForeignKey("person.id")),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_index(
        "uq_invitation_open",
        "invitation",
        ["agency_id", "email"],
        unique=True,
        postgresql_where=sa.text("accepted_at is null and withdrawn_at is null"),
    )
    confine_to_agency("invitation")
    op.execute(f"grant select, insert, update, delete on person_password, password_link to {APP_ROLE}")
    op.drop_column("membership", "password_hash")


def downgrade() -> None:
    op.add_column("membership", sa.Column("password_hash", sa.Text()))
    for table in ("invitation", "password_link", "person_password"):
        op.drop_table(table)
