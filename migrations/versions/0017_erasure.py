"""erasure: requests, and the only way to take text out of rows that never change"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tuneloop.kit.migration_operations import APP_ROLE, confine_to_agency

revision = "erasure"
down_revision = "delivery_problems"
branch_labels = None
depends_on = None

JSON_HAS = r"""
create function json_has(doc jsonb, pattern text) returns boolean language sql immutable as $$
  select exists (
    select from jsonb_path_query(doc, 'lax $.**') as found(value)
    where case jsonb_typeof(value)
      when 'string' then value #>> '{}' ~* pattern
      when 'object' then exists (select from jsonb_object_keys(value) as key where key ~* pattern)
      else false end)
$$
"""
JSON_ERASED = r"""
create function json_erased(doc jsonb, pattern text, kept text[]) returns jsonb language plpgsql immutable as $$
declare made jsonb;
begin
  case jsonb_typeof(doc)
    when 'string' then
      if (pattern is null and not (doc #>> '{}') = any(kept)) or (doc #>> '{}') ~* pattern then
        return '"[erased]"';
      end if;
    when 'array' then
      select coalesce(jsonb_agg(json_erased(value, pattern, kept) order by place), '[]') into made
      from jsonb_array_elements(doc) with ordinality as each(value, place);
      return made;
    when 'object' then
      select coalesce(jsonb_object_agg(
        case when key ~* pattern then '[erased ' || place || ']' else key end,
        case when key = 'role' then value else json_erased(value, pattern, kept) end), '{}') into made
      from jsonb_each(doc) with ordinality as each(key, value, place);
      return made;
    else null;
  end case;
  return doc;
end
$$
"""
ALLOWED = r"""
create function erasure_allowed(request uuid) returns public.erasure language plpgsql stable
  set search_path = pg_catalog, public as $$
declare found public.erasure;
begin
  select * into found from public.erasure
  where id = request and agency_id = current_setting('app.agency_id')::uuid and state = 'erasing';
  if found.id is null then
    raise insufficient_privilege using message = 'no confirmed erasure of this agency has this id';
  end if;
  return found;
end
$$
"""
ERASE_TEXTS = r"""
create function erase_texts(
  request uuid, place text, ids uuid[], columns text[], uniques text[], pattern text, kept text[])
  returns bigint language plpgsql security definer set search_path = pg_catalog, public as $$
declare
  allowed public.erasure := erasure_allowed(request);
  parts text[] := '{}';
  named text;
  stored text;
  instead text;
  changed bigint;
begin
  foreach named in array columns loop
    select format_type(atttypid, null) into stored from pg_attribute
    where attrelid = format('public.%I', place)::regclass and attname = named and not attisdropped;
    if stored = 'jsonb' then
      parts := parts || format('%1$I = json_erased(%1$I, $1, $2)', named);
    elsif stored in ('text', 'character varying') then
      instead := case when named = any(uniques) then '''[erased '' || id || '']''' else '''[erased]''' end;
      parts := parts || format(
        '%1$I = case when %1$I <> '''' and (($1 is null and not %1$I = any($2)) or %1$I ~* $1) then %2$s else %1$I end',
        named, instead);
    else
      raise undefined_column using message = format('%s.%s holds no text', place, named);
    end if;
  end loop;
  execute format('update public.%I set %s where agency_id = $3 and id = any($4)', place, array_to_string(parts, ', '))
    using pattern, kept, allowed.agency_id, ids;
  get diagnostics changed = row_count;
  return changed;
end
$$
"""
ERASE_CLIENT_ROWS = r"""
create function erase_client_rows(request uuid, place text) returns bigint language plpgsql security definer
  set search_path = pg_catalog, public as $$
declare
  allowed public.erasure := erasure_allowed(request);
  changed bigint;
begin
  if allowed.kind <> 'client' or allowed.client_id is null then
    raise insufficient_privilege using message = 'this erasure is not about a whole client';
  end if;
  execute format('delete from public.%I where agency_id = $1 and client_id = $2', place)
    using allowed.agency_id, allowed.client_id;
  get diagnostics changed = row_count;
  return changed;
end
$$
"""
FUNCTIONS = (
    "json_has(jsonb, text)",
    "json_erased(jsonb, text, text[])",
    "erasure_allowed(uuid)",
    "erase_texts(uuid, text, uuid[], text[], text[], text, text[])",
    "erase_client_rows(uuid, text)",
)


def upgrade() -> None:
    """The functions run as the owner of the schema, ask for a confirmed request of the transaction's agency first,
    and can only put '[erased]' in the place of text, or delete the rows of the client that the request is about."""
    op.create_table(
        "erasure",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("target", sa.Text()),
        sa.Column("target_hash", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("keep", postgresql.JSONB(), nullable=False),
        sa.Column("found", postgresql.JSONB(), nullable=False),
        sa.Column("erased", postgresql.JSONB(), nullable=False),
        sa.Column("versions", postgresql.JSONB(), nullable=False),
        sa.Column("leftover", postgresql.JSONB(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_by", sa.Text()),
        sa.Column("confirmed_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("job_id", sa.Uuid()),
    )
    confine_to_agency("erasure")
    op.add_column("client", sa.Column("erased_at", sa.DateTime(timezone=True)))
    for each in (JSON_HAS, JSON_ERASED, ALLOWED, ERASE_TEXTS, ERASE_CLIENT_ROWS):
        op.execute(each)
    for function in FUNCTIONS:
        op.execute(f"revoke execute on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    for function in reversed(FUNCTIONS):
        op.execute(f"drop function {function}")
    op.drop_column("client", "erased_at")
    op.drop_table("erasure")
