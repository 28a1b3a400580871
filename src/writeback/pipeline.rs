//! A write-back as the server gets it: BEGIN … COMMIT as one pipelined batch, so that no lock on the site's rows outlives a
//! round trip (rule 2).

use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tokio_postgres::types::ToSql;

use super::refusal::{WriteError, classify, is_of_the_session};
use crate::mapping::{Parameters, Statement};
use crate::model::CrashPoint;
use crate::postgres::{Pool, PooledClient, TextParam, quote_literal, restore, site};
use crate::store::Store;

/// A statement of a write-back with the values of its parameters.
pub(super) struct Planned {
    /// It puts the site's path in by itself.
    enters: bool,
    /// It touches the site's tables: their triggers and policies, and the mapping's own words, go by the site's path.
    on_sites_path: bool,
    sql: String,
    values: Vec<TextParam>,
}

impl Planned {
    /// On our own tables.
    pub(super) fn ours(sql: impl Into<String>, values: Vec<TextParam>) -> Planned {
        Planned {
            enters: false,
            on_sites_path: false,
            sql: sql.into(),
            values,
        }
    }

    /// One of the mapping.
    pub(super) fn site(statement: &Statement, parameters: &Parameters) -> Planned {
        let values = parameters.of(statement).into_iter().map(TextParam).collect();
        Planned::on_site(statement.sql(), values)
    }

    /// One on the site's tables; all that we say in it bears its schema.
    pub(super) fn on_site(sql: String, values: Vec<TextParam>) -> Planned {
        Planned {
            enters: false,
            on_sites_path: true,
            sql,
            values,
        }
    }
}

/// The same, prepared.
struct Bound {
    enters: bool,
    on_sites_path: bool,
    statement: tokio_postgres::Statement,
    values: Vec<TextParam>,
}

/// What a transaction takes of our own tables: CTEs, a query of one row over them, and their values.
pub(super) struct Claim<'a> {
    pub(super) ctes: &'a str,
    pub(super) query: &'a str,
    pub(super) values: Vec<TextParam>,
}

/// What each transaction that writes to the site begins with, as one statement. Rule 8: it marks the whole transaction as
/// ours for capture, by `mark`, before anything of the site's. The parameters of `claim` count from `$3`. `check`, a query of
/// one row that looks at `claims` first, raises where nothing may be written; its parameters come behind. Our own rows before the site's: waiting for
/// them holds up nobody. In the end the site's path is in force, and nothing of the site's is waited for longer than `waits`, where
/// the session would wait longer.
pub(super) fn begin(
    store: &Store,
    mark: &str,
    claim: Claim<'_>,
    check: Option<(String, Vec<TextParam>)>,
    waits: Option<Duration>,
) -> Planned {
    let mut all = vec![text(mark), text(&store.epoch().to_string())];
    all.extend(claim.values);
    let check = check.map_or_else(
        || "select true from claims".to_owned(),
        |(check, values)| {
            all.extend(values);
            check
        },
    );
    let limit = waits.map_or_else(String::new, |waits| {
        format!(
            ", pg_catalog.set_config('lock_timeout', '{}', true)",
            waits.as_millis().max(1)
        )
    });
    let sql = format!(
        "with marked as materialized (
             select pg_catalog.pg_logical_emit_message(true, {}, $1::text), {{s}}.fence($2::text::int8)),
         {}, claims as materialized ({}), checked as materialized ({check})
         select pg_catalog.set_config('search_path', pg_catalog.current_setting('deskie_cdc.site_path'), true){limit}
         from marked, claims, checked",
        quote_literal(store.schema()),
        claim.ctes,
        claim.query
    );
    Planned {
        enters: true,
        ..Planned::ours(store.sql(&sql), all)
    }
}

pub(super) fn text(value: &str) -> TextParam {
    TextParam(Some(value.to_owned()))
}

/// Runs statements with their values as one pipelined transaction.
///
/// What the site's triggers SET in it lasts longer than they do: it is taken back right behind the COMMIT, in the same batch, and a
/// session that fails in a way of its own is thrown away.
pub(super) async fn run_all(site: &Pool, plan: Vec<Planned>) -> Result<(), WriteError> {
    transact(site, plan, End::Commit).await
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    /// What would be refused at the COMMIT is refused before.
    Rollback,
}

/// The same, with another end.
pub(super) async fn transact(site: &Pool, plan: Vec<Planned>, end: End) -> Result<(), WriteError> {
    let client = site
        .get()
        .await
        .map_err(|error| WriteError::Passing(error.to_string()))?;
    let (is_ours, done) = match run_on(site, &client, plan, end).await {
        Ok(is_ours) => (is_ours, Ok(())),
        Err(error) => (!is_of_the_session(&error), Err(classify(&error))),
    };
    if !is_ours {
        drop(deadpool_postgres::Object::take(client));
    }
    done
}

/// True where the session is as it was before.
async fn run_on(
    site: &Pool,
    client: &PooledClient,
    plan: Vec<Planned>,
    end: End,
) -> Result<bool, tokio_postgres::Error> {
    let of_site: Vec<&str> = plan
        .iter()
        .filter(|planned| planned.on_sites_path)
        .map(|planned| planned.sql.as_str())
        .collect();
    let mut of_site = site.prepare_on_site(client, &of_site).await?.into_iter();
    let mut bound = Vec::with_capacity(plan.len());
    for planned in plan {
        let prepared = planned.on_sites_path.then(|| of_site.next()).flatten();
        let statement = match prepared {
            Some(statement) => statement,
            None => client.prepare_cached(&planned.sql).await?,
        };
        bound.push(Bound {
            enters: planned.enters,
            on_sites_path: planned.on_sites_path,
            statement,
            values: planned.values,
        });
    }
    run_pipelined(client, &bound, end).await
}

async fn run_pipelined(
    client: &PooledClient,
    bound: &[Bound],
    end: End,
) -> Result<bool, tokio_postgres::Error> {
    let mut sent: Vec<BoxFuture<'_, Result<(), tokio_postgres::Error>>> = Vec::with_capacity(bound.len() + 8);
    sent.push(Box::pin(client.batch_execute("begin")));
    let mut on_sites_path = false;
    for bound in bound {
        if bound.on_sites_path != on_sites_path {
            on_sites_path = bound.on_sites_path;
            sent.push(Box::pin(client.batch_execute(match on_sites_path {
                true => site::ENTER_LOCAL,
                false => site::LEAVE_LOCAL,
            })));
        }
        sent.push(Box::pin(async move {
            let values: Vec<&(dyn ToSql + Sync)> = bound
                .values
                .iter()
                .map(|value| value as &(dyn ToSql + Sync))
                .collect();
            client.execute(&bound.statement, &values).await.map(|_| ())
        }));
        on_sites_path |= bound.enters;
    }
    if !on_sites_path {
        // The site's deferred triggers run in the COMMIT, and look for their names by the site's path.
        sent.push(Box::pin(client.batch_execute(site::ENTER_LOCAL)));
    }
    if CrashPoint::WritebackOpen.is_armed() {
        // Only for a test: a round trip while the locks are held.
        join_all(std::mem::take(&mut sent)).await;
        CrashPoint::WritebackOpen.reached();
    }
    match end {
        End::Commit => sent.push(Box::pin(client.batch_execute("commit"))),
        End::Rollback => {
            sent.push(Box::pin(client.batch_execute("set constraints all immediate")));
            sent.push(Box::pin(client.batch_execute("rollback")));
        }
    }
    // Polled in order, so written in order; the first error is the cause, the others follow from it, and the COMMIT
    // of a failed transaction is a ROLLBACK.
    let (results, restored) = futures::join!(join_all(sent), restore(client));
    match results.into_iter().find_map(Result::err) {
        None => Ok(restored.is_ok()),
        Some(error) => Err(error),
    }
}
