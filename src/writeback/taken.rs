//! A number that is there already (23505). Where the table numbers its rows by itself, its sequence is behind them: after a
//! copy of the table, a switch-over to a logical copy, a restore without `setval`. That is no matter of the one reply.

use super::WriteBack;
use super::refusal::WriteError;
use crate::mapping::{Statement, gives};

/// The columns of an index, the sequences that number them, their table, and what statements call that.
const COLUMNS: &str = "select a.attname::text, coalesce(
        pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(t.relname), a.attname),
        (select s.oid::regclass::text from pg_attrdef d
         join pg_depend p on p.classid = 'pg_attrdef'::regclass and p.objid = d.oid and p.refclassid = 'pg_class'::regclass
         join pg_class s on s.oid = p.refobjid and s.relkind = 'S'
         where d.adrelid = a.attrelid and d.adnum = a.attnum limit 1)), t.oid::regclass::text, (select r.relname::text from pg_class r where r.oid = coalesce(pg_partition_root(t.oid), t.oid))
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_index i on i.indexrelid = c.oid join pg_class t on t.oid = i.indrelid
    join pg_attribute a on a.attrelid = t.oid and a.attnum = any (i.indkey)
    where n.nspname::text = $1 and c.relname::text = $2";

impl WriteBack {
    /// Whose matter a number is that was taken: the mapping's as a whole where a sequence gave it, else, if it stays taken, the
    /// message's or the case's. `statements`: those that were run.
    pub(super) async fn of_sequence(&self, error: WriteError, statements: &[&Statement]) -> WriteError {
        let WriteError::Taken { schema, index, text } = error else {
            return error;
        };
        let Ok(client) = self.site.get().await else {
            return WriteError::Passing(text);
        };
        let Ok(rows) = client.query(COLUMNS, &[&schema, &index]).await else {
            return WriteError::Passing(text);
        };
        let [row] = rows.as_slice() else {
            return WriteError::Taken { schema, index, text };
        };
        let (column, sequence, table, name): (String, Option<String>, String, String) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let is_given = statements
            .iter()
            .any(|statement| gives(&statement.sql(), &name, &column));
        let Some(sequence) = sequence.filter(|_| !is_given) else {
            return WriteError::Taken { schema, index, text };
        };
        WriteError::Mapping(format!(
            "{text}: the sequence {sequence} is behind {table}.{column}, for the site's own INSERTs as well; run \
             `select setval('{sequence}', (select max({column}) from {table}))`"
        ))
    }
}
