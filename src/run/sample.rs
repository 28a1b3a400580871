//! One sample a minute of how it is, for the console's charts: by the leader alone, in one statement.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::console::{Role, Vital};
use crate::store::BudgetUse;

/// How long one that leads nothing, or whose database hangs, waits.
const MINUTE: Duration = Duration::from_secs(60);

/// A database that hangs is not waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Samples until `stop`, shortly after each of the server's minutes has ended.
pub async fn run(shared: Shared, vital: Arc<Vital>, stop: CancellationToken) {
    let mut wait = Duration::from_secs(5);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = MINUTE;
        if vital.role() != Role::Leader {
            continue;
        }
        let units = shared.meter.snapshot();
        let budget = BudgetUse {
            used: units.used,
            limit: units.limit,
        };
        match tokio::time::timeout(TIMEOUT, shared.store.samples().take(Some(budget))).await {
            Ok(Ok(seconds)) => wait = Duration::from_secs_f64(seconds.clamp(0.0, 60.0) + 0.5),
            Ok(Err(error)) => tracing::debug!("no sample could be taken: {error}"),
            Err(_) => tracing::debug!("no sample could be taken within {} s", TIMEOUT.as_secs()),
        }
    }
}
