//! Who leads (rule 13).
//!
//! A session advisory lock keeps a second instance out while the first one's connection lives; the lease row with its
//! epoch, checked in every durable step, keeps out a leader that was taken for dead and is not.

use std::time::{Duration, Instant};

use super::shared::{RunError, Shared};
use crate::console::Vital;
use crate::model::{CrashPoint, clock};
use crate::postgres::{SessionOptions, connect, describe};
use crate::store::StoreError;

/// A lease that was not renewed for so long is stale: its holder is taken for dead. With the looks of a standby and the
/// take-over itself that is well within ten seconds.
const STALE_AFTER: f64 = 6.0;

/// A lease that was not renewed for so long makes a standby try the lock.
const LATE_AFTER: f64 = 3.0;

/// How long an ended session may take to let go of its lock.
const LETS_GO_WITHIN: Duration = Duration::from_secs(2);

/// One who has the lock takes the lease within [`ASK_WITHIN`](super::ASK_WITHIN); who has not by now is no leader.
const TAKES_LEASE_WITHIN: Duration = Duration::from_secs(35);

/// How long giving the lease back may take: a standby waits for it no longer than for a stale one.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(1);

/// Why this instance cannot lead.
pub enum Trouble {
    /// It is tried again.
    Passing(String),
    /// No waiting mends it.
    Fatal(RunError),
}

/// The connection that holds the lock, where this instance won. One that has stood by looks at the lease alone, and
/// tries the lock once the lease was given back or is not renewed any more. `held_since`: since when the lock was held by
/// somebody without a lease.
pub async fn try_lead(
    shared: &Shared,
    vital: &Vital,
    stood_by: bool,
    held_since: &mut Option<Instant>,
) -> Result<Option<tokio_postgres::Client>, Trouble> {
    let passing = |error: &dyn std::fmt::Display| Trouble::Passing(error.to_string());
    let store = &shared.store;
    if stood_by {
        let age = store.lease().age().await.map_err(|error| passing(&error))?;
        vital.saw_database();
        if age.is_some_and(|age| age < LATE_AFTER) {
            *held_since = None;
            return Ok(None);
        }
    }
    let is_set_up = store.is_set_up().await.map_err(|error| match error {
        StoreError::Newer { .. } => Trouble::Fatal(RunError::Fatal(error.to_string())),
        error => passing(&error),
    })?;
    if !is_set_up {
        return Err(Trouble::Fatal(RunError::NotSetUp));
    }
    let options = SessionOptions::new("leader")
        .with_instance(&shared.instance)
        .committing_here()
        .with_statement_timeout(Some(Duration::from_secs(10)));
    let connection = connect(&shared.url, &options)
        .await
        .map_err(|error| passing(&error))?;
    vital.saw_database();
    if !lock(shared, &connection).await? {
        let age = store.lease().age().await.map_err(|error| passing(&error))?;
        if age.is_some_and(|age| age <= STALE_AFTER) {
            return Ok(None);
        }
        let holder = holder(shared, &connection).await?;
        let held_for = held_since.get_or_insert_with(clock::monotonic).elapsed();
        // Any user of the database can take this lock, and a session that is none of a leader keeps nobody from leading:
        // the lease decides. Only one of our own role may be a leader's that is just about to take the lease.
        let is_a_strangers = matches!(holder, Holder::Strangers(_));
        if age.is_none() && !is_a_strangers && held_for <= TAKES_LEASE_WITHIN {
            return Ok(None);
        }
        // A frozen leader keeps its lock: it is ended once its lease is stale.
        depose(shared, &connection).await?;
        match holder {
            Holder::Strangers(who) => tracing::warn!(
                "the lock of this connector is held by sessions that are none of it ({who}): it leads without the lock, by its \
                 lease alone; find out who that is, and end them (pg_terminate_backend; rollback prepared, see pg_prepared_xacts)"
            ),
            Holder::Ours if !lock_soon(shared, &connection).await? => return Ok(None),
            Holder::Ours => {}
        }
    } else {
        // The session with the lock is gone, and the lease was not given back: what else the former leader has open
        // would hold the slot and our steps up.
        depose(shared, &connection).await?;
    }
    let steps = store.migrate().await.map_err(|error| passing(&error))?;
    if steps > 0 {
        tracing::info!("the connector's tables were brought up to date ({steps} steps)");
    }
    let holder = format!(
        "pid {} on {}, instance {}",
        std::process::id(),
        hostname(),
        shared.instance
    );
    let epoch = store
        .lease()
        .take(&holder)
        .await
        .map_err(|error| passing(&error))?;
    CrashPoint::LeaseTaken.reached();
    tracing::info!(%epoch, "leading");
    Ok(Some(connection))
}

/// Tries the lock that the leader holds.
async fn lock(shared: &Shared, connection: &tokio_postgres::Client) -> Result<bool, Trouble> {
    let sql = "select pg_try_advisory_lock(hashtextextended('deskie_cdc leader ' || $1, 0))";
    let row = connection.query_one(sql, &[&shared.store.schema()]).await;
    row.and_then(|row| row.try_get(0))
        .map_err(|error| Trouble::Passing(describe(&error)))
}

/// The same once the session that held it was ended.
async fn lock_soon(shared: &Shared, connection: &tokio_postgres::Client) -> Result<bool, Trouble> {
    let locking = async {
        loop {
            if lock(shared, connection).await? {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LETS_GO_WITHIN, locking)
        .await
        .unwrap_or(Ok(false))
}

/// Who has the leader's lock.
enum Holder {
    /// A session of our own role, or nobody any more.
    Ours,
    /// Nobody but others: who, in words.
    Strangers(String),
}

async fn holder(shared: &Shared, connection: &tokio_postgres::Client) -> Result<Holder, Trouble> {
    // A prepared transaction keeps its locks without any session, and one role's sessions may share a lock.
    let sql = "select string_agg(case when l.pid is null then 'a prepared transaction' else format('pid %s, role %s', l.pid, a.usename) end, '; ' order by l.pid)
                filter (where a.usename is distinct from session_user),
            coalesce(bool_or(a.usename = session_user), false)
        from pg_locks l left join pg_stat_activity a on a.pid = l.pid
        where l.locktype = 'advisory' and l.granted and l.objsubid = 1
          and l.database = (select oid from pg_database where datname = current_database())
          and (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('deskie_cdc leader ' || $1, 0)";
    let row = connection.query_one(sql, &[&shared.store.schema()]).await;
    let read = |row: tokio_postgres::Row| Ok((row.try_get::<_, Option<String>>(0)?, row.try_get(1)?));
    match row.and_then(read) {
        Ok((Some(who), false)) => Ok(Holder::Strangers(who)),
        Ok(_) => Ok(Holder::Ours),
        Err(error) => Err(Trouble::Passing(describe(&error))),
    }
}

/// Ends the sessions of a former leader that has not given its lease back: the one with the lock, the one that streams,
/// and those that may stand in the middle of a step. The epoch is raised by whoever has the lock then.
async fn depose(shared: &Shared, connection: &tokio_postgres::Client) -> Result<(), Trouble> {
    let sql = shared.store.sql(
        "with former as (select substring(holder from ' instance ([0-9a-f]+)$') as instance
                from {s}.lease where renewed_at is not null),
            holding as (select pid from pg_locks
                where locktype = 'advisory' and granted
                  and database = (select oid from pg_database where datname = current_database())
                  and (classid::bigint << 32) | objid::bigint = hashtextextended('deskie_cdc leader ' || $1, 0)
                  and objsubid = 1)
        select count(pg_terminate_backend(a.pid)) from pg_stat_activity a left join former on true
        where a.datname = current_database() and a.usename = session_user and a.pid <> pg_backend_pid()
          and (a.pid in (select pid from holding)
               or (former.instance <> $2 and a.application_name like 'deskie-cdc % ' || former.instance))",
    );
    let ended = connection
        .query_one(&sql, &[&shared.store.schema(), &shared.instance])
        .await;
    let ended: i64 = ended
        .and_then(|row| row.try_get(0))
        .map_err(|error| Trouble::Passing(describe(&error)))?;
    let ended = ended + depose_stream(shared, connection).await?;
    if ended > 0 {
        tracing::warn!(
            "the former leader has not given its lease back: {ended} of its sessions ended, this instance takes over"
        );
    }
    Ok(())
}

/// The session that streams, where it is another role's: nobody else may end it.
async fn depose_stream(shared: &Shared, connection: &tokio_postgres::Client) -> Result<i64, Trouble> {
    if shared.streaming.user() == shared.url.user() {
        return Ok(0);
    }
    let passing = |error: &tokio_postgres::Error| Trouble::Passing(describe(error));
    let sql = shared.store.sql(
        "select substring(holder from ' instance ([0-9a-f]+)$') from {s}.lease where renewed_at is not null",
    );
    let former = connection.query_opt(&sql, &[]).await;
    let former = former.map_err(|error| passing(&error))?;
    let Some(former) = former.and_then(|row| row.get::<_, Option<String>>(0)) else {
        return Ok(0);
    };
    let options = SessionOptions::new("leader").with_instance(&shared.instance);
    // Without it everything but the stream goes on, and the server lets go of the slot in a while.
    let streaming = match connect(&shared.streaming, &options).await {
        Ok(streaming) => streaming,
        Err(error) => {
            tracing::warn!(
                "whether the former leader still streams could not be seen over postgres.replication_url: {error}"
            );
            return Ok(0);
        }
    };
    let sql = "select count(pg_terminate_backend(a.pid)) from pg_stat_activity a
        where a.datname = current_database() and a.usename = session_user and a.pid <> pg_backend_pid()
          and $1 <> $2 and a.application_name like 'deskie-cdc % ' || $1";
    let ended = streaming.query_one(sql, &[&former, &shared.instance]).await;
    ended
        .and_then(|row| row.try_get(0))
        .map_err(|error| passing(&error))
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .map_or_else(|_| "this machine".to_owned(), |name| name.trim().to_owned())
}

/// Lets go of the lead.
pub async fn give_back(shared: &Shared, connection: tokio_postgres::Client) {
    match tokio::time::timeout(GIVE_BACK_WITHIN, shared.store.lease().give_back()).await {
        Ok(Ok(())) => CrashPoint::LeaseGivenBack.reached(),
        Ok(Err(error)) => tracing::debug!("the lease could not be given back: {error}"),
        Err(_) => tracing::debug!("the lease could not be given back within {GIVE_BACK_WITHIN:?}"),
    }
    // Closing the session lets go of the lock.
    drop(connection);
}
