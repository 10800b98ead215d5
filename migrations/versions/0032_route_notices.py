"""Gateways are told which models and keys a transaction has changed"""

from alembic import op

revision = "route_notices"
down_revision = "shadow_tests"
branch_labels = None
depends_on = None

FUNCTION = "tell_gateways"
KEY = (
    "name, key_hash, role, scope_client_id, created_by, revoked_at, inference_only, upload_only, previous_hash, "
    "previous_until, expires_at"
)
NOTICES = (
    ("adapter_version", "insert or delete", "model", "model_id"),
    ("version_alias", "insert or delete or update", "model", "model_id"),
    (
        "external_endpoint",
        "insert or delete or update of url, model_name, sealed_key, gives_confidence",
        "model",
        "model_id",
    ),
    ("ab_test", "insert or delete or update of state, share, ends_at", "model", "model_id"),
    ("shadow_test", "insert or delete or update of state, share, ends_at", "model", "model_id"),
    ("registered_model", "delete or update of slug, client_id, base_id", "model", "id"),
    ("client", "update of slug", "agency", "agency_id"),
    ("base_model", "update of upstream_url", "base", "id"),
    (
        "api_key",
        f"insert or delete or update of {KEY}",
        "key",
        "id",
    ),
    ("membership", "insert or delete or update of role", "person", "user_id"),
    ("person", "update of name, disabled_at", "person", "id"),
)
"""Table, what happens to a row of it, and the kind and the column of the id that is told."""


def upgrade() -> None:
    op.execute(
        f"""
        create function {FUNCTION}() returns trigger language plpgsql as $$
        begin
          if tg_op <> 'INSERT' then
            perform pg_notify('tuneloop_routes', tg_argv[0] || ' ' || (to_jsonb(old) ->> tg_argv[1]));
          end if;
          if tg_op <> 'DELETE' then
            perform pg_notify('tuneloop_routes', tg_argv[0] || ' ' || (to_jsonb(new) ->> tg_argv[1]));
          end if;
          return null;
        end $$
        """
    )
    for table, events, kind, column in NOTICES:
        op.execute(
            f"create trigger {FUNCTION} after {events} on {table} "
            f"for each row execute function {FUNCTION}('{kind}', '{column}')"
        )


def downgrade() -> None:
    for table, *_ in NOTICES:
        op.execute(f"drop trigger {FUNCTION} on {table}")
    op.execute(f"drop function {FUNCTION}()")
