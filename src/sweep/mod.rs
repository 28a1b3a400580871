//! Asks Deskie for recently updated cases, so that a webhook that never came costs minutes and not a reply. Without
//! any webhook the product works by this alone.
//!
//! Invariant: nothing is decided here about a message; a case that was updated is read like any other.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::deskie::{Case, CaseQuery, Client, Meter, Sort, Status};
use crate::lanes::{Class, Cost};
use crate::model::CrashPoint;
use crate::store::{Birth, SeenCase, SeenStatus, Store, StoreError};

/// Deskie's list may lag behind, and its dates are whole seconds: so far back it is asked again.
const MARGIN: Duration = Duration::from_secs(300);

/// The most pages of one sweep; Deskie gives 500.
const PAGES: u32 = 500;

/// Finds what no webhook told.
pub struct Sweeper {
    store: Store,
    client: Client,
    meter: Arc<Meter>,
    config: Arc<Config>,
}

impl Sweeper {
    /// A sweeper.
    pub fn new(store: Store, client: Client, meter: Arc<Meter>, config: Arc<Config>) -> Sweeper {
        Sweeper {
            store,
            client,
            meter,
            config,
        }
    }

    /// Sweeps until cancelled.
    pub async fn run(&self, cancel: CancellationToken) {
        loop {
            let round = async {
                match self.round().await {
                    Ok(wanted) if wanted > 0 => tracing::info!("the sweep asks for {wanted} cases"),
                    Ok(_) => {}
                    Err(error) => tracing::warn!("the sweep failed and is tried again: {error}"),
                }
                tokio::time::sleep(self.config.deskie.sweep).await;
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = round => {}
            }
        }
    }

    /// The list brings each case's status for nothing.
    async fn statuses(&self, cases: &[Case]) -> Result<(), StoreError> {
        let write = self.config.status.is_some();
        if !write && self.config.ticket.status.is_none() {
            return Ok(());
        }
        let seen: Vec<SeenStatus> = cases
            .iter()
            .filter(|case| !case.deleted && !case.spam && !matches!(case.status, Status::Other(_)))
            .filter_map(|case| {
                Some(SeenStatus {
                    case_id: case.case_id,
                    status: case.status.as_str().to_owned(),
                    at: case.updated_at?,
                })
            })
            .collect();
        self.store.status_seen(&seen, write).await?;
        Ok(())
    }

    /// One sweep; how many cases are to be read.
    pub async fn round(&self) -> Result<u64, StoreError> {
        let meta = self.store.meta().await?;
        let from = meta.swept_to.unwrap_or(meta.started_at);
        let from = from.checked_sub(MARGIN).unwrap_or(from);
        let (mut wanted, mut begun, mut position, mut page) = (0, None, from, 1);
        for _ in 0..PAGES {
            let query = CaseQuery {
                from_updated_time: Some(position),
                sort: Some(Sort::UpdatedAsc),
                page: Some(page),
                limit: Some(100),
                show_active_chats: true,
                ..CaseQuery::default()
            };
            let call = self.meter.acquire(Class::Sweep, Cost::Read).await;
            let answer = self.client.cases(&query).await;
            self.meter.settle(call, &answer);
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::warn!("the sweep could not ask Deskie: {error}; {}", error.remedy());
                    return Ok(wanted);
                }
            };
            begun = begun.or(answer.date);
            let seen: Vec<SeenCase> = answer
                .value
                .items
                .iter()
                .filter_map(|case| {
                    Some(SeenCase {
                        case_id: case.case_id,
                        updated_at: case.updated_at?,
                    })
                })
                .collect();
            let (asked, unknown) = self.store.ticket_sweep(&seen).await?;
            wanted += asked;
            let births: Vec<Birth> = answer
                .value
                .items
                .iter()
                .filter(|case| unknown.contains(&case.case_id))
                .filter_map(|case| Birth::of_case(&self.config, case, meta.started_at))
                .collect();
            self.store.birth_add(&births).await?;
            self.statuses(&answer.value.items).await?;
            if answer.value.items.len() < 100 {
                CrashPoint::SweepWanted.reached();
                let swept_to = begun.unwrap_or_else(crate::model::clock::now);
                self.store.meta_set_swept(swept_to).await?;
                CrashPoint::SweepStored.reached();
                return Ok(wanted);
            }
            (position, page) = next_page(position, page, &seen);
        }
        // There is more than one sweep may read: the next one goes on there, with its margin.
        self.store.meta_set_swept(position).await?;
        Ok(wanted)
    }
}

/// Where the next page begins. A case that is updated meanwhile goes to the end of the list and shifts all behind it, so
/// pages are not counted: the next one begins a second before this one's last case. Only where that is no progress
/// is it counted on.
fn next_page(position: jiff::Timestamp, page: u32, seen: &[SeenCase]) -> (jiff::Timestamp, u32) {
    let last = seen.iter().map(|case| case.updated_at).max();
    let next = last.and_then(|last| last.checked_sub(Duration::from_secs(1)).ok());
    match next.filter(|next| next.as_second() > position.as_second()) {
        Some(next) => (next, 1),
        None => (position, page + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CaseId;

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_page_begins_where_the_last_one_ended_and_not_at_a_number() {
        let seen = |seconds: &[i64]| -> Vec<SeenCase> {
            let seen = |second: &i64| SeenCase {
                case_id: CaseId(*second),
                updated_at: at(*second),
            };
            seconds.iter().map(seen).collect()
        };
        assert_eq!(next_page(at(5), 1, &seen(&[5, 7, 9])), (at(8), 1));
        assert_eq!(next_page(at(8), 1, &seen(&[9, 9, 9])), (at(8), 2));
        assert_eq!(next_page(at(8), 2, &seen(&[9, 9, 12])), (at(11), 1));
        assert_eq!(next_page(at(9), 1, &[]), (at(9), 2));
    }
}
