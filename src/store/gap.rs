//! The repair of a gap (rule 12): what it brings in goes through `event`, like what is streamed, in the numbers that were
//! kept free for it between what was captured before the gap and what is captured after it.

use serde_json::Value;

use super::{OpenGap, Step, Store, StoreError};
use crate::model::{Op, RelationName, Section};

/// So many numbers are kept free.
const KEPT_FREE: i64 = 1_000_000_000;

/// So many keys of held rows are shown.
const SHOWN: usize = 20;

/// A row that the repair brings in.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRow {
    /// The table.
    pub relation: RelationName,
    /// What happened to it.
    pub op: Op,
    /// Its key, and what names its ticket; all else is read by key. Of a deleted row the key.
    pub image: Value,
    /// Its `created_at`, in seconds since 1970, which stands for its commit's time.
    pub at: Option<f64>,
}

/// A row that we know and that stands in its table, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRow {
    /// Where to go on behind it.
    pub id: i64,
    pub key: String,
    /// A change of it may mean something to Deskie.
    pub matters: bool,
}

impl OpenGap<'_, Store> {
    /// Keeps numbers free for what the repair brings in, before capture goes on.
    pub async fn reserve(self) -> Result<(), StoreError> {
        let sql = "update {s}.meta set gap_position = setval(pg_get_serial_sequence($1, 'id'),
                nextval(pg_get_serial_sequence($1, 'id')) + $2) - $2
            where gap_from is not null and gap_position is null and (select {s}.fence($3))";
        self.0
            .execute(sql, &[&self.0.sql("{s}.event"), &KEPT_FREE, &self.0.epoch().0])
            .await?;
        Ok(())
    }

    /// What the repair is at, for `status`.
    pub async fn note_progress(self, text: &str) -> Result<(), StoreError> {
        self.0
            .execute("update {s}.meta set repair_note = $1", &[&text])
            .await?;
        Ok(())
    }

    /// The rows of a section that stand in their table as far as is known, some at a time. Of messages in lists it is the
    /// rows that they stand in. `matters`: the SQL of what else matters of a link `l`, or a ticket `l`.
    pub async fn known_rows(
        self,
        section: Section,
        matters: &str,
        in_lists: bool,
        after: i64,
        limit: i64,
    ) -> Result<Vec<KnownRow>, StoreError> {
        let sql = match (section, in_lists) {
            (Section::Ticket, _) => format!(
                "select id, key, {matters} as matters from {{s}}.ticket l where id > $1 and not gone order by id limit $2"
            ),
            (_, false) => format!(
                "select id, key, {matters} as matters from {{s}}.link l
                 where id > $1 and section = 'message' and not gone order by id limit $2"
            ),
            (_, true) => "select min(id) as id, row_key as key, true as matters from {s}.link where section = 'message' and row_key is not null
                    and (not gone or gone_xid is null) group by row_key having min(id) > $1 order by 1 limit $2"
                .to_owned(),
        };
        let read = |row: &tokio_postgres::Row| KnownRow {
            id: row.get("id"),
            key: row.get("key"),
            matters: row.get("matters"),
        };
        Ok(self
            .0
            .query(&sql, &[&after, &limit])
            .await?
            .iter()
            .map(read)
            .collect())
    }

    /// Which of these keys are known, whatever became of their rows.
    pub async fn known_keys(
        self,
        section: Section,
        keys: &[String],
    ) -> Result<std::collections::HashSet<String>, StoreError> {
        let sql = "select key from {s}.link where section = $1 and key = any($2)";
        let rows = self.0.query(sql, &[&section.as_str(), &keys]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Nothing that says by which transaction of another server something was done means anything here: all of it is
    /// voided in one step, before this server's state is taken over. What was captured there is visible here; which rows
    /// are new is decided by `created_at` and by greatest keys.
    pub async fn void_xids(self) -> Result<(), StoreError> {
        // Beyond what any server counts to, so that rows of one transaction still belong together, and equal none of here.
        let elsewhere = |column: &str| {
            format!(
                "case when {column}::text::numeric < 4611686018427387904
                    then ({column}::text::numeric + 4611686018427387904)::text::xid8 else {column} end"
            )
        };
        let mut client = self.0.client().await?;
        let transaction = client.transaction().await?;
        for sql in [
            "update {s}.meta set started_xid = pg_current_xact_id(), captured_xid = null, gap_xid = null,
                 gap_by_keys = true"
                .to_owned(),
            "update {s}.published set since_xid = case when since is not null then pg_snapshot_xmin(pg_current_snapshot()) end,
                 checked_xid = pg_snapshot_xmin(pg_current_snapshot()), again_xid = null, again_since = null, again_from = null"
                .to_owned(),
            format!("update {{s}}.event set xid = {}", elsewhere("xid")),
            format!(
                "update {{s}}.link set gone_xid = {} where gone_xid is not null",
                elsewhere("gone_xid")
            ),
            "update {s}.clock set last_xid = null".to_owned(),
        ] {
            transaction.batch_execute(&self.0.sql(&sql)).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

impl OpenGap<'_, Step<'_>> {
    /// Brings rows in, in this order. Resolving takes them like those of the stream, before what is captured from now on.
    pub async fn add_events(self, rows: &[FoundRow]) -> Result<(), StoreError> {
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let sql = "update {s}.meta set gap_position = gap_position + $1 returning gap_position - $1";
        let first = self.0.query(sql, &[&count]).await?;
        let first: i64 = first
            .first()
            .and_then(|row| row.get::<_, Option<i64>>(0))
            .ok_or_else(|| StoreError::Damaged("no numbers are kept free for the gap's rows".into()))?;
        let sql = "insert into {s}.event (id, xid, commit_lsn, committed_at, schema_name, table_name, op, image, old_key,
                size, echo, found)
            overriding system value
            select $1 + place - 1, pg_current_xact_id(), coalesce(m.captured_lsn, '0/0'),
                coalesce(to_timestamp(floor(at)), clock_timestamp()), s, t, o,
                case when o <> 'D' then i::jsonb end, case when o = 'D' then i::jsonb end, octet_length(i), false, true
            from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::float8[]) with ordinality as u (s, t, o, i, at, place),
                {s}.meta m";
        let texts = |text: fn(&FoundRow) -> String| rows.iter().map(text).collect::<Vec<String>>();
        let times: Vec<Option<f64>> = rows
            .iter()
            .map(|row| row.at.filter(|at| at.is_finite()))
            .collect();
        self.0
            .execute(
                sql,
                &[
                    &first,
                    &texts(|row| row.relation.schema.clone()),
                    &texts(|row| row.relation.table.clone()),
                    &texts(|row| row.op.as_str().to_owned()),
                    &texts(|row| row.image.to_string()),
                    &times,
                ],
            )
            .await?;
        Ok(())
    }

    /// Holds rows that cannot be told from old ones for a person, all of them as one decision: `failed retry` brings them
    /// in, `failed discard` leaves them out. They stay unknown until then.
    pub async fn hold(self, rows: &[(String, FoundRow)], why: &str) -> Result<i64, StoreError> {
        let shown: Vec<&str> = rows.iter().take(SHOWN).map(|(name, _)| name.as_str()).collect();
        let image = serde_json::json!({ "rows": rows.len(), "the first": shown.join(", ") });
        let sql = "insert into {s}.delivery (position, section, act, image, state, error)
            values (0, 'ticket', 'held', $1, 'parked', $2) returning id";
        let delivery = self.0.query(sql, &[&image, &why]).await?;
        let delivery: i64 = delivery
            .first()
            .map(|row| row.get(0))
            .ok_or_else(|| StoreError::Damaged("gap_hold gave no id".into()))?;
        let sql = "insert into {s}.held (delivery_id, schema_name, table_name, image, committed_at)
            select $1, s, t, i::jsonb, to_timestamp(floor(at))
            from unnest($2::text[], $3::text[], $4::text[], $5::float8[]) with ordinality as u (s, t, i, at, place)
            order by place";
        for rows in rows.chunks(10_000) {
            let schemas: Vec<&str> = rows.iter().map(|(_, row)| row.relation.schema.as_str()).collect();
            let tables: Vec<&str> = rows.iter().map(|(_, row)| row.relation.table.as_str()).collect();
            let images: Vec<String> = rows.iter().map(|(_, row)| row.image.to_string()).collect();
            let times: Vec<Option<f64>> = rows
                .iter()
                .map(|(_, row)| row.at.filter(|at| at.is_finite()))
                .collect();
            self.0
                .execute(sql, &[&delivery, &schemas, &tables, &images, &times])
                .await?;
        }
        Ok(delivery)
    }

    /// The gap is repaired; what came of it stands in `status` and in the journal.
    pub async fn close(self, told: &str) -> Result<(), StoreError> {
        let sql =
            "update {s}.meta set gap_from = null, gap_since = null, gap_xid = null, gap_position = null,
                gap_by_keys = false, repair_note = $1";
        self.0.execute(sql, &[&told]).await?;
        self.0.journal().add(None, "repaired", told).await
    }
}
