-- The mapping names columns, and a migration may give a name to another one: `rename column body to content; add column body jsonb`.
-- What was a customer's text is taken for empty then, and an internal note for a message, and no statement fails of it. So each
-- column that the mapping reads or writes is remembered by its number and its kind of type, as keys are.
create table {schema}.mapped_column (
    schema_name text not null,
    table_name  text not null,
    column_name text not null,
    relation    oid not null,
    attnum      smallint not null,
    type        oid not null,
    typmod      integer not null,
    family      text not null,
    named_in    text not null,
    primary key (schema_name, table_name, column_name)
);
comment on table {schema}.mapped_column is 'The columns that the mapping reads or writes, as they were when its expressions were last believed.';
comment on column {schema}.mapped_column.schema_name is 'The table''s schema.';
comment on column {schema}.mapped_column.table_name is 'The table.';
comment on column {schema}.mapped_column.column_name is 'The column.';
comment on column {schema}.mapped_column.relation is 'The table''s OID.';
comment on column {schema}.mapped_column.attnum is 'The column''s number.';
comment on column {schema}.mapped_column.type is 'The OID of the column''s type.';
comment on column {schema}.mapped_column.typmod is 'That type''s modifier.';
comment on column {schema}.mapped_column.family is 'Types between which a change is harmless have one family.';
comment on column {schema}.mapped_column.named_in is 'The expressions of the mapping that name it, chr(31) between them: where none of them is left, those that name it now are believed.';

-- Types between which a value keeps its text, or its moment, are of one family. Asked of what has changed alone: a function is
-- planned at each call, and what stands in the view below is planned with each statement that believes a number.
create function {schema}.type_family(type oid, typmod integer) returns text language sql stable begin atomic
    with recursive under as (
        select t.oid, t.typtype, t.typbasetype, type_family.typmod as mod, t.typtypmod
        from pg_catalog.pg_type t where t.oid = type_family.type
        union all
        select t.oid, t.typtype, t.typbasetype, d.typtypmod, t.typtypmod
        from under d join pg_catalog.pg_type t on t.oid = d.typbasetype where d.typtype = 'd')
    select case
        when e.typcategory in ('S', 'E') or e.oid = 18 then 'text'
        when e.oid in (20, 21, 23) or e.oid = 1700 and (u.mod = -1 or (u.mod - 4) & 65535 = 0) then 'number'
        when e.oid = 1700 then 'numeric with ' || ((u.mod - 4) & 65535) || ' decimal places'
        when e.oid in (700, 701) then 'float'
        when e.oid in (1082, 1114, 1184) then 'moment'
        when e.oid in (114, 3802) then 'json'
        else e.typname::text collate pg_catalog."default"
    end || case when e.oid <> u.oid then '[]' else '' end
    from under u
    join pg_catalog.pg_type b on b.oid = u.oid
    join pg_catalog.pg_type e on e.oid = case when b.typcategory = 'A' and b.typelem <> 0 then b.typelem else b.oid end
    where u.typtype <> 'd';
end;

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
    from seen s where s.part = 'key' and s.is_primary group by s.section, s.here),
-- Those that are as they were take one look-up each; another table under the name is seen by its key. One whose former column
-- was dropped has replaced it; one whose former column lives on under another name has only taken its name.
columns as (
    select m.schema_name || '.' || m.table_name as name, m.column_name, m.family,
           m.attnum <> a.attnum and exists (select from pg_catalog.pg_attribute o
               where o.attrelid = m.relation and o.attnum = m.attnum and not o.attisdropped) as is_another,
           {schema}.type_family(a.atttypid, a.atttypmod) as family_now
    from {schema}.mapped_column m
    cross join lateral (
        select a.attnum, a.atttypid, a.atttypmod from pg_catalog.pg_attribute a
        where a.attrelid = m.relation and a.attname = m.column_name::name and a.attnum > 0 and not a.attisdropped limit 1) a
    where a.attnum <> m.attnum or a.atttypid <> m.type or a.atttypmod <> m.typmod)
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
            and section in ('ticket', 'message')
    union all
    select 'column', 6, 'the column ' || column_name || ' of ' || name || case
            when is_another then ' is another one than the mapping has named so far'
            else ' is of another type than the mapping has read so far (' || family || ' before, ' || family_now || ' now)' end
        from columns where is_another or family_now <> family) changed;
comment on column {schema}.changed_key.section is 'ticket, message, or the table of an attachment; column: one that is no key';

alter table {schema}.hold drop constraint hold_kind_check,
    add constraint hold_kind_check check (kind in ('start', 'account', 'keys', 'columns', 'copy'));
