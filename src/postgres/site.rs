//! The site's own `search_path`, around the mapping's own statements and nothing else (rule 4).
//!
//! At rest every session of ours has the path of `LEAVE`: no name, type, operator or function of our SQL can resolve to
//! something that somebody has put into a schema of the site's. What the role, the database, the URL or `[capture]
//! session` have set is kept in a setting of the session. A mapping's statement means what it means to the site, so the
//! path is put in right before it and taken out right after: all three go to the server at once, so it costs no round
//! trip, and whoever drops the future in between leaves no session behind with the wrong path.
//!
//! A statement that touches the site's tables runs here whoever wrote it, since functions of the site's policies,
//! triggers and defaults look for their names by the path that is in force. What we add to such a statement names
//! everything with its schema: functions, types, and operators as `OPERATOR(pg_catalog.=)`.
//!
//! A statement that has none of the site's expressions does not belong here.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use deadpool_postgres::StatementCache;
use futures::future::try_join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

use super::PooledClient;
use crate::mapping;

/// Keeps the path that is in force as the site's, and puts ours in. Names nothing that a path could lead astray.
pub(super) const KEEP: &str = "SELECT pg_catalog.set_config('deskie_cdc.site_path', \
    pg_catalog.current_setting('search_path'), false); SET search_path TO pg_catalog, pg_temp";

/// Puts the site's path in, for the session.
pub const ENTER: &str = "SELECT pg_catalog.set_config('search_path', \
    pg_catalog.current_setting('deskie_cdc.site_path'), false)";

/// Puts ours in.
const LEAVE: &str = "SET search_path TO pg_catalog, pg_temp";

/// Puts the site's path in until the transaction ends, or until [`LEAVE_LOCAL`].
pub const ENTER_LOCAL: &str = "SELECT pg_catalog.set_config('search_path', \
    pg_catalog.current_setting('deskie_cdc.site_path'), true)";

/// Puts ours in until the transaction ends.
pub const LEAVE_LOCAL: &str = "SET LOCAL search_path TO pg_catalog, pg_temp";

/// Takes another path than that of the login for the site's.
pub async fn set_path(client: &Client, path: &str) -> Result<(), Error> {
    let sql = "SELECT pg_catalog.set_config('deskie_cdc.site_path', $1::pg_catalog.text, false)";
    client.execute(sql, &[&path]).await.map(|_| ())
}

tokio::task_local! {
    /// What is sent now stands between [`together`]'s ways in and out.
    static ENTERED: ();
}

/// Work of several statements on one connection: what all of them send when they are polled first needs the path once. What comes
/// later puts it in anew.
pub async fn together<T>(client: &Client, work: impl Future<Output = T>) -> Result<T, Error> {
    let (mut work, mut is_first) = (pin!(work), true);
    let work = poll_fn(|context| match std::mem::take(&mut is_first) {
        true => ENTERED.sync_scope((), || work.as_mut().poll(context)),
        false => work.as_mut().poll(context),
    });
    let (entered, done, left) =
        futures::join!(client.batch_execute(ENTER), work, client.batch_execute(LEAVE));
    entered?;
    left?;
    Ok(done)
}

/// Work that sends all it sends when it is polled first.
async fn within<T>(client: &Client, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    if ENTERED.try_with(|()| ()).is_ok() {
        return work.await;
    }
    let (entered, done, left) =
        futures::join!(client.batch_execute(ENTER), work, client.batch_execute(LEAVE));
    entered?;
    let done = done?;
    left?;
    Ok(done)
}

/// Prepares, giving parameters their own type where Postgres cannot tell it (42P18, rule 16).
pub async fn prepare_typed(client: &Client, statement: &mut mapping::Statement) -> Result<Statement, Error> {
    loop {
        let error = match prepare(client, &statement.sql()).await {
            Ok(prepared) => return Ok(prepared),
            Err(error) => error,
        };
        let number = error
            .as_db_error()
            .filter(|error| error.code().code() == "42P18")
            .and_then(|error| {
                let digits = error.message().rsplit_once('$')?.1;
                digits
                    .chars()
                    .take_while(char::is_ascii_digit)
                    .collect::<String>()
                    .parse()
                    .ok()
            });
        match number {
            Some(number) if statement.cast_parameter(number) => {}
            _ => return Err(error),
        }
    }
}

/// Prepares a statement of the mapping. What the driver asks about its types comes behind, on our path.
pub async fn prepare(client: &Client, sql: &str) -> Result<Statement, Error> {
    within(client, client.prepare(sql)).await
}

/// Runs a prepared statement.
pub async fn query(
    client: &Client,
    statement: &Statement,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    within(client, client.query(statement, values)).await
}

/// The same for one whose rows are counted.
pub async fn execute(
    client: &Client,
    statement: &Statement,
    values: &[&(dyn ToSql + Sync)],
) -> Result<u64, Error> {
    within(client, client.execute(statement, values)).await
}

/// Runs statements without parameters.
pub async fn batch(client: &Client, sql: &str) -> Result<(), Error> {
    within(client, client.batch_execute(sql)).await
}

/// Prepares a statement and runs it.
pub async fn query_sql(
    client: &Client,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    let statement = prepare(client, sql).await?;
    query(client, &statement, values).await
}

/// Runs a statement that the connection may have prepared already: then it is one round trip.
pub async fn query_cached(
    client: &PooledClient,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    let work = async {
        let mut preparing = pin!(client.prepare_cached(sql));
        match futures::poll!(preparing.as_mut()) {
            Poll::Ready(statement) => client.query(&statement?, values).await.map(Ok),
            Poll::Pending => preparing.await.map(Err),
        }
    };
    match within(client, work).await? {
        Ok(rows) => Ok(rows),
        Err(statement) => query(client, &statement, values).await,
    }
}

/// So many are sent at once: of more, some would wait for their turn, behind the path.
const PREPARED_AT_ONCE: usize = 16;

/// A connection, known by the cache that it has of its own, and what it has prepared.
type OfConnection = (Weak<StatementCache>, HashMap<String, Statement>);

/// Statements that connections have prepared on the site's path: whoever finds all of his here needs the path no more.
#[derive(Default)]
pub(super) struct Prepared(Mutex<Vec<OfConnection>>);

impl Prepared {
    /// Forgets them all.
    pub(super) fn clear(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, Vec<OfConnection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prepares statements, as far as the connection has not prepared them.
    pub(super) async fn prepare(
        &self,
        client: &PooledClient,
        statements: &[&str],
    ) -> Result<Vec<Statement>, Error> {
        let cache = Arc::downgrade(&client.statement_cache);
        let known: Option<Vec<Statement>> = {
            let mut all = self.all();
            all.retain(|(cache, _)| cache.strong_count() > 0);
            let of_this = all.iter().find(|(other, _)| other.ptr_eq(&cache));
            of_this.and_then(|(_, known)| statements.iter().map(|sql| known.get(*sql).cloned()).collect())
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let mut prepared = Vec::with_capacity(statements.len());
        for some in statements.chunks(PREPARED_AT_ONCE) {
            let preparing = try_join_all(some.iter().map(|sql| client.prepare(sql)));
            prepared.extend(within(client, preparing).await?);
        }
        let mut all = self.all();
        let place = match all.iter().position(|(other, _)| other.ptr_eq(&cache)) {
            Some(place) => place,
            None => {
                all.push((cache, HashMap::new()));
                all.len() - 1
            }
        };
        if let Some((_, known)) = all.get_mut(place) {
            let texts = statements.iter().map(|sql| (*sql).to_owned());
            known.extend(texts.zip(prepared.iter().cloned()));
        }
        Ok(prepared)
    }
}
