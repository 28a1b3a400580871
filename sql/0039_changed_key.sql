-- What each transaction that believes a number asks last is planned once a session: a function's body was planned anew for
-- each call, and that was most of what a message cost the server.

-- What has changed of the columns by which rows are known, in words, the weightiest first by `place`. Neither a table or
-- column that is renamed or away (nothing can be read by it then), nor a wider number or text, nor a table that became a
-- partition of one in its place changes a key.
create view {schema}.changed_key as
with recursive now as (
    select k.*, c.oid as here
    from {schema}.key_column k
    -- One look-up a column, however many tables the site has.
    cross join lateral (
        select c.oid from pg_catalog.pg_namespace n
        join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = k.table_name::name
        where n.nspname = k.schema_name::name limit 1) c),
below as (
    select here, here as part from now
    union
    select b.here, i.inhrelid from below b join pg_catalog.pg_inherits i on i.inhparent = b.part),
seen as (
    select now.*, a.attnum as attnum_now, a.atttypid as type_now,
           exists (select from below b where b.here = now.here and b.part = now.relation) as is_there
    from now left join pg_catalog.pg_attribute a on a.attrelid = case
            when exists (select from below b where b.here = now.here and b.part = now.relation) then now.relation
            else now.here end
        and a.attname::text = now.column_name and a.attnum > 0 and not a.attisdropped),
primaries as (
    select s.section, s.here, array_agg(s.column_name order by s.place) as noted,
           (select array_agg(a.attname::text order by u.place)
            from pg_catalog.pg_index i, unnest(i.indkey::int2[]) with ordinality u (attnum, place)
            join pg_catalog.pg_attribute a on a.attrelid = s.here and a.attnum = u.attnum
            where i.indrelid = s.here and i.indisprimary) as found
    from seen s where s.part = 'key' and s.is_primary group by s.section, s.here)
select section, place, what from (
    select section, 1 as place, schema_name || '.' || table_name || ' is another table than before' as what
        from seen where not is_there
    union all
    select section, 2, 'the column ' || column_name || ' of ' || schema_name || '.' || table_name || ' is another one than before'
        from seen where is_there and attnum_now <> attnum
    union all
    select section, 3, 'the column ' || column_name || ' of ' || schema_name || '.' || table_name || ' is of another type than before'
        from seen where is_there and attnum_now = attnum and type_now <> type
            and not (type in (20, 21, 23) and type_now in (20, 21, 23))
            and not (type in (25, 1043) and type_now in (25, 1043))
    union all
    select section, 4, 'the primary key of ' || here::regclass || ' is made of other columns than before'
        from primaries where found is not null and found <> noted) changed;

comment on view {schema}.changed_key is 'what has changed of the columns by which rows are known';
comment on column {schema}.changed_key.section is 'ticket, message, or the table of an attachment';
comment on column {schema}.changed_key.place is 'the weightiest first';
comment on column {schema}.changed_key.what is 'the change, in words';

create or replace function {schema}.keys_changed(sections text default '%') returns text language sql stable begin atomic
    select what from {schema}.changed_key where section like sections order by place, what limit 1;
end;
drop function {schema}.unheld();

-- These named their tables, which a renamed schema has elsewhere.
create or replace function {schema}.nothing_before() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    execute format('update %I.delivery set behind = null where behind = $1', tg_table_schema)
        using case tg_argv[0] when 'event' then -old.id else old.id end;
    return null;
end $$;
create or replace function {schema}.held(held xid8) returns text language sql stable begin atomic
    select 'one transaction of the site would open ' || count(*) || ' new cases at once, tickets ' || min(t.key) || ' to '
        || max(t.key) || ': an import? Nothing is sent for any of them. If they are for Deskie, `failed retry` opens all; '
        || 'else `failed discard` drops all. [capture] max_new_cases says how many are too many'
    from {schema}.ticket t where t.opened_by = held;
end;
