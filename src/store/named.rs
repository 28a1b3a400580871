//! What the columns are that the mapping names (rule 11): a name that a migration has given to another column, or to another
//! kind of type, means something else, and no statement fails of it.

use super::{HoldKind, Keys, Store, StoreError};
use crate::mapping::named::NamedColumn;

/// The named columns as the catalog has them, and those among them that are not what they were: of another kind of type, or
/// another column while the former one lives on under another name (one that was dropped was replaced). Where each expression
/// that named a column was written anew since, a person has looked. The parameters: schemas, tables, columns, expressions.
const NAMED: &str = "with named as materialized (
        select u.s as schema_name, u.t as table_name, u.c as column_name, u.e as named_in,
               c.oid as relation, a.attnum, a.atttypid as type, a.atttypmod as typmod,
               {s}.type_family(a.atttypid, a.atttypmod) as family
        from unnest($1::text[], $2::text[], $3::text[], $4::text[]) u (s, t, c, e)
        join pg_catalog.pg_namespace n on n.nspname = u.s::name
        join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = u.t::name
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = u.c::name and a.attnum > 0 and not a.attisdropped),
    changed as materialized (
        select schema_name, table_name, column_name, m.family, n.family as family_now
        from named n join {s}.mapped_column m using (schema_name, table_name, column_name)
        where (n.family <> m.family or n.relation = m.relation and n.attnum <> m.attnum
              and exists (select from pg_catalog.pg_attribute o
                  where o.attrelid = m.relation and o.attnum = m.attnum and not o.attisdropped))
          and string_to_array(n.named_in, chr(31)) && string_to_array(m.named_in, chr(31)))";

/// What has changed, in words.
const WHAT: &str = "(select 'the column ' || column_name || ' of ' || schema_name || '.' || table_name || case
            when family = family_now then ' is another one than the mapping has named so far'
            else ' is of another type than the mapping has read so far (' || family || ' before, ' || family_now || ' now)' end
        from changed order by schema_name, table_name, column_name limit 1)";

impl Keys<'_, Store> {
    /// What has changed of the columns that the mapping names.
    pub async fn columns_changed(self, columns: &[NamedColumn]) -> Result<Option<String>, StoreError> {
        let sql = format!("{NAMED} select {WHAT}");
        let [schemas, tables, names, expressions] = parts(columns);
        let rows = self
            .0
            .query(&sql, &[&schemas, &tables, &names, &expressions])
            .await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }

    /// Compares these columns with those that are noted: what is not what it was is held, and all else is noted. `is_whole`:
    /// these are all of them. True where a time was given another type, by which nothing is held: `created_at` has to be
    /// read anew.
    pub async fn note_columns(self, columns: &[NamedColumn], is_whole: bool) -> Result<bool, StoreError> {
        let [schemas, tables, names, expressions] = parts(columns);
        let mut client = self.0.client().await?;
        // One look at the catalog, as of the keys.
        let step = self.0.step_of_one_view(&mut client).await?;
        step.keys().lock().await?;
        let held = format!(
            "{NAMED}, over as (delete from {{s}}.hold where kind = 'columns' and not exists (select from changed))
             insert into {{s}}.hold (kind, reason)
             select 'columns', what || ': a migration may have put it in the place of the one that was meant. A text may be \
                 taken for empty by it, or an internal note for a message, so that nothing is sent or written. Where the config \
                 means the column that is there now, run `deskie-cdc setup --remap`; else name the right one and restart'
             from (select {WHAT} as what) changed where what is not null
             on conflict (kind) do nothing"
        );
        if step
            .execute(&held, &[&schemas, &tables, &names, &expressions])
            .await?
            > 0
        {
            self.0.wake.hold.notify_one();
        }
        let gone = format!(
            "{NAMED} delete from {{s}}.mapped_column m
             where ($5 or (m.schema_name, m.table_name) in (select schema_name, table_name from named))
               and not exists (select from named n where (n.schema_name, n.table_name, n.column_name)
                   = (m.schema_name, m.table_name, m.column_name))"
        );
        step.execute(&gone, &[&schemas, &tables, &names, &expressions, &is_whole])
            .await?;
        let noted = format!(
            "{NAMED}, retyped as (select from named n join {{s}}.mapped_column m using (schema_name, table_name, column_name)
                where n.family = 'moment' and m.family = n.family and m.type <> n.type),
             noted as (insert into {{s}}.mapped_column as m
                 (schema_name, table_name, column_name, relation, attnum, type, typmod, family, named_in)
                 select schema_name, table_name, column_name, relation, attnum, type, typmod, family, named_in from named n
                 where not exists (select from changed c where (c.schema_name, c.table_name, c.column_name)
                     = (n.schema_name, n.table_name, n.column_name))
                 on conflict (schema_name, table_name, column_name) do update set relation = excluded.relation,
                     attnum = excluded.attnum, type = excluded.type, typmod = excluded.typmod, family = excluded.family,
                     named_in = excluded.named_in
                 where (m.relation, m.attnum, m.type, m.typmod, m.family, m.named_in)
                     is distinct from (excluded.relation, excluded.attnum, excluded.type, excluded.typmod,
                                       excluded.family, excluded.named_in))
             select exists (select from retyped)"
        );
        let rows = step
            .query(&noted, &[&schemas, &tables, &names, &expressions])
            .await?;
        let is_retyped = rows.first().is_some_and(|row| row.get(0));
        step.commit().await?;
        Ok(is_retyped)
    }

    /// The mapping means the columns that are there now: they are noted anew. True where that was in question.
    pub async fn remap(self) -> Result<bool, StoreError> {
        let mut client = self.0.client().await?;
        let step = self.0.step_aside(&mut client).await?;
        step.keys().lock().await?;
        step.execute("delete from {s}.mapped_column", &[]).await?;
        let sql = "delete from {s}.hold where kind = $1";
        let was_held = step.execute(sql, &[&HoldKind::Columns.as_str()]).await? > 0;
        step.commit().await?;
        Ok(was_held)
    }
}

fn parts(columns: &[NamedColumn]) -> [Vec<&str>; 4] {
    let of = |part: fn(&NamedColumn) -> &str| columns.iter().map(part).collect();
    [
        of(|column| &column.relation.schema),
        of(|column| &column.relation.table),
        of(|column| &column.column),
        of(|column| &column.named_in),
    ]
}
