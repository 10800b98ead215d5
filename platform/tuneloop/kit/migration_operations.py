"""What migrations do beside Alembic's own operations: walls between agencies, and changes that nobody waits for."""

from collections.abc import Sequence

from alembic import op

APP_ROLE = "tuneloop_app"


def confine_to_agency(table: str) -> None:
    """The second wall of a new table: rows of `app.agency_id` alone, at '*' all, unset an error.

    The application's role may read and write what it sees.
    """
    condition = (
        "agency_id = case current_setting('app.agency_id') when '*' then agency_id "
        "else current_setting('app.agency_id')::uuid end"
    )
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy tenant on {table} using ({condition}) with check ({condition})")
    op.execute(f"grant select, insert, update, delete on {table} to {APP_ROLE}")


def create_index_concurrently(
    name: str, table: str, columns: Sequence[str], *, unique: bool = False, where: str | None = None
) -> None:
    """While others write; alone in its migration, because it ends the transaction: tried again, it is all there is.

    It waits for transactions that are older, such as a backup's, and keeps nobody waiting meanwhile. An index of the
    name that an interrupted attempt has left is unusable, and made anew.
    """
    context = op.get_context()
    with context.autocommit_block():
        op.execute("set lock_timeout = '15min'")
        op.execute(f"drop index concurrently if exists {name}")
        kind = "unique index" if unique else "index"
        condition = f" where {where}" if where else ""
        op.execute(f"create {kind} concurrently {name} on {table} ({', '.join(columns)}){condition}")
        op.execute("set lock_timeout = '5s'")


def drop_index_concurrently(name: str) -> None:
    with op.get_context().autocommit_block():
        op.execute(f"drop index concurrently if exists {name}")


def end_support_before(revision: str) -> None:
    """Contract: a Tuneloop that does not know `revision` can't work with the schema any more, and does not start."""
    op.execute(f"update schema_floor set revision = '{revision}'")  # noqa: S608  (a constant of the migration)
