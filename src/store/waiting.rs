//! All that waits in the tables, and everything else that is watched, in the one statement that renews the lease.
//!
//! Nothing else looks at the tables while nothing happens: what this process puts into them rings by itself ([`Wake`]),
//! and what came otherwise (a webhook that a standby took, a person's `failed retry`, a time that has come) is found here
//! within one beat. So an idle connector costs the site's server a statement every two seconds.

use std::time::Duration;

use super::{Lease, Store, StoreError, Wake};

/// When each flow has something to do; `None`: nothing waits for it. Of what is past, nothing may be possible all the
/// same: it may stand behind something else.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Due {
    /// Captured changes, and rows that are resolved again.
    pub events: Option<Duration>,
    /// What is sent, looked for or read.
    pub lanes: Option<Duration>,
    /// Webhooks, and cases born in Deskie.
    pub inbox: Option<Duration>,
    /// What is written to the site.
    pub remotes: Option<Duration>,
}

/// What stands in the catalog and in our tables besides work.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watched {
    /// What is held, and why.
    pub holds: Vec<String>,
    /// The directions that are paused.
    pub paused: Vec<String>,
    /// A gap in the stream is open.
    pub gap: bool,
    /// The bytes of WAL that our slot holds; `None`: there is no slot of that name.
    pub held_bytes: Option<i64>,
    /// The server has given the slot up, or it is not there.
    pub slot_lost: bool,
    /// Stands for all that the catalog says of the mapped tables and the publications: another number, another catalog.
    pub catalog: i64,
    /// `synchronous_standby_names` holds `*`: whoever streams counts as a standby, and commits wait for what is acknowledged.
    pub stream_is_standby: bool,
}

/// What a beat has found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Waiting {
    /// The lease was renewed; else another instance has taken over.
    pub leads: bool,
    /// What waits.
    pub due: Due,
    pub watched: Watched,
}

/// What is asked about.
#[derive(Debug, Clone)]
pub struct Beat {
    /// Our slot.
    pub slot: String,
    /// Our publications.
    pub publications: Vec<String>,
    /// The mapped tables' names, without their schemas.
    pub tables: Vec<String>,
}

/// A column whose text is the version of a row of the catalog: any DDL gives it another one, and no VACUUM does. Partitions
/// are told by themselves and their indexes, since a change of a column of theirs is one of their root's as well.
const CATALOG: &str = "(with recursive root as (
        select c.oid from pg_class c where c.oid in (
            select table_oid from {s}.published union all select relation from {s}.key_column) or c.relname = any($4)),
    tree as (
        select oid from root
        union select i.inhrelid from tree join pg_inherits i on i.inhparent = tree.oid)
    select coalesce(sum(hashtextextended(what, 0)::numeric) % 9223372036854775807, 0)::int8 from (
        select 'c' || c.oid || ' ' || c.xmin || ' ' || n.oid || ' ' || n.xmin as what from tree
            join pg_class c on c.oid = tree.oid join pg_namespace n on n.oid = c.relnamespace
        union all select 'a' || a.attrelid || ' ' || a.attnum || ' ' || a.xmin from root
            join pg_attribute a on a.attrelid = root.oid and a.attnum > 0
        union all select 'i' || i.indexrelid || ' ' || i.xmin from tree join pg_index i on i.indrelid = tree.oid
        union all select 'p' || p.oid || ' ' || p.xmin from pg_publication p where p.pubname::text = any($3)
        union all select 'r' || r.oid || ' ' || r.xmin from pg_publication p
            join pg_publication_rel r on r.prpubid = p.oid where p.pubname::text = any($3)) row_of_the_catalog)";

/// Seconds until a moment.
const IN: &str = "extract(epoch from AT - clock_timestamp())::float8";

impl Lease<'_, Store> {
    /// Renews the lease and tells what waits, on the connection that holds the leader's lock: one that says nothing for
    /// long is cut off by what stands in between.
    pub async fn beat(
        self,
        connection: &tokio_postgres::Client,
        statement: &mut Option<tokio_postgres::Statement>,
        beat: &Beat,
    ) -> Result<Waiting, StoreError> {
        let prepared = match statement {
            Some(statement) => statement,
            None => statement.insert(connection.prepare(&self.0.sql(&sql())).await?),
        };
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&self.0.epoch().0, &beat.slot, &beat.publications, &beat.tables];
        let committed = self.0.capture().committed();
        let row = connection.query_one(&*prepared, &values).await?;
        let leads = row.get("leads");
        if leads {
            self.0.capture().note_on_disk(committed);
        }
        let time = |column: &str| {
            let seconds: Option<f64> = row.get(column);
            seconds.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e6)))
        };
        let wal_status: Option<String> = row.get("wal_status");
        Ok(Waiting {
            leads,
            due: Due {
                events: time("events"),
                lanes: time("lanes"),
                inbox: time("inbox"),
                remotes: time("remotes"),
            },
            watched: Watched {
                holds: row.get("holds"),
                gap: row.get("gap"),
                held_bytes: row.get("held_bytes"),
                slot_lost: wal_status.as_deref().is_none_or(|status| status == "lost"),
                catalog: row.get("catalog"),
                paused: row.get("paused"),
                stream_is_standby: row.get("stream_is_standby"),
            },
        })
    }
}

fn sql() -> String {
    let until = |moment: &str| IN.replace("AT", moment);
    let events = until("(select min(not_before) from {s}.delivery where state = 'unresolved')");
    let lanes = until(
        "least((select min(not_before) from {s}.delivery where state in ('queued', 'doubt') and behind is null),
               (select min(coalesce(read_not_before, to_timestamp(0))) from {s}.ticket
                where read_wanted is not null and case_id is not null and merged_into is null))",
    );
    let inbox = until(
        "least((select min(not_before) from {s}.inbox where state = 'waiting'),
               (select min(not_before) from {s}.birth where state = 'pending'))",
    );
    let remotes = until(
        "least((select min(not_before) from {s}.remote where state = 'pending'),
               (select min(not_before) from {s}.status_write where state = 'pending'))",
    );
    format!(
        "with renewed as (update {{s}}.lease set renewed_at = clock_timestamp() where epoch = $1 returning epoch)
         select exists (select from renewed) as leads,
             case when exists (select from {{s}}.event) or exists (select from {{s}}.parked_event where state = 'retry')
                 then 0 else {events} end as events,
             {lanes} as lanes, {inbox} as inbox, {remotes} as remotes,
             array(select reason from {{s}}.hold order by since, kind) as holds,
             exists (select from {{s}}.meta where gap_from is not null) as gap,
             slot.held as held_bytes, slot.wal_status, {CATALOG} as catalog,
             array(select way from {{s}}.pause order by way) as paused,
             strpos(current_setting('synchronous_standby_names'), '*') > 0 as stream_is_standby
         from (select) one
         left join (select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::int8 as held, coalesce(wal_status, '') as wal_status
             from pg_replication_slots where slot_name = $2) slot on true"
    )
}

impl Wake {
    /// A message or a status waits for being written to the site.
    pub fn ring_remotes(&self) {
        self.remotes.notify_one();
        self.files.notify_one();
    }
}
