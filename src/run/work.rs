//! One term of office: all flows, under one token.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{GRACE, RunError, Shared, lanes, leader, repeat};
use crate::capture::{Capture, Observer};
use crate::console::{Flow, Vital};
use crate::deliver::Deliverer;
use crate::postgres::catalog;
use crate::resolve::Resolver;
use crate::sweep::Sweeper;
use crate::writeback::WriteBack;

/// How often past things are pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

struct StreamObserver(Arc<Vital>);

impl Observer for StreamObserver {
    fn streaming(&self) {
        self.0.set_stream_connected(true);
        self.0.moved(Flow::Capture);
    }

    fn stopped(&self, why: &str) {
        self.0.set_stream_connected(false);
        self.0.set_error(why);
    }
}

/// Leads until `stop` or until the lead is lost.
pub async fn work(
    shared: &Shared,
    vital: &Arc<Vital>,
    connection: tokio_postgres::Client,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let store = shared.store.clone();
    let config = shared.config.clone();
    let (meta, adopted) = match begin(shared).await {
        Ok(begun) => begun,
        Err(error) => {
            tracing::warn!("the term could not be begun and is tried again: {error}");
            tokio::time::sleep(Duration::from_millis(500)).await;
            return Ok(());
        }
    };
    if adopted > 0 {
        tracing::warn!("{adopted} calls were cut off by the last stop; they are looked for in Deskie");
    }
    let Some(slot) = meta.slot else {
        return Err(RunError::NotSetUp);
    };
    let publications = match publications(shared).await {
        Ok(publications) => publications,
        Err(error) => {
            tracing::warn!("the publications could not be read: {error}");
            return Ok(());
        }
    };
    let term = stop.child_token();
    let capture = Capture::new(store.clone(), shared.url.clone(), &config, slot, publications);
    let resolver = Resolver::new(store.clone(), shared.reading.clone(), config.clone());
    let deliverer = Arc::new(Deliverer::new(
        store.clone(),
        shared.client.clone(),
        shared.meter.clone(),
        config.clone(),
        meta.created_at_kept,
    ));
    let writeback = Arc::new(WriteBack::new(
        store.clone(),
        shared.writing.clone(),
        shared.client.clone(),
        shared.meter.clone(),
        config.clone(),
    ));
    let sweeper = Sweeper::new(
        store.clone(),
        shared.client.clone(),
        shared.meter.clone(),
        config.clone(),
    );
    let mut tasks: JoinSet<&'static str> = JoinSet::new();
    {
        let (term, observer) = (term.clone(), Arc::new(StreamObserver(vital.clone())));
        tasks.spawn(async move {
            capture.run(term, observer).await;
            "capture"
        });
    }
    {
        let (term, vital) = (term.clone(), vital.clone());
        tasks.spawn(async move {
            resolver.run(term, || vital.moved(Flow::Resolve)).await;
            "resolve"
        });
    }
    {
        let (term, shared, writeback, vital) =
            (term.clone(), shared.clone(), writeback.clone(), vital.clone());
        tasks.spawn(async move {
            lanes::run(shared, deliverer, writeback, vital, term).await;
            "lanes"
        });
    }
    {
        let (term, store, writeback) = (term.clone(), store.clone(), writeback.clone());
        tasks.spawn(async move {
            let round = || writeback.inbox_round();
            repeat(
                "the inbox",
                term,
                &store.wake.inbox,
                Duration::from_secs(1),
                round,
            )
            .await;
            "inbox"
        });
    }
    {
        let (term, store, vital) = (term.clone(), store.clone(), vital.clone());
        tasks.spawn(async move {
            let round = || async {
                vital.moved(Flow::Writeback);
                let replies = writeback.write_round().await?;
                Ok(writeback.status_round().await? || replies)
            };
            repeat(
                "the write-back",
                term,
                &store.wake.remotes,
                Duration::from_secs(1),
                round,
            )
            .await;
            "write-back"
        });
    }
    {
        let term = term.clone();
        tasks.spawn(async move {
            sweeper.run(term).await;
            "sweep"
        });
    }
    {
        let (term, store, retain) = (term.clone(), store.clone(), config.capture.retain);
        tasks.spawn(async move {
            let bell = tokio::sync::Notify::new();
            let round = || async { store.prune(retain).await.map(|()| false) };
            repeat("pruning", term, &bell, PRUNE_EVERY, round).await;
            "pruning"
        });
    }
    {
        let (term, shared, vital) = (term.clone(), shared.clone(), vital.clone());
        tasks.spawn(async move {
            leader::keep_lease(shared, connection, vital, term).await;
            "the lease"
        });
    }
    leader::end_together(tasks, &term, GRACE).await;
    Ok(())
}

async fn begin(shared: &Shared) -> Result<(crate::store::Meta, u64), crate::store::StoreError> {
    let meta = shared.store.meta().await?;
    let adopted = shared.store.delivery_adopt(shared.config.deskie.timeout).await?;
    Ok((meta, adopted))
}

/// The publications that are there: that of tables with a replica identity, and that of the others. One that is
/// missing altogether is streamed all the same, so that the server says so.
async fn publications(shared: &Shared) -> Result<Vec<String>, crate::store::StoreError> {
    let client = shared.store.client().await?;
    let [main, insert_only] = crate::setup::publications(&shared.config);
    let has_insert_only = catalog::publication(&**client, &insert_only).await?.is_some();
    let has_main = catalog::publication(&**client, &main).await?.is_some();
    Ok(match (has_main, has_insert_only) {
        (false, true) => vec![insert_only],
        (_, true) => vec![main, insert_only],
        (_, false) => vec![main],
    })
}
