//! The head of a lane → one call to Deskie.
//!
//! The intent is durable before the call, the answer's ids are stored in the transaction that finishes it (rule 9).
//! Between the two nobody knows whether Deskie did it; what is then in *doubt* is looked for (`look`) and only sent
//! again once it was absent long enough. A customer's message always carries the customer's `user_id`.
//!
//! What it does not guarantee: where Deskie does not keep `created_at`, a customer's e-mail of the same text within
//! the very seconds of a lost answer can be taken for the lost message.
//!
//! Invariant: nothing here evaluates a mapping or writes to the site. Files are named by their rows, and had from
//! [`crate::files`].

mod attempt;
mod edit;
mod files;
mod gone;
mod look;
mod send;
mod status;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::config::Config;
use crate::deskie::{self, CallError, Client, Meter, Outcome};
use crate::files::SiteFiles;
use crate::lanes::{CreatedAtKept, DoubtState};
use crate::model::{DeliveryId, clock};
use crate::store::{Delivery, HoldKind, Store, StoreError};

/// No call is begun later than this after its intent was made durable.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// A refusal that nobody knows is the item's after so many in turn, while reads are answered.
const UNCLEAR: u32 = 3;

/// Of so many deliveries it is remembered how often they were refused; what is forgotten is tried a little longer.
const REMEMBERED: usize = 10_000;

/// So many calls with files are under way at once.
const UPLOADS: usize = 4;

/// What became of a durable step.
enum Stored {
    Done,
    /// Another instance leads, and finds it out for itself.
    Elsewhere,
    /// What was to be stored contradicts what is stored, and why.
    Contradicts(String),
}

/// Sends deliveries.
pub struct Deliverer {
    store: Store,
    client: Client,
    meter: Arc<Meter>,
    config: Arc<Config>,
    site_files: Arc<SiteFiles>,
    /// Each call with files holds up to 50 MB.
    uploads: tokio::sync::Semaphore,
    /// The clocks of the doubts; after a restart they begin anew, which only makes us wait longer.
    doubts: Mutex<HashMap<DeliveryId, DoubtState>>,
    /// How often in turn a delivery was refused in a way that has to be confirmed.
    refusals: Mutex<HashMap<DeliveryId, u32>>,
    kept: Mutex<CreatedAtKept>,
}

impl Deliverer {
    /// A deliverer; `kept` is what is known of Deskie's treatment of `created_at`.
    pub fn new(
        store: Store,
        client: Client,
        meter: Arc<Meter>,
        config: Arc<Config>,
        site_files: Arc<SiteFiles>,
        kept: Option<bool>,
    ) -> Deliverer {
        let kept = match kept {
            Some(true) => CreatedAtKept::Yes,
            Some(false) => CreatedAtKept::No,
            None => CreatedAtKept::Unknown,
        };
        Deliverer {
            store,
            client,
            meter,
            config,
            site_files,
            uploads: tokio::sync::Semaphore::new(UPLOADS),
            doubts: Mutex::default(),
            refusals: Mutex::default(),
            kept: Mutex::new(kept),
        }
    }

    fn kept(&self) -> CreatedAtKept {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from an answer whether Deskie keeps `created_at`; only a message that was not written "now" can tell.
    async fn learn_kept(
        &self,
        sent: i64,
        stored: Option<jiff::Timestamp>,
        answered: Option<jiff::Timestamp>,
    ) {
        let (Some(stored), now) = (stored, answered.unwrap_or_else(clock::now).as_second()) else {
            return;
        };
        if (now - sent).abs() <= 5 {
            return;
        }
        let kept = match stored.as_second() {
            stored if stored == sent => CreatedAtKept::Yes,
            stored if (stored - now).abs() <= 5 => CreatedAtKept::No,
            _ => return,
        };
        let before = std::mem::replace(
            &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner),
            kept,
        );
        if before != kept
            && let Err(error) = self
                .store
                .meta()
                .set_created_at_kept(kept == CreatedAtKept::Yes)
                .await
        {
            tracing::warn!("what Deskie does with created_at could not be noted: {error}");
        }
    }

    /// What a failed call means. What may be a matter of that call alone, or of all calls, a read tells, which names nobody
    /// but the key's own employee: only where that is answered is it the item's (rule 20).
    async fn outcome(&self, delivery: &Delivery, error: &CallError) -> Outcome {
        let tries = match error {
            error if error.is_unclear() => UNCLEAR,
            // Perhaps he was made active in between.
            error if error.is_staff_inactive() => 2,
            error if error.is_about_staff() => 1,
            error => return error.outcome(),
        };
        match self.confirmed(delivery).await {
            // Nobody knows what it did: it is looked for before it is sent again.
            Ok(times) if times < tries && error.is_unclear() => Outcome::Doubt,
            Ok(times) if times < tries => Outcome::Retry,
            Ok(_) => Outcome::Refused,
            // What could not be asked is found out with the next attempt.
            Err(Outcome::Refused | Outcome::Doubt) => Outcome::Retry,
            Err(outcome) => outcome,
        }
    }

    /// How often in turn a delivery was refused while a read was answered. Once is no proof: an outage may have ended
    /// between the two.
    async fn confirmed(&self, delivery: &Delivery) -> Result<u32, Outcome> {
        let answered = deskie::is_answering(&self.client, &self.meter).await;
        let answered = answered.map_err(|error| error.outcome());
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        match answered {
            Ok(()) => {
                let times = refusals.get(&delivery.id).copied().unwrap_or(0) + 1;
                refusals.insert(delivery.id, times);
                if refusals.len() > REMEMBERED {
                    refusals.retain(|id, _| *id == delivery.id);
                }
                Ok(times)
            }
            Err(outcome) => {
                refusals.remove(&delivery.id);
                Err(outcome)
            }
        }
    }

    /// What Deskie has answered contradicts what we know: two tickets have one case, or two messages one number. Trying to
    /// store it again would not help (rule 11). It is parked; a case that is known already is of another account, or one
    /// that has begun its numbers anew, and everything is held.
    async fn contradicted(&self, delivery: &Delivery, why: &str, is_case: bool) {
        let why = format!(
            "Deskie has done it, but its answer contradicts what is known ({why}): it has begun its numbers anew, or is \
             another account"
        );
        // In doubt it stays: when the other account is adopted, it is looked for there before it is sent.
        self.durably("a contradiction", || {
            self.store.deliveries().park_doubted(delivery.id, &why, None)
        })
        .await;
        tracing::error!(ticket = %delivery.ticket_key, "parked: {why}; `deskie-cdc failed show d{}`", delivery.id);
        if is_case {
            self.durably("a hold", || async {
                self.store.holds().set(HoldKind::Account, &why).await.map(drop)
            })
            .await;
        } else {
            self.store.wake.account.notify_one();
        }
    }

    /// As [`Deliverer::stored`], where nothing depends on it.
    async fn durably<F>(&self, what: &str, step: impl Fn() -> F)
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        if let Stored::Contradicts(why) = self.stored(what, step).await {
            tracing::error!("{what} contradicts what is stored, and is given up: {why}");
        }
    }

    /// Stores what Deskie has answered; whether it was. `is_case`: the answer names a case.
    async fn answered<F>(&self, delivery: &Delivery, what: &str, is_case: bool, step: impl Fn() -> F) -> bool
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        match self.stored(what, step).await {
            Stored::Done => true,
            Stored::Elsewhere => false,
            Stored::Contradicts(why) => {
                self.contradicted(delivery, &why, is_case).await;
                false
            }
        }
    }

    /// Repeats a durable step until it is done or another instance leads: what Deskie has answered must not be lost.
    async fn stored<F>(&self, what: &str, step: impl Fn() -> F) -> Stored
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        let mut attempt = 0u32;
        loop {
            match step().await {
                Ok(()) => return Stored::Done,
                Err(error) if error.lost_leadership() => {
                    tracing::warn!("{what}: {error}");
                    return Stored::Elsewhere;
                }
                Err(error) if error.is_contradiction() => {
                    return Stored::Contradicts(error.to_string());
                }
                // A promoted server that lacks our last steps: Deskie is asked again in the next term.
                Err(error @ StoreError::Damaged(_)) if self.store.lease().is_elsewhere().await => {
                    tracing::warn!(
                        "{what}: {error}; another server has taken the place of the one it was begun on"
                    );
                    return Stored::Elsewhere;
                }
                Err(error) => {
                    attempt += 1;
                    tracing::warn!(attempt, "{what} could not be stored and is tried again: {error}");
                    tokio::time::sleep(Duration::from_millis(100 * u64::from(attempt.min(50)))).await;
                }
            }
        }
    }
}
