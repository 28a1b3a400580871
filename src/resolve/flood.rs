//! A transaction that would open more cases than `[capture] max_new_cases` is an import until a person says otherwise.
//!
//! Its lanes are held, all as one decision; everything else goes on. A transaction that is longer than a round is counted
//! to its end before any of its cases is opened.

use crate::model::LaneId;
use std::collections::{HashMap, HashSet};

use super::{Batch, ResolveError};
use crate::config::Config;
use crate::store::{Event, Step};

impl Batch<'_> {
    /// A row entered a lane that has no case.
    pub(super) fn opens(&self, event: &Event, ticket: LaneId) {
        if let Ok(mut opens) = self.opens.lock() {
            opens.push((event.xid, ticket));
        }
    }

    /// Nothing is to be known of the piece's transactions.
    pub(super) fn leaves_nothing(&self) -> bool {
        self.counted.is_empty() && self.cut.is_none()
    }

    /// The piece is decided: what is to be known of its transactions until they are over, and which of them are too many.
    pub(super) async fn transactions_end(&self, step: &Step<'_>) -> Result<(), ResolveError> {
        let mut is_kept = !self.counted.is_empty();
        if let Some(xid) = self.cut {
            let sections: Vec<_> = self
                .emptied
                .iter()
                .filter(|(emptied, _)| *emptied == xid)
                .map(|(_, section)| *section)
                .collect();
            if !sections.is_empty() {
                step.bulk().set_emptied(xid, &sections).await?;
                is_kept = true;
            }
        }
        let mut opens: HashMap<u64, HashSet<LaneId>> = HashMap::new();
        if let Ok(all) = self.opens.lock() {
            for (xid, ticket) in all.iter() {
                opens.entry(*xid).or_default().insert(*ticket);
            }
        }
        let most = self.config.capture.max_new_cases;
        for (xid, tickets) in opens {
            // Most transactions open one case, and nothing is written about them.
            if tickets.len() > most || self.cut == Some(xid) || self.counted.contains(&xid) {
                let tickets: Vec<LaneId> = tickets.into_iter().collect();
                step.bulk().opens(&tickets, xid).await?;
                is_kept = true;
            }
        }
        match is_kept {
            true => judge(step, self.config, self.cut).await,
            false => Ok(()),
        }
    }
}

/// Judges the transactions that are over, all but `cut`.
pub(super) async fn judge(step: &Step<'_>, config: &Config, cut: Option<u64>) -> Result<(), ResolveError> {
    let most = i64::try_from(config.capture.max_new_cases).unwrap_or(i64::MAX);
    for held in step.bulk().judge(cut, most).await? {
        tracing::error!(
            "one transaction of the site ({}) would open {} cases, more than [capture] max_new_cases: they wait for a \
             person, see `failed list`; everything else goes on",
            held.xid,
            held.cases
        );
        let detail = format!("transaction {}: {} cases", held.xid, held.cases);
        step.journal().add(None, "new cases held", &detail).await?;
    }
    Ok(())
}
