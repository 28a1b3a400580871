//! Who leads (rule 13).
//!
//! A session advisory lock keeps a second instance out while the first one's connection lives; the lease row with its
//! epoch, checked in every durable step, keeps out a leader that was taken for dead and is not.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{RunError, Shared, work};
use crate::console::{Role, Vital};
use crate::model::CrashPoint;
use crate::postgres::{SessionOptions, connect, describe};
use crate::store::StoreError;

/// A lease that was not renewed for so long is stale: its holder is taken for dead. With the looks of a standby and the
/// take-over itself that is well within ten seconds.
const STALE_AFTER: f64 = 6.0;

/// A lease that was not renewed for so long makes a standby try the lock.
const LATE_AFTER: f64 = 3.0;

/// How often a standby looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the database may take to answer one who wants to lead.
const ASK_WITHIN: Duration = Duration::from_secs(30);

/// How long an ended session may take to let go of its lock.
const LETS_GO_WITHIN: Duration = Duration::from_secs(2);

/// How long giving the lease back may take: a standby waits for it no longer than for a stale one.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(1);

/// Waits until this instance may lead, leads, and stands by again when it lost the lead; ends with `stop`.
pub async fn lead_or_stand_by(
    shared: &Shared,
    vital: &Arc<Vital>,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let mut attempt = 0u32;
    let mut stood_by = false;
    while !stop.is_cancelled() {
        let lead = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            lead = tokio::time::timeout(ASK_WITHIN, try_lead(shared, vital, stood_by)) => {
                lead.unwrap_or_else(|_| Err(Trouble::Passing(format!("no answer within {ASK_WITHIN:?}"))))
            }
        };
        stood_by = matches!(lead, Ok(None));
        match lead {
            Ok(Some(connection)) => {
                attempt = 0;
                vital.set_role(Role::Leader);
                work::work(shared, vital, connection, stop).await?;
                // What ended the term may be the network: a connection that nobody has closed is dead all the same.
                shared.forget_connections();
                vital.set_role(Role::Starting);
            }
            Ok(None) => {
                attempt = 0;
                vital.set_role(Role::Standby);
                pause(stop, LOOK_EVERY).await;
            }
            Err(Trouble::Fatal(error)) => return Err(error),
            Err(Trouble::Passing(text)) => {
                attempt += 1;
                shared.forget_connections();
                if attempt.is_power_of_two() {
                    tracing::error!(
                        attempt,
                        "the database cannot be used yet, it is tried again: {text}"
                    );
                }
                vital.set_error(&text);
                pause(stop, Duration::from_millis(250 * u64::from(attempt.min(20)))).await;
            }
        }
    }
    Ok(())
}

async fn pause(stop: &CancellationToken, time: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

enum Trouble {
    Passing(String),
    Fatal(RunError),
}

/// The connection that holds the lock, where this instance won. One that has stood by looks at the lease alone, and
/// tries the lock once the lease was given back or is not renewed any more.
async fn try_lead(
    shared: &Shared,
    vital: &Arc<Vital>,
    stood_by: bool,
) -> Result<Option<tokio_postgres::Client>, Trouble> {
    let passing = |error: &dyn std::fmt::Display| Trouble::Passing(error.to_string());
    let store = &shared.store;
    if stood_by {
        let age = store.lease_age().await.map_err(|error| passing(&error))?;
        vital.saw_database();
        if age.is_some_and(|age| age < LATE_AFTER) {
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
        .with_statement_timeout(Some(Duration::from_secs(10)));
    let connection = connect(&shared.url, &options)
        .await
        .map_err(|error| passing(&error))?;
    vital.saw_database();
    if !lock(shared, &connection).await? {
        // A frozen leader keeps its lock: it is ended once its lease is stale.
        let age = store.lease_age().await.map_err(|error| passing(&error))?;
        if age.is_none_or(|age| age <= STALE_AFTER) {
            return Ok(None);
        }
        depose(shared, &connection).await?;
        if !lock_soon(shared, &connection).await? {
            return Ok(None);
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
    let epoch = store.lease_take(&holder).await.map_err(|error| passing(&error))?;
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
    let streaming = connect(&shared.streaming, &options)
        .await
        .map_err(|error| Trouble::Passing(error.to_string()))?;
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
    match tokio::time::timeout(GIVE_BACK_WITHIN, shared.store.lease_give_back()).await {
        Ok(Ok(())) => CrashPoint::LeaseGivenBack.reached(),
        Ok(Err(error)) => tracing::debug!("the lease could not be given back: {error}"),
        Err(_) => tracing::debug!("the lease could not be given back within {GIVE_BACK_WITHIN:?}"),
    }
    // Closing the session lets go of the lock.
    drop(connection);
}

/// The tasks of one term of office, ended together.
pub async fn end_together(mut tasks: JoinSet<&'static str>, term: &CancellationToken, grace: Duration) {
    // Whichever ends first, but for the signal, ends the term: none of them ends by itself otherwise.
    if let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(name) => tracing::debug!("{name} ended"),
            Err(error) => tracing::error!("a task ended badly: {error}"),
        }
    }
    term.cancel();
    let finished = tokio::time::timeout(grace, async { while tasks.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        tracing::warn!("some work was cut off after {grace:?}; it is durable and goes on at the next start");
        tasks.abort_all();
    }
}
