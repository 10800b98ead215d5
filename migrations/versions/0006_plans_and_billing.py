"""plans and billing"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

APP_ROLE = "tuneloop_app"
TABLES = (
    "billing_account",
    "invoice",
    "maintenance_plan",
    "month_close",
    "reconcile_finding",
    "service_use",
    "stripe_event",
    "stripe_link",
    "subscription",
    "usage_record",
    "work_entry",
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
        "billing_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("sealed_key", sa.Text(), nullable=True),
        sa.Column("stripe_account", sa.Text(), nullable=True),
        sa.Column("webhook_token", sa.Text(), nullable=True),
        sa.Column("sealed_webhook_secret", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("automatic_tax", sa.Boolean(), nullable=False),
        sa.Column("gpu_hour_cost", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_billing_account_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_account")),
        sa.UniqueConstraint("agency_id", name=op.f("uq_billing_account_agency_id")),
        sa.UniqueConstraint("stripe_account", name=op.f("uq_billing_account_stripe_account")),
        sa.UniqueConstraint("webhook_token", name=op.f("uq_billing_account_webhook_token")),
    )
    op.create_index(op.f("ix_billing_account_agency_id"), "billing_account", ["agency_id"], unique=False)
    op.create_table(
        "maintenance_plan",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("entitlements", postgresql.JSONB(), nullable=False),
        sa.Column("extras", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_maintenance_plan_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_plan")),
        sa.UniqueConstraint("agency_id", "slug", name=op.f("uq_maintenance_plan_agency_id_slug")),
    )
    op.create_index(op.f("ix_maintenance_plan_agency_id"), "maintenance_plan", ["agency_id"], unique=False)
    op.create_table(
        "reconcile_finding",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("here", postgresql.JSONB(), nullable=False),
        sa.Column("there", postgresql.JSONB(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_reconcile_finding_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconcile_finding")),
    )
    op.create_index(op.f("ix_reconcile_finding_agency_id"), "reconcile_finding", ["agency_id"], unique=False)
    op.create_index(
        "uq_reconcile_finding_open",
        "reconcile_finding",
        ["agency_id", "key"],
        unique=True,
        postgresql_where=sa.text("settled_at is null"),
    )
    op.create_table(
        "stripe_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("stripe_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_stripe_event_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_event")),
        sa.UniqueConstraint("agency_id", "stripe_id", name=op.f("uq_stripe_event_agency_id_stripe_id")),
    )
    op.create_index(op.f("ix_stripe_event_agency_id"), "stripe_event", ["agency_id"], unique=False)
    op.create_table(
        "stripe_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("stripe_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_stripe_link_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_link")),
        sa.UniqueConstraint("agency_id", "kind", "key", name=op.f("uq_stripe_link_agency_id_kind_key")),
    )
    op.create_index(op.f("ix_stripe_link_agency_id"), "stripe_link", ["agency_id"], unique=False)
    op.create_table(
        "invoice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("stripe_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("amount_paid", sa.BigInteger(), nullable=False),
        sa.Column("amount_remaining", sa.BigInteger(), nullable=False),
        sa.Column("credited", sa.BigInteger(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("hosted_url", sa.Text(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_invoice_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_invoice_client_id_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice")),
        sa.UniqueConstraint("agency_id", "stripe_id", name=op.f("uq_invoice_agency_id_stripe_id")),
    )
    op.create_index(op.f("ix_invoice_agency_id"), "invoice", ["agency_id"], unique=False)
    op.create_table(
        "month_close",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("metered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("report_id", sa.Uuid(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invoice_stripe_id", sa.Text(), nullable=True),
        sa.Column("invoiced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_month_close_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_month_close_client_id_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_month_close")),
        sa.UniqueConstraint("client_id", "month", name=op.f("uq_month_close_client_id_month")),
    )
    op.create_index(op.f("ix_month_close_agency_id"), "month_close", ["agency_id"], unique=False)
    op.create_table(
        "service_use",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("extra", sa.Boolean(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("month", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_service_use_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_service_use_client_id_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_use")),
    )
    op.create_index(op.f("ix_service_use_agency_id"), "service_use", ["agency_id"], unique=False)
    op.create_index(
        "uq_service_use_subject",
        "service_use",
        ["client_id", "feature", "subject"],
        unique=True,
        postgresql_where=sa.text("subject is not null and state <> 'void'"),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("next_plan_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trial_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_at_period_end", sa.Boolean(), nullable=False),
        sa.Column("coupon", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("sent_revision", sa.Integer(), nullable=False),
        sa.Column("stripe_customer", sa.Text(), nullable=True),
        sa.Column("stripe_subscription", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_subscription_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_subscription_client_id_client")),
        sa.ForeignKeyConstraint(
            ["next_plan_id"], ["maintenance_plan.id"], name=op.f("fk_subscription_next_plan_id_maintenance_plan")
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["maintenance_plan.id"], name=op.f("fk_subscription_plan_id_maintenance_plan")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        sa.UniqueConstraint("client_id", name=op.f("uq_subscription_client_id")),
    )
    op.create_index(op.f("ix_subscription_agency_id"), "subscription", ["agency_id"], unique=False)
    op.create_index(op.f("ix_subscription_plan_id"), "subscription", ["plan_id"], unique=False)
    op.create_table(
        "usage_record",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_usage_record_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_usage_record_client_id_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_record")),
        sa.UniqueConstraint("client_id", "month", "unit", name=op.f("uq_usage_record_client_id_month_unit")),
    )
    op.create_index(op.f("ix_usage_record_agency_id"), "usage_record", ["agency_id"], unique=False)
    op.create_table(
        "work_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("activity", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_beat", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_work_entry_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_work_entry_client_id_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_entry")),
    )
    op.create_index(op.f("ix_work_entry_agency_id"), "work_entry", ["agency_id"], unique=False)
    op.create_index("ix_work_entry_client_at", "work_entry", ["client_id", "at"], unique=False)
    for table in TABLES:
        confine(table)


def downgrade() -> None:
    op.execute(f"drop table {', '.join(TABLES)}")
