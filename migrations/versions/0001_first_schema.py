"""first schema"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

revision = "first"
down_revision = None
branch_labels = None
depends_on = None

APP_ROLE = "tuneloop_app"
APPEND_ONLY = (
    "adapter_version",
    "alert_event",
    "approval_vote",
    "audit_event",
    "comparison",
    "disagreement_run",
    "eval_answer",
    "eval_run",
    "gate_look",
    "monitor_reading",
    "report_snapshot",
    "snapshot",
    "snapshot_item",
)


def confine(table: str, key: str) -> None:
    """Row-level security: the transaction's `app.agency_id` must name the row's agency, or be '*'; unset raises."""
    condition = (
        f"{key} = case current_setting('app.agency_id') when '*' then {key} "
        "else current_setting('app.agency_id')::uuid end"
    )
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy tenant on {table} using ({condition}) with check ({condition})")


def tenant_table(name: str, *columns: SchemaItem) -> None:
    """A table whose rows belong to an agency and are confined to it."""
    op.create_table(
        name,
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        *columns,
    )
    confine(name, "agency_id")


def grant() -> None:
    """The application's role owns nothing, and can only add to what must never change."""
    op.execute(
        f"do $$ begin if not exists (select from pg_roles where rolname = '{APP_ROLE}') "
        f"then create role {APP_ROLE} login; end if; end $$"
    )
    op.execute(f"grant usage on schema public to {APP_ROLE}")
    op.execute(f"grant select, insert, update, delete on all tables in schema public to {APP_ROLE}")
    for table in APPEND_ONLY:
        op.execute(f"revoke update, delete on {table} from {APP_ROLE}")


def upgrade() -> None:
    """Constraints and single-column indexes get their names from the tables' naming convention."""
    op.create_table(
        "agency",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("slug"),
    )
    confine("agency", "id")
    op.create_table(
        "base_model",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("architecture", sa.Text(), nullable=False),
        sa.Column("quantisation", sa.Text(), nullable=False),
        sa.Column("gguf_sha256", sa.Text(), nullable=False),
        sa.Column("weights_sha256", sa.Text(), nullable=False),
        sa.Column("context_length", sa.Integer(), nullable=False),
        sa.Column("upstream_url", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("email"),
    )
    tenant_table(
        "audit_event",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid()),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
    )
    op.create_index("ix_audit_event_subject", "audit_event", ["subject_kind", "subject_id"])
    op.create_table(
        "base_tokenizer",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("base_id", sa.Uuid(), sa.ForeignKey("base_model.id", ondelete="cascade"), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("base_id"),
    )
    tenant_table(
        "billing_account",
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("sealed_key", sa.Text()),
        sa.Column("stripe_account", sa.Text()),
        sa.Column("webhook_token", sa.Text()),
        sa.Column("sealed_webhook_secret", sa.Text()),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("automatic_tax", sa.Boolean(), nullable=False),
        sa.Column("gpu_hour_cost", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("reads", sa.Integer(), nullable=False),
        sa.UniqueConstraint("agency_id"),
        sa.UniqueConstraint("stripe_account"),
        sa.UniqueConstraint("webhook_token"),
    )
    tenant_table(
        "client",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("contacts", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("agency_id", "slug"),
    )
    tenant_table(
        "maintenance_plan",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("entitlements", postgresql.JSONB(), nullable=False),
        sa.Column("extras", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("agency_id", "slug"),
    )
    tenant_table(
        "reconcile_finding",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("here", postgresql.JSONB(), nullable=False),
        sa.Column("there", postgresql.JSONB(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
    )
    op.create_index(
        "uq_reconcile_finding_open",
        "reconcile_finding",
        ["agency_id", "key"],
        unique=True,
        postgresql_where=sa.text("settled_at is null"),
    )
    tenant_table(
        "slack_installation",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("team_name", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("bot_user_id", sa.Text(), nullable=False),
        sa.Column("bot_token", sa.Text(), nullable=False),
        sa.Column("refresh_token", sa.Text()),
        sa.Column("token_expires_at", sa.DateTime(timezone=True)),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("installer", sa.Text(), nullable=False),
        sa.Column("installed_by", sa.Uuid(), sa.ForeignKey("person.id")),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.Column("trust_email", sa.Boolean(), nullable=False),
        sa.Column("news_until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index(
        "uq_slack_installation_team",
        "slack_installation",
        ["team_id"],
        unique=True,
        postgresql_where=sa.text("removed_at is null"),
    )
    tenant_table(
        "stripe_event",
        sa.Column("stripe_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.Text()),
        sa.UniqueConstraint("agency_id", "stripe_id"),
    )
    tenant_table(
        "stripe_link",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("stripe_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("agency_id", "kind", "key"),
    )
    op.create_table(
        "web_session",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("session_agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False),
        sa.Column("csrf_token", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("token_hash"),
    )
    tenant_table(
        "api_key",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope_client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("created_by", sa.Uuid(), sa.ForeignKey("person.id")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("key_hash"),
    )
    tenant_table(
        "invoice",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("stripe_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Text()),
        sa.Column("number", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("amount_paid", sa.BigInteger(), nullable=False),
        sa.Column("amount_remaining", sa.BigInteger(), nullable=False),
        sa.Column("credited", sa.BigInteger(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("hosted_url", sa.Text()),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True)),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.UniqueConstraint("agency_id", "stripe_id"),
    )
    tenant_table(
        "job",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("args", postgresql.JSONB(), nullable=False),
        sa.Column("dedupe_key", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("fencing_token", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text()),
        sa.Column("run_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("notified_at", sa.DateTime(timezone=True)),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("progress", postgresql.JSONB(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_job_due", "job", ["run_after"], postgresql_where=sa.text("state = 'queued'"))
    op.create_index("ix_job_leased", "job", ["lease_until"], postgresql_where=sa.text("state = 'running'"))
    op.create_index(
        "uq_job_dedupe_key",
        "job",
        ["dedupe_key"],
        unique=True,
        postgresql_where=sa.text("dedupe_key is not null and state in ('queued', 'running')"),
    )
    tenant_table(
        "mail_sender",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Text()),
        sa.Column("dkim_domain", sa.Text()),
        sa.Column("dkim_selector", sa.Text()),
        sa.Column("dkim_key", sa.Text()),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proven_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("agency_id", "client_id", postgresql_nulls_not_distinct=True),
    )
    tenant_table(
        "mail",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("recipient_email", sa.Text(), nullable=False),
        sa.Column("recipient_name", sa.Text(), nullable=False),
        sa.Column("sender_email", sa.Text(), nullable=False),
        sa.Column("sender_name", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Text()),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("attachments", postgresql.JSONB(), nullable=False),
        sa.Column("unsubscribe_token", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failure", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("agency_id", "dedupe_key"),
        sa.UniqueConstraint("unsubscribe_token"),
    )
    op.create_index("ix_mail_subject", "mail", ["subject_kind", "subject_id"])
    tenant_table(
        "mail_block",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("agency_id", "email", "client_id", postgresql_nulls_not_distinct=True),
    )
    tenant_table(
        "membership",
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("member_client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("agency_id", "user_id"),
    )
    tenant_table(
        "month_close",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("metered_at", sa.DateTime(timezone=True)),
        sa.Column("report_id", sa.Uuid()),
        sa.Column("reported_at", sa.DateTime(timezone=True)),
        sa.Column("invoice_stripe_id", sa.Text()),
        sa.Column("invoiced_at", sa.DateTime(timezone=True)),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("problem", sa.Text()),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("client_id", "month"),
    )
    tenant_table(
        "one_time_link",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("token_hash"),
    )
    tenant_table(
        "registered_model",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("base_id", sa.Uuid(), sa.ForeignKey("base_model.id"), nullable=False),
        sa.Column("contract", postgresql.JSONB(), nullable=False),
        sa.Column("policy", postgresql.JSONB(), nullable=False),
        sa.Column("quantisation", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("client_id", "slug"),
    )
    tenant_table(
        "report_snapshot",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("client_id", "digest"),
    )
    tenant_table(
        "report_style",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("values", postgresql.JSONB(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("agency_id", "client_id", postgresql_nulls_not_distinct=True),
    )
    tenant_table(
        "service_use",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("extra", sa.Boolean(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("month", sa.Text()),
    )
    op.create_index(
        "uq_service_use_subject",
        "service_use",
        ["client_id", "feature", "subject"],
        unique=True,
        postgresql_where=sa.text("subject is not null and state <> 'void'"),
    )
    tenant_table(
        "slack_channel",
        sa.Column("installation_id", sa.Uuid(), sa.ForeignKey("slack_installation.id"), nullable=False, index=True),
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.UniqueConstraint("agency_id", "client_id", postgresql_nulls_not_distinct=True),
    )
    tenant_table(
        "slack_identity",
        sa.Column("installation_id", sa.Uuid(), sa.ForeignKey("slack_installation.id"), nullable=False),
        sa.Column("slack_user_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("installation_id", "slack_user_id"),
    )
    tenant_table(
        "slack_message",
        sa.Column("installation_id", sa.Uuid(), sa.ForeignKey("slack_installation.id"), nullable=False),
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("posted_in", sa.Text()),
        sa.Column("ts", sa.Text()),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("sent", sa.Text()),
        sa.Column("images", postgresql.JSONB(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True)),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answers", postgresql.JSONB(), nullable=False),
        sa.UniqueConstraint("installation_id", "subject_kind", "subject_id"),
    )
    op.create_index(
        "ix_slack_message_due",
        "slack_message",
        ["not_before"],
        postgresql_where=sa.text("wanted is distinct from sent"),
    )
    tenant_table(
        "slack_receipt",
        sa.Column("installation_id", sa.Uuid(), sa.ForeignKey("slack_installation.id"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("slack_user_id", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True)),
        sa.Column("answer", postgresql.JSONB()),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("installation_id", "key"),
    )
    tenant_table(
        "subscription",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("plan_id", sa.Uuid(), sa.ForeignKey("maintenance_plan.id"), nullable=False, index=True),
        sa.Column("next_plan_id", sa.Uuid(), sa.ForeignKey("maintenance_plan.id")),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trial_ends_at", sa.DateTime(timezone=True)),
        sa.Column("period_start", sa.DateTime(timezone=True)),
        sa.Column("period_end", sa.DateTime(timezone=True)),
        sa.Column("cancel_at_period_end", sa.Boolean(), nullable=False),
        sa.Column("coupon", sa.Text()),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("sent_revision", sa.Integer(), nullable=False),
        sa.Column("stripe_customer", sa.Text()),
        sa.Column("stripe_subscription", sa.Text()),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.UniqueConstraint("client_id"),
    )
    tenant_table(
        "usage_record",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("client_id", "month", "unit"),
    )
    tenant_table(
        "work_entry",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("activity", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_beat", sa.DateTime(timezone=True)),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_work_entry_client_at", "work_entry", ["client_id", "at"])
    tenant_table(
        "document",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("model_id", "sha256"),
    )
    tenant_table(
        "mail_attempt",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("mail_id", sa.Uuid(), sa.ForeignKey("mail.id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handed_over_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.Text()),
        sa.Column("code", sa.Integer()),
        sa.Column("reply", sa.Text()),
        sa.Column("server", sa.Text()),
        sa.Column("encrypted", sa.Boolean()),
        sa.UniqueConstraint("mail_id", "number"),
    )
    tenant_table(
        "report",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("snapshot_id", sa.Uuid(), sa.ForeignKey("report_snapshot.id"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Text()),
        sa.Column("approved_at", sa.DateTime(timezone=True)),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("client_id", "month"),
    )
    tenant_table(
        "report_file",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("snapshot_id", sa.Uuid(), sa.ForeignKey("report_snapshot.id"), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("snapshot_id"),
    )
    tenant_table(
        "schedule",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("every_days", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("custom", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("model_id", "task"),
    )
    op.create_index("ix_schedule_due", "schedule", ["next_at"])
    tenant_table(
        "share_link",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), index=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("token_hash"),
    )
    tenant_table(
        "snapshot",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("categories", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("model_id", "digest"),
    )
    tenant_table(
        "adapter_version",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(), nullable=False),
        sa.Column("parts", postgresql.JSONB(), nullable=False),
        sa.Column("files", postgresql.JSONB(), nullable=False),
        sa.Column("parity", postgresql.JSONB(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), sa.ForeignKey("adapter_version.id")),
        sa.Column("snapshot_id", sa.Uuid(), sa.ForeignKey("snapshot.id"), nullable=False),
        sa.Column("training", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("model_id", "digest"),
        sa.UniqueConstraint("model_id", "number"),
    )
    tenant_table(
        "report_link",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("report_id", sa.Uuid(), sa.ForeignKey("report.id"), nullable=False, index=True),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("last_opened_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("token_hash"),
    )
    tenant_table(
        "eval_run",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False, index=True),
        sa.Column("version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id"), nullable=False),
        sa.Column("snapshot_id", sa.Uuid(), sa.ForeignKey("snapshot.id"), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("correct", sa.Integer(), nullable=False),
        sa.Column("hallucinated", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("reused", sa.Integer(), nullable=False),
        sa.Column("categories", postgresql.JSONB(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    tenant_table(
        "version_alias",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id"), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("model_id", "name"),
    )
    tenant_table(
        "monitor",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False, index=True),
        sa.Column("version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id"), nullable=False),
        sa.Column("baseline_run_id", sa.Uuid(), sa.ForeignKey("eval_run.id"), nullable=False),
        sa.Column("charts", postgresql.JSONB(), nullable=False),
        sa.Column("read_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noise", postgresql.JSONB()),
        sa.Column("calibration", postgresql.JSONB()),
    )
    op.create_index("uq_monitor_version_id", "monitor", ["version_id"], unique=True)
    tenant_table(
        "alert",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False, index=True),
        sa.Column("monitor_id", sa.Uuid(), sa.ForeignKey("monitor.id"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("notified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("snoozed_until", sa.DateTime(timezone=True)),
        sa.Column("resolved_by", sa.Text()),
        sa.Column("resolution", sa.Text()),
    )
    op.create_index(
        "uq_alert_open", "alert", ["model_id", "kind"], unique=True, postgresql_where=sa.text("state = 'open'")
    )
    tenant_table(
        "monitor_reading",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("monitor_id", sa.Uuid(), sa.ForeignKey("monitor.id"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("statistic", sa.Float()),
        sa.Column("threshold", sa.Float()),
        sa.Column("p_value", sa.Float()),
        sa.Column("alarm", sa.Boolean(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
    )
    op.create_index("ix_monitor_reading_model_at", "monitor_reading", ["model_id", "at"])
    tenant_table(
        "alert_event",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("alert_id", sa.Uuid(), sa.ForeignKey("alert.id"), nullable=False, index=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
    )
    tenant_table(
        "retraining_cycle",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False, index=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), sa.ForeignKey("alert.id")),
        sa.Column("parent_version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id")),
        sa.Column("candidate_version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id")),
        sa.Column("training_snapshot_id", sa.Uuid(), sa.ForeignKey("snapshot.id")),
        sa.Column("golden_snapshot_id", sa.Uuid(), sa.ForeignKey("snapshot.id")),
        sa.Column("recipe", postgresql.JSONB(), nullable=False),
        sa.Column("job_id", sa.Uuid(), sa.ForeignKey("job.id")),
        sa.Column("failure", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quantisations", postgresql.JSONB()),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"),
    )
    op.create_index(
        "uq_retraining_cycle_live",
        "retraining_cycle",
        ["model_id"],
        unique=True,
        postgresql_where=sa.text("state not in ('deployed', 'rejected', 'failed', 'rolled_back')"),
    )
    tenant_table(
        "ab_test",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), sa.ForeignKey("retraining_cycle.id"), nullable=False, index=True),
        sa.Column("production_version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id"), nullable=False),
        sa.Column("candidate_version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_from", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True)),
        sa.Column("ends_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("ended_by", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("reading", postgresql.JSONB()),
        sa.Column("read_at", sa.DateTime(timezone=True)),
    )
    op.create_index(
        "uq_ab_test_live",
        "ab_test",
        ["model_id"],
        unique=True,
        postgresql_where=sa.text("state in ('starting', 'running')"),
    )
    tenant_table(
        "approval",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), sa.ForeignKey("retraining_cycle.id"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_digest", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text()),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("note", sa.Text()),
        sa.Column("decided_from", sa.Text()),
        sa.Column("approvals_needed", sa.Integer(), nullable=False),
        sa.Column("four_eyes", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.Text()),
        sa.Column("reminded_at", sa.DateTime(timezone=True)),
        sa.Column("escalated_at", sa.DateTime(timezone=True)),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"),
    )
    op.create_index("uq_approval_cycle_kind", "approval", ["cycle_id", "kind", "attempt"], unique=True)
    tenant_table(
        "candidate",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), sa.ForeignKey("retraining_cycle.id"), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("blend", sa.Float(), nullable=False),
        sa.Column("dev", postgresql.JSONB(), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("parts", postgresql.JSONB(), nullable=False, server_default="[]"),
        sa.UniqueConstraint("cycle_id", "attempt", "method", "blend"),
    )
    tenant_table(
        "comparison",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), sa.ForeignKey("retraining_cycle.id"), nullable=False, index=True),
        sa.Column("production_run_id", sa.Uuid(), sa.ForeignKey("eval_run.id"), nullable=False),
        sa.Column("candidate_run_id", sa.Uuid(), sa.ForeignKey("eval_run.id"), nullable=False),
        sa.Column("production_digest", sa.Text(), nullable=False),
        sa.Column("candidate_digest", sa.Text(), nullable=False),
        sa.Column("table", postgresql.JSONB(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        sa.Column("labels_needed", sa.Integer()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("look", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"),
        sa.UniqueConstraint("cycle_id", "attempt", "look"),
    )
    tenant_table(
        "disagreement_run",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), sa.ForeignKey("retraining_cycle.id"), nullable=False),
        sa.Column("production_digest", sa.Text(), nullable=False),
        sa.Column("candidate_digest", sa.Text(), nullable=False),
        sa.Column("queries", sa.Integer(), nullable=False),
        sa.Column("disagreements", sa.Integer(), nullable=False),
        sa.Column("agreed", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"),
        sa.UniqueConstraint("cycle_id", "attempt"),
    )
    tenant_table(
        "approval_vote",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("approval_id", sa.Uuid(), sa.ForeignKey("approval.id"), nullable=False),
        sa.Column("voter", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("approval_id", "voter"),
    )
    tenant_table(
        "cycle_attempt",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), sa.ForeignKey("retraining_cycle.id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("recipe", postgresql.JSONB(), nullable=False),
        sa.Column("source_id", sa.Uuid(), sa.ForeignKey("candidate.id")),
        sa.Column("candidate_version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id")),
        sa.Column("seconds", postgresql.JSONB(), nullable=False),
        sa.Column("ended", sa.Text()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("diagnosis", postgresql.JSONB()),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("cycle_id", "number"),
    )
    tenant_table(
        "prediction",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("version_id", sa.Uuid(), sa.ForeignKey("adapter_version.id"), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("messages", postgresql.JSONB(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float()),
        sa.Column("margin", sa.Float()),
        sa.Column("finish_reason", sa.Text(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.Column("end_user", sa.Text()),
        sa.Column("ab_test_id", sa.Uuid(), sa.ForeignKey("ab_test.id")),
        sa.Column("arm", sa.Text()),
    )
    op.create_index(
        "ix_prediction_ab_test", "prediction", ["ab_test_id", "arm"], postgresql_where=sa.text("ab_test_id is not null")
    )
    op.create_index("ix_prediction_model_at", "prediction", ["model_id", "at"])
    tenant_table(
        "example",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("messages", postgresql.JSONB(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("minhash", sa.LargeBinary(), nullable=False),
        sa.Column("prediction_id", sa.Uuid(), sa.ForeignKey("prediction.id")),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.Column("added_by", sa.Text()),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.Column("checked_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_example_pool", "example", ["model_id", "pool"])
    op.create_index(
        "ix_example_unchecked",
        "example",
        ["model_id"],
        postgresql_where=sa.text("pool = 'training' and checked_at is null and deleted_at is null"),
    )
    op.create_index(
        "uq_example_content",
        "example",
        ["model_id", "content_hash"],
        unique=True,
        postgresql_where=sa.text("deleted_at is null"),
    )
    tenant_table(
        "feedback",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("prediction_id", sa.Uuid(), sa.ForeignKey("prediction.id"), nullable=False, index=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rating", sa.Integer()),
        sa.Column("correction", sa.Text()),
        sa.Column("comment", sa.Text()),
        sa.Column("reporter", sa.Text()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.UniqueConstraint("prediction_id", "kind", "reporter", postgresql_nulls_not_distinct=True),
    )
    op.create_index("ix_feedback_model_at", "feedback", ["model_id", "at"])
    tenant_table(
        "eval_answer",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("run_id", sa.Uuid(), sa.ForeignKey("eval_run.id"), nullable=False, index=True),
        sa.Column("example_id", sa.Uuid(), sa.ForeignKey("example.id"), nullable=False, index=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("correct", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("hallucinated", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("margin", sa.Float()),
        sa.Column("cache_key", sa.Text(), nullable=False, index=True),
    )
    tenant_table(
        "gate_look",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False, index=True),
        sa.Column("cycle_id", sa.Uuid(), sa.ForeignKey("retraining_cycle.id"), nullable=False),
        sa.Column("example_id", sa.Uuid(), sa.ForeignKey("example.id"), nullable=False, index=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("cycle_id", "example_id"),
    )
    tenant_table(
        "review_item",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("priority", sa.Float(), nullable=False),
        sa.Column("prediction_id", sa.Uuid(), sa.ForeignKey("prediction.id"), index=True),
        sa.Column("cycle_id", sa.Uuid(), sa.ForeignKey("retraining_cycle.id"), index=True),
        sa.Column("alert_id", sa.Uuid(), sa.ForeignKey("alert.id")),
        sa.Column("document_id", sa.Uuid(), sa.ForeignKey("document.id")),
        sa.Column("messages", postgresql.JSONB(), nullable=False),
        sa.Column("answers", postgresql.JSONB(), nullable=False),
        sa.Column("inclusion_probability", sa.Float()),
        sa.Column("stratum", sa.Text()),
        sa.Column("wanted_labels", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Text()),
        sa.Column("category", sa.Text()),
        sa.Column("example_id", sa.Uuid(), sa.ForeignKey("example.id"), index=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("claimed_by", sa.Text()),
        sa.Column("claimed_until", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.Text()),
        sa.Column("attempt", sa.Integer()),
        sa.Column("label_of", sa.Uuid(), sa.ForeignKey("review_item.id")),
    )
    op.create_index("ix_review_item_queue", "review_item", ["model_id", "state", "priority"])
    op.create_index(
        "uq_review_item_prediction",
        "review_item",
        ["prediction_id", "purpose", "cycle_id", "attempt"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("prediction_id is not null"),
    )
    tenant_table(
        "snapshot_item",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("snapshot_id", sa.Uuid(), sa.ForeignKey("snapshot.id"), nullable=False),
        sa.Column("example_id", sa.Uuid(), sa.ForeignKey("example.id"), nullable=False, index=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.UniqueConstraint("snapshot_id", "position"),
    )
    tenant_table(
        "data_finding",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("registered_model.id"), nullable=False),
        sa.Column("example_id", sa.Uuid(), sa.ForeignKey("example.id"), index=True),
        sa.Column("item_id", sa.Uuid(), sa.ForeignKey("review_item.id"), index=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_by", sa.Text()),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_data_finding_open", "data_finding", ["model_id", "state"])
    tenant_table(
        "review_label",
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id"), nullable=False),
        sa.Column("item_id", sa.Uuid(), sa.ForeignKey("review_item.id"), nullable=False, index=True),
        sa.Column("labeller", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Float()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
    )
    op.create_index(
        "uq_review_label_labeller",
        "review_label",
        ["item_id", "labeller"],
        unique=True,
        postgresql_where=sa.text("undone_at is null"),
    )
    grant()


def downgrade() -> None:
    tables = set(sa.inspect(op.get_bind()).get_table_names()) - {"alembic_version"}
    op.execute(f"drop table {', '.join(sorted(tables))}")
