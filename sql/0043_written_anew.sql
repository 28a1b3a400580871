-- A migration may give each row another number and leave the column as it is (ALTER COLUMN ... TYPE ... USING id + 100), of which
-- nothing is streamed either: the table has another file then, as after VACUUM FULL, and its rows are compared before a number is
-- believed again. A partitioned table has no file of its own.
alter table {schema}.key_column add column file oid;
comment on column {schema}.key_column.file is 'The file in which the table''s rows stood when they were last compared; 0: it has none of its own.';

create or replace view {schema}.changed_key as
with recursive now as (
    select k.*, c.oid as here, c.relfilenode as file_now
    from {schema}.key_column k
    -- One look-up a column, however many tables the site has.
    cross join lateral (
        select c.oid, c.relfilenode from pg_catalog.pg_namespace n
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
        from primaries where found is not null and found <> noted
    union all
    select section, 5, 'the rows of ' || schema_name || '.' || table_name || ' were written anew'
        from seen where is_there and here = relation and file <> file_now and part = 'key' and place = 1
            and section in ('ticket', 'message')) changed;

create or replace function {schema}.keys_changed(sections text default '%') returns text language sql stable begin atomic
    select what from {schema}.changed_key where section like sections and place < 5 order by place, what limit 1;
end;
