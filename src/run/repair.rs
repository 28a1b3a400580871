//! The repair of a gap (rule 12), and what goes on where it fails: a mapping that the site's tables no longer fit holds
//! up what is resolved, but neither capture nor the replies, nor the watch over the WAL (rule 3).

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use super::watch;
use crate::backfill::{Backfill, BackfillError, Repaired};
use crate::model::{Seen, TroubleKind};
use crate::store::{Gap, StoreError};

/// How often a repair that failed is tried again.
const AGAIN_EVERY: Duration = Duration::from_secs(30);

/// Queues the rows of an open gap; false where that failed and is to be tried again, which is told and noted.
pub async fn repair(shared: &Shared) -> Result<bool, String> {
    let gap = shared
        .store
        .gap()
        .read()
        .await
        .map_err(|error| error.to_string())?;
    let trouble = match &gap {
        None => None,
        Some(gap) => match look_through(shared, gap).await {
            Ok(done) => {
                tracing::warn!("repaired: {done} (since {})", gap.from);
                None
            }
            Err(BackfillError::Store(error)) if error.lost_leadership() => return Err(error.to_string()),
            Err(error) => Some(format!(
                "what was written while nothing was streamed cannot be queued yet, nor what comes behind it: {error}; mend the mapping, see `deskie-cdc check`"
            )),
        },
    };
    let noted = async {
        let Some(text) = &trouble else {
            shared.store.troubles().over(TroubleKind::Unrepaired, "").await?;
            return Ok(());
        };
        // Told once, not at each attempt.
        if shared
            .store
            .troubles()
            .seen(&Seen::new(TroubleKind::Unrepaired, text))
            .await?
        {
            tracing::error!("{text}");
        }
        Ok::<(), StoreError>(())
    };
    noted.await.map_err(|error| error.to_string())?;
    Ok(trouble.is_none())
}

async fn look_through(shared: &Shared, gap: &Gap) -> Result<Repaired, BackfillError> {
    let backfill = Backfill::new(
        shared.store.clone(),
        shared.reading.clone(),
        shared.config.clone(),
    )
    .await?;
    backfill.repair(gap).await
}

/// Before resolving, while a gap is open: tries until it is repaired; false where the term has ended before. What was
/// streamed meanwhile waits behind what the repair brings in.
pub async fn until_repaired(shared: &Shared, term: &CancellationToken) -> bool {
    let pause = watch::watch_every(AGAIN_EVERY);
    loop {
        let tried = tokio::select! {
            () = term.cancelled() => return false,
            tried = repair(shared) => tried,
        };
        match tried {
            Ok(true) => return true,
            Ok(false) => {}
            Err(error) => tracing::debug!("the repair was not tried: {error}"),
        }
        tokio::select! {
            () = term.cancelled() => return false,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
