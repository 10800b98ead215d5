"""what scales the workers may count jobs, and see nothing else"""

from alembic import op

revision = "jobs_to_do"
down_revision = "service_keys"
branch_labels = None
depends_on = None

ROLE = "tuneloop_queue"


def upgrade() -> None:
    """Of an agency no more jobs count than may run at once: further workers would find nothing that they may take."""
    op.execute(
        """
        create function jobs_to_do(per_agency integer default 2147483647)
        returns table (queue text, jobs bigint, oldest_seconds double precision)
        language plpgsql security definer
        set search_path = public, pg_temp
        as $$
        declare
            scope text := coalesce(current_setting('app.agency_id', true), '');
        begin
            perform set_config('app.agency_id', '*', true);
            return query
                select agencies.queue, sum(least(running + due, per_agency))::bigint,
                       coalesce(max(oldest) filter (where running < per_agency), 0)::double precision
                from (
                    select job.queue, agency_id,
                           count(*) filter (where state = 'running') as running,
                           count(*) filter (where state = 'queued') as due,
                           max(extract(epoch from clock_timestamp() - run_after))
                               filter (where state = 'queued') as oldest
                    from job
                    where state = 'running' or (state = 'queued' and run_after <= clock_timestamp())
                    group by job.queue, agency_id
                ) as agencies
                group by agencies.queue;
            perform set_config('app.agency_id', scope, true);
        end
        $$
        """
    )
    op.execute(
        f"do $$ begin if not exists (select from pg_roles where rolname = '{ROLE}') "
        f"then create role {ROLE} login; end if; end $$"
    )
    op.execute("revoke all on function jobs_to_do(integer) from public")
    op.execute(f"grant execute on function jobs_to_do(integer) to {ROLE}, tuneloop_app")
    op.execute(f"grant usage on schema public to {ROLE}")


def downgrade() -> None:
    op.execute("drop function jobs_to_do(integer)")
