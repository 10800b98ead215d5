"""Slack, approvals by several people, one-time links"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

APP_ROLE = "tuneloop_app"
TABLES = (
    "approval_vote",
    "one_time_link",
    "slack_channel",
    "slack_identity",
    "slack_installation",
    "slack_message",
    "slack_receipt",
)


def confine(table: str) -> None:
    """Row-level security, as for every tenant table since 0001."""
    condition = (
        "agency_id = case current_setting('app.agency_id') when '*' then agency_id "
        "else current_setting('app.agency_id')::uuid end"
    )
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy tenant on {table} using ({condition}) with check ({condition})")
    op.execute(f"grant select, insert, update, delete on {table} to {APP_ROLE}")


def upgrade() -> None:
    op.create_table(
        "slack_installation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("team_name", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("bot_user_id", sa.Text(), nullable=False),
        sa.Column("bot_token", sa.Text(), nullable=False),
        sa.Column("refresh_token", sa.Text(), nullable=True),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("installer", sa.Text(), nullable=False),
        sa.Column("installed_by", sa.Uuid(), nullable=True),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trust_email", sa.Boolean(), nullable=False),
        sa.Column("news_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_slack_installation_agency_id_agency")),
        sa.ForeignKeyConstraint(
            ["installed_by"], ["person.id"], name=op.f("fk_slack_installation_installed_by_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_installation")),
    )
    op.create_index(op.f("ix_slack_installation_agency_id"), "slack_installation", ["agency_id"], unique=False)
    op.create_index(
        "uq_slack_installation_team",
        "slack_installation",
        ["team_id"],
        unique=True,
        postgresql_where=sa.text("removed_at is null"),
    )
    op.create_table(
        "one_time_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_one_time_link_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_one_time_link_client_id_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_one_time_link_token_hash")),
    )
    op.create_index(op.f("ix_one_time_link_agency_id"), "one_time_link", ["agency_id"], unique=False)
    op.create_table(
        "slack_channel",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("installation_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_slack_channel_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_slack_channel_client_id_client")),
        sa.ForeignKeyConstraint(
            ["installation_id"],
            ["slack_installation.id"],
            name=op.f("fk_slack_channel_installation_id_slack_installation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_channel")),
        sa.UniqueConstraint(
            "agency_id",
            "client_id",
            name=op.f("uq_slack_channel_agency_id_client_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("ix_slack_channel_agency_id"), "slack_channel", ["agency_id"], unique=False)
    op.create_index(op.f("ix_slack_channel_installation_id"), "slack_channel", ["installation_id"], unique=False)
    op.create_table(
        "slack_identity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("installation_id", sa.Uuid(), nullable=False),
        sa.Column("slack_user_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_slack_identity_agency_id_agency")),
        sa.ForeignKeyConstraint(
            ["installation_id"],
            ["slack_installation.id"],
            name=op.f("fk_slack_identity_installation_id_slack_installation"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["person.id"], name=op.f("fk_slack_identity_user_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_identity")),
        sa.UniqueConstraint(
            "installation_id", "slack_user_id", name=op.f("uq_slack_identity_installation_id_slack_user_id")
        ),
    )
    op.create_index(op.f("ix_slack_identity_agency_id"), "slack_identity", ["agency_id"], unique=False)
    op.create_index(op.f("ix_slack_identity_user_id"), "slack_identity", ["user_id"], unique=False)
    op.create_table(
        "slack_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("installation_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("posted_in", sa.Text(), nullable=True),
        sa.Column("ts", sa.Text(), nullable=True),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("sent", sa.Text(), nullable=True),
        sa.Column("images", postgresql.JSONB(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_slack_message_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_slack_message_client_id_client")),
        sa.ForeignKeyConstraint(
            ["installation_id"],
            ["slack_installation.id"],
            name=op.f("fk_slack_message_installation_id_slack_installation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_message")),
        sa.UniqueConstraint(
            "installation_id",
            "subject_kind",
            "subject_id",
            name=op.f("uq_slack_message_installation_id_subject_kind_subject_id"),
        ),
    )
    op.create_index(op.f("ix_slack_message_agency_id"), "slack_message", ["agency_id"], unique=False)
    op.create_index(
        "ix_slack_message_due",
        "slack_message",
        ["not_before"],
        unique=False,
        postgresql_where=sa.text("wanted is distinct from sent"),
    )
    op.create_table(
        "slack_receipt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("installation_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("slack_user_id", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", postgresql.JSONB(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_slack_receipt_agency_id_agency")),
        sa.ForeignKeyConstraint(
            ["installation_id"],
            ["slack_installation.id"],
            name=op.f("fk_slack_receipt_installation_id_slack_installation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_receipt")),
        sa.UniqueConstraint("installation_id", "key", name=op.f("uq_slack_receipt_installation_id_key")),
    )
    op.create_index(op.f("ix_slack_receipt_agency_id"), "slack_receipt", ["agency_id"], unique=False)
    op.create_table(
        "approval_vote",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("voter", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_approval_vote_agency_id_agency")),
        sa.ForeignKeyConstraint(["approval_id"], ["approval.id"], name=op.f("fk_approval_vote_approval_id_approval")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_approval_vote_client_id_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_vote")),
        sa.UniqueConstraint("approval_id", "voter", name=op.f("uq_approval_vote_approval_id_voter")),
    )
    op.create_index(op.f("ix_approval_vote_agency_id"), "approval_vote", ["agency_id"], unique=False)
    op.add_column("approval", sa.Column("decided_from", sa.Text(), nullable=True))
    op.add_column("approval", sa.Column("approvals_needed", sa.Integer(), nullable=False, server_default="1"))
    op.alter_column("approval", "approvals_needed", server_default=None)
    op.add_column("approval", sa.Column("four_eyes", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("approval", "four_eyes", server_default=None)
    op.add_column("approval", sa.Column("requested_by", sa.Text(), nullable=True))
    op.add_column("approval", sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("approval", sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True))
    for table in TABLES:
        confine(table)
    op.execute(f"revoke update, delete on approval_vote from {APP_ROLE}")


def downgrade() -> None:
    for column in ("escalated_at", "reminded_at", "requested_by", "four_eyes", "approvals_needed", "decided_from"):
        op.drop_column("approval", column)
    op.execute(f"drop table {', '.join(TABLES)}")
