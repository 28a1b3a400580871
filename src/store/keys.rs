//! The identity of the columns by which the site's rows are known (rule 11).
//!
//! The view `changed_key` compares what is noted with the catalog. It is asked at each start; by capture, in the transaction
//! that stores the first rows behind any change of a table's description; and by [`UNHELD`], last of all in each transaction
//! that believes a number. Numbers are never used a second time by the server (an attnum, an oid), so what is unchanged
//! afterwards was unchanged before. Nor is a file's, and a table whose rows were written anew stands in another one.

use super::captured::TransactionWriter;
use super::{Keys, Step, Store, StoreError, execute_in};
use crate::model::{LaneId, TicketKey};

/// SQL, on any path, that raises while a person has to decide whether our state belongs to what is there, and is true else.
/// It stands in the statements themselves, which are planned once a session: a function would be planned at each call.
pub const UNHELD: &str =
    "coalesce({s}.refuse('nothing is sent or written: ' operator(pg_catalog.||) coalesce(
        (select h.reason from {s}.hold h order by h.kind limit 1),
        (select c.what from {s}.changed_key c order by c.place, c.what limit 1)), 'DC005'), true)";

/// A column by which rows are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumn {
    /// `ticket`, `message`, or the table of an attachment.
    pub section: String,
    /// `key`, or `parent`.
    pub part: &'static str,
    /// The table's schema.
    pub schema: String,
    pub table: String,
    pub column: String,
    /// The key is whatever the primary key is.
    pub is_primary: bool,
}

/// A table whose rows were written anew: by VACUUM FULL, or by a migration, which may have given them other numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    pub relation: u32,
    /// In which they stand now.
    pub file: u32,
    /// `schema.table`.
    pub name: String,
}

/// What a person is told; `what` is the SQL of what has changed.
fn told(what: &str) -> String {
    format!(
        "insert into {{s}}.hold (kind, reason)
         select 'keys', 'the keys of the site''s rows may have been made anew: ' || what || '. A number may be another row''s \
             than the one that the connector knows by it, so that nothing is sent or written. If the rows have kept their \
             numbers, run `deskie-cdc setup --rekey same`; if they were numbered anew, `deskie-cdc setup --rekey anew`'
         from (select {what} as what) changed where what is not null
         on conflict (kind) do nothing"
    )
}

/// The mapped columns as the catalog has them; the parameters are the fields of [`KeyColumn`], in order.
const MAPPED: &str = "with mapped as materialized (
        select u.section, u.part, u.s as schema_name, u.t as table_name, u.c as column_name, u.p as is_primary,
               (row_number() over (partition by u.section, u.part order by u.n))::int as place,
               c.oid as relation, a.attnum, a.atttypid as type, c.relfilenode as file
        from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[])
             with ordinality u (section, part, s, t, c, p, n)
        join pg_catalog.pg_namespace n on n.nspname::text = u.s
        join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname::text = u.t
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname::text = u.c and a.attnum > 0)";

impl Keys<'_, Store> {
    /// What has changed of the key columns of these sections (a pattern of LIKE).
    pub async fn changed(self, sections: &str) -> Result<Option<String>, StoreError> {
        let rows = self.0.query("select {s}.keys_changed($1)", &[&sections]).await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }

    /// Compares the key columns with those that are noted, and notes what is new. A section that is mapped by other columns
    /// than before is held as well, unless they are the same ones under other names.
    pub async fn note(self, columns: &[KeyColumn]) -> Result<(), StoreError> {
        let mut client = self.0.client().await?;
        // One look at the catalog: what the site changes between two of them would be noted and never compared.
        let step = self.0.step_of_one_view(&mut client).await?;
        step.keys().lock().await?;
        if step.execute(&told("{s}.keys_changed()"), &[]).await? > 0 {
            self.0.wake.hold.notify_one();
        }
        let others = "(select 'the config knows the rows of ' || min(m.table_name) || ' by other columns than before'
            from mapped m join (select distinct section, part from {s}.key_column) noted using (section, part)
            full join {s}.key_column k using (section, part, place)
            where (m.relation, m.attnum) is distinct from (k.relation, k.attnum)
              and (m.schema_name, m.table_name, m.column_name) is distinct from (k.schema_name, k.table_name, k.column_name)
              and exists (select from mapped o where o.section = k.section and o.part = k.part
                          or o.section = m.section and o.part = m.part))";
        let compare = format!("{MAPPED} {}", told(others));
        if step.keys().mapped(&compare, columns).await? > 0 {
            self.0.wake.hold.notify_one();
        }
        step.keys().renew(columns).await?;
        step.commit().await
    }

    /// Another server, or another database, has the same rows in other tables: they are noted anew. A logical copy has the
    /// rows of our own tables without their sequences, which are set behind them.
    pub async fn adopt(self) -> Result<(), StoreError> {
        let mut client = self.0.client().await?;
        let step = self.0.step_aside(&mut client).await?;
        step.keys().forget().await?;
        step.execute("delete from {s}.mapped_column", &[]).await?;
        let sql = "select format('select setval(pg_get_serial_sequence(%L, %L), greatest(
                    (select last_value from %s), (select max(%I) from %s)))',
                c.oid::regclass::text, a.attname, pg_get_serial_sequence(c.oid::regclass::text, a.attname), a.attname, c.oid::regclass)
            from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attidentity <> ''
            where c.relnamespace = (select relnamespace from pg_class where oid = '{s}.meta'::regclass) and c.relkind = 'r'
              and has_table_privilege(c.oid, 'select')";
        for row in step.query(sql, &[]).await? {
            let set: &str = row.get(0);
            step.query(set, &[]).await?;
        }
        step.commit().await
    }

    /// The rows have kept their numbers, whatever was done to the columns: they are noted as they are now.
    pub async fn same(self, columns: &[KeyColumn]) -> Result<(), StoreError> {
        let mut client = self.0.client().await?;
        let step = self.0.step_aside(&mut client).await?;
        step.keys().forget().await?;
        step.keys().renew(columns).await?;
        step.commit().await
    }
}

/// Why something is not sent any more.
const REKEYED: &str = "the site's rows were numbered anew while it waited";

/// Since when nothing was streamed of a mapped table, because another one has taken its place, or nothing publishes it.
const AWAY_SINCE: &str = "select min(p.checked_at) from {s}.published p
    where p.is_away or p.table_oid is not null and not exists (
        select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.oid = p.table_oid and n.nspname || '.' || c.relname = p.relation)";

/// What became of what was known by the former numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rekeyed {
    /// Tickets that go on under another number.
    pub renumbered: u64,
    /// Tickets that are known no more.
    pub tickets: u64,
    /// Captured changes that were not resolved: the repair looks for their rows.
    pub events: u64,
    /// Deliveries that would have been read by a former number, and files of others.
    pub skipped: u64,
}

impl Keys<'_, Store> {
    /// The rows were numbered anew: nothing is known by its number any more but the tickets of `renumbered`, which go on in
    /// their cases under these numbers. The others are gone, as if the site had deleted them: what is queued for their cases
    /// is still sent, what is said there is not written. What was captured since the oldest change that waits is looked for in
    /// the tables, and older rows are not the connector's business. `oldest`: when the oldest row was made whose INSERT
    /// waits, in seconds since 1970, where that is known: it is older than its commit.
    pub async fn anew(
        self,
        columns: &[KeyColumn],
        oldest: Option<f64>,
        renumbered: &[(LaneId, TicketKey)],
    ) -> Result<Rekeyed, StoreError> {
        let ids: Vec<i64> = renumbered.iter().map(|(id, _)| id.0).collect();
        let keys: Vec<&str> = renumbered.iter().map(|(_, key)| key.as_str()).collect();
        let mut client = self.0.client().await?;
        let step = self.0.step_aside(&mut client).await?;
        let tickets = step
            .execute(
                "with t as (update {s}.ticket set gone = true where not gone and id <> all ($1) returning id)
                 insert into {s}.journal (ticket_id, what) select id, 'the site''s rows were numbered anew' from t",
                &[&ids],
            )
            .await?;
        let own = "select l.id from {s}.link l where l.section = 'ticket' and not l.gone and l.ticket_id = any ($1)";
        let own = step.query(own, &[&ids]).await?;
        let own: Vec<i64> = own.iter().map(|row| row.get(0)).collect();
        // Out of the way of the new numbers, and kept.
        let links = "update {s}.link set gone = true, gone_xid = null, key = key || '~' || id, row_key = row_key || '~' || id
            where key not like '%~' || id";
        step.execute(links, &[]).await?;
        // First out of each other's way as well. Their cases hold the former number in the ticket's field. What was sent to
        // them is forgotten with the rows' numbers, so that the case is asked before anything is sent to it.
        let former = "update {s}.ticket set case_key = coalesce(case_key, key), key = key || '~' || id, ask_first = true where id = any ($1)";
        step.execute(former, &[&ids]).await?;
        let now = "with t as (
                update {s}.ticket t set key = u.key,
                    generation = coalesce((select max(o.generation) from {s}.ticket o where o.key = u.key), 0) + 1
                from unnest($1::int8[], $2::text[]) u (id, key) where t.id = u.id returning t.id, t.key)
            insert into {s}.journal (ticket_id, what, detail)
            select id, 'the site''s rows were numbered anew', 'this one is ' || key || ' now' from t";
        let renumbered = step.execute(now, &[&ids, &keys]).await?;
        let links = "update {s}.link l set key = t.key, gone = false from {s}.ticket t where t.id = l.ticket_id and l.id = any ($1)";
        step.execute(links, &[&own]).await?;
        // A row counts as written since then if its own time lies behind it, so it is put a little before. Of a table that has
        // taken another one's place nothing was streamed until it was published.
        let since = "update {s}.published set since = least(to_timestamp($1::float8 - 0.001),
                (select gap_since from {s}.meta where gap_from is not null), $2::timestamptz,
                (select coalesce(min(committed_at), clock_timestamp()) from {s}.event)),
            since_xid = pg_current_xact_id()";
        let rows = step.query(AWAY_SINCE, &[]).await?;
        let away: Option<jiff::Timestamp> = rows.first().and_then(|row| row.get(0));
        step.execute(since, &[&oldest, &away]).await?;
        let gap = "update {s}.meta set baseline = null, gap_from = coalesce(gap_from, captured_lsn),
                gap_since = least(gap_since, $1::timestamptz, (select min(committed_at) from {s}.event)), gap_xid = pg_current_xact_id()
            where (gap_from is not null or $1::timestamptz is not null or exists (select from {s}.event)) and captured_lsn is not null";
        step.execute(gap, &[&away]).await?;
        let unresolved =
            "update {s}.delivery set state = 'skipped', error = $1, done_at = now(), image = null
            where state = 'unresolved' or (state = 'parked' and body is null and act <> 'status')
               or (act = 'file' and state in ('queued', 'parked'))";
        let mut skipped = step.execute(unresolved, &[&REKEYED]).await?;
        let files = "update {s}.delivery set files = null where state in ('queued', 'doubt', 'parked') and files is not null";
        skipped += step.execute(files, &[]).await?;
        let events = step.execute("delete from {s}.event", &[]).await?;
        step.keys().forget().await?;
        step.keys().renew(columns).await?;
        step.commit().await?;
        Ok(Rekeyed {
            renumbered,
            tickets,
            events,
            skipped,
        })
    }
}

impl Keys<'_, Step<'_>> {
    async fn mapped(self, sql: &str, columns: &[KeyColumn]) -> Result<u64, StoreError> {
        let column = |of: fn(&KeyColumn) -> &str| columns.iter().map(of).collect::<Vec<&str>>();
        let primary: Vec<bool> = columns.iter().map(|column| column.is_primary).collect();
        self.0
            .execute(
                sql,
                &[
                    &column(|column| &column.section),
                    &column(|column| column.part),
                    &column(|column| &column.schema),
                    &column(|column| &column.table),
                    &column(|column| &column.column),
                    &primary,
                ],
            )
            .await
    }

    /// Who compares and who decides wait for each other: else a decision would be held again by an older look.
    pub(super) async fn lock(self) -> Result<(), StoreError> {
        let sql = self
            .0
            .store
            .sql("lock table {s}.key_column in share row exclusive mode");
        Ok(self.0.transaction.batch_execute(&sql).await?)
    }

    /// Forgets what is noted, and that it was held.
    async fn forget(self) -> Result<(), StoreError> {
        self.lock().await?;
        self.0
            .execute("delete from {s}.hold where kind = 'keys'", &[])
            .await?;
        self.0.execute("delete from {s}.key_column", &[]).await?;
        Ok(())
    }

    /// Notes the columns as they are, unless they are held.
    async fn renew(self, columns: &[KeyColumn]) -> Result<(), StoreError> {
        let sql = format!(
            "{MAPPED},
             free as (select not exists (select from {{s}}.hold where kind = 'keys') as is_free),
             gone as (delete from {{s}}.key_column k where (select is_free from free)
                 and not exists (select from mapped m where (m.section, m.part, m.place) = (k.section, k.part, k.place)))
             insert into {{s}}.key_column as k
                 (section, part, place, schema_name, table_name, column_name, relation, attnum, type, is_primary, file)
             select section, part, place, schema_name, table_name, column_name, relation, attnum, type, is_primary, file
             from mapped where (select is_free from free)
             on conflict (section, part, place) do update set schema_name = excluded.schema_name,
                 table_name = excluded.table_name, column_name = excluded.column_name, relation = excluded.relation,
                 attnum = excluded.attnum, type = excluded.type, is_primary = excluded.is_primary,
                 -- Rows that were written anew are compared first.
                 file = case when k.relation = excluded.relation then coalesce(k.file, excluded.file) else excluded.file end
             where (k.schema_name, k.table_name, k.column_name, k.relation, k.attnum, k.type, k.is_primary, k.file is null)
                 is distinct from (excluded.schema_name, excluded.table_name, excluded.column_name, excluded.relation,
                                   excluded.attnum, excluded.type, excluded.is_primary, false)"
        );
        self.mapped(&sql, columns).await?;
        Ok(())
    }
}

impl Keys<'_, Store> {
    /// The tables whose rows were written anew by the site, each with the file in which they stand now.
    pub async fn rewritten(self) -> Result<Vec<Rewritten>, StoreError> {
        let sql = "select distinct k.relation, c.relfilenode as file, k.schema_name || '.' || k.table_name as name
            from {s}.key_column k join pg_class c on c.oid = k.relation
            where k.section in ('ticket', 'message') and k.part = 'key' and k.file <> c.relfilenode order by name";
        let read = |row: &tokio_postgres::Row| Rewritten {
            relation: row.get("relation"),
            file: row.get("file"),
            name: row.get("name"),
        };
        Ok(self.0.query(sql, &[]).await?.iter().map(read).collect())
    }

    /// Why no number of the site's is believed at this moment; `None`: they are.
    pub async fn doubt(self) -> Result<Option<String>, StoreError> {
        let sql = "select coalesce((select h.reason from {s}.hold h order by h.kind limit 1),
            (select c.what from {s}.changed_key c order by c.place, c.what limit 1))";
        let rows = self.0.query(sql, &[]).await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }

    /// Their rows were compared as they stand in that file; what was written anew once more since then is compared again.
    pub async fn compared(self, tables: &[Rewritten]) -> Result<(), StoreError> {
        let relations: Vec<u32> = tables.iter().map(|table| table.relation).collect();
        let files: Vec<u32> = tables.iter().map(|table| table.file).collect();
        let sql = "update {s}.key_column k set file = u.file
            from unnest($1::oid[], $2::oid[]) u (relation, file) where k.relation = u.relation";
        self.0.execute(sql, &[&relations, &files]).await?;
        Ok(())
    }

    /// Their rows have other numbers than before: everything is held until a person has said what became of them.
    pub async fn hold(self, tables: &[Rewritten]) -> Result<(), StoreError> {
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let what = "'the rows of ' || $1::text || ' were written anew, and the tickets that the connector knows stand \
                    under other numbers'";
        if self.0.execute(&told(what), &[&names.join(" and ")]).await? > 0 {
            self.0.wake.hold.notify_one();
        }
        Ok(())
    }
}

impl TransactionWriter<'_> {
    /// A table is described anew: if its key is another one, everything is held from these rows on.
    pub async fn keys_compare(&self) -> Result<(), StoreError> {
        let sql = self.store.sql(&told("{s}.keys_changed()"));
        if execute_in(&self.transaction, sql, &[]).await? > 0 {
            self.store.wake.hold.notify_one();
        }
        Ok(())
    }
}
