//! When a row was made, as far as its `created_at` is to be believed (rule 22).

use super::{Batch, ResolveError};
use crate::model::{RowClock, Section};
use crate::store::{Event, Step};

impl Batch<'_> {
    /// What the section's `created_at` is worth.
    pub(super) async fn clock(&self, section: Section) -> RowClock {
        let clocks = self.clocks.lock().await;
        let known = clocks.iter().find(|known| known.section == section);
        known.map_or(RowClock::Right, |known| known.clock())
    }

    /// A row's INSERT came with its commit: how far does `created_at` lie from it?
    pub(super) async fn learn_clock(
        &self,
        step: &Step<'_>,
        event: &Event,
        section: Section,
    ) -> Result<(), ResolveError> {
        if event.found {
            return Ok(());
        }
        let mut clocks = self.clocks.lock().await;
        let known = clocks.iter_mut().find(|known| known.section == section);
        let Some(known) = known.filter(|known| known.wants(event.xid)) else {
            return Ok(());
        };
        let Some(created_at) = self.created_at(section, &event.image).await? else {
            return Ok(());
        };
        let lag = event.committed_at.as_millisecond() as f64 / 1000.0 - created_at;
        known.last_xid = Some(event.xid);
        if !RowClock::is_telling(lag) {
            return Ok(());
        }
        let before = known.clock();
        known.lags.insert(0, lag);
        known.lags.truncate(crate::model::row_clock::REMEMBERED);
        known.sampled_ago = Some(0.0);
        step.clock_sample(section, lag, event.xid).await?;
        let now = known.clock();
        if now != before {
            tracing::info!(
                "[{}] created_at: {before:?} before, {now:?} now",
                section.as_str()
            );
        }
        Ok(())
    }

    /// Whether the mapping says that a row was made after the connector's start, or after its table was mapped; `None`:
    /// it does not say.
    pub(super) async fn made_after_start(
        &self,
        section: Section,
        event: &Event,
    ) -> Result<Option<bool>, ResolveError> {
        let mapped = match section {
            Section::Ticket => self.config.ticket.created_at.is_some(),
            Section::Message => self
                .config
                .message
                .as_ref()
                .is_some_and(|message| message.created_at.is_some()),
            Section::Attachment => false,
        };
        if !mapped {
            return Ok(Some(false));
        }
        let created_at = self.created_at(section, &event.image).await?;
        let by = event.committed_at.as_second() as f64;
        let clock = self.clock(section).await;
        Ok(created_at.map_or(Some(false), |at| clock.is_after(at, self.began(section), by)))
    }

    /// Since when a section's rows are our business, in seconds since 1970: the connector's start, or when its table was
    /// mapped.
    pub(super) fn began(&self, section: Section) -> f64 {
        let relation = self.compiled.shape(section).relation.to_string();
        match self.later.get(&relation) {
            Some(since) => since.at,
            None => self.started_at.as_second() as f64,
        }
    }

    /// When a row was made, from the text of `created_at`. A time that its commit contradicts is none.
    pub(super) async fn made(&self, section: Section, created_at: Option<f64>, by: i64) -> Option<f64> {
        let created_at = created_at?;
        // Its own time stands for its commit's where the stream did not bring it.
        let by = if created_at as i64 == by {
            f64::INFINITY
        } else {
            by as f64
        };
        self.clock(section).await.made(created_at, by)
    }

    /// Why a row counts as an import, if it does.
    pub(super) async fn is_import(
        &self,
        section: Section,
        created_at: Option<f64>,
        committed_at: i64,
    ) -> Option<String> {
        let created_at = created_at?;
        if created_at as i64 == committed_at {
            return None;
        }
        let age = committed_at as f64 - self.clock(section).await.latest(created_at);
        (age > self.config.capture.max_age.as_secs_f64())
            .then(|| "an import: created_at is older than [capture] max_age".to_owned())
    }
}

/// 1980: no ticket system is older, and dates before it are zeros of some kind.
const EARLIEST: f64 = 315_532_800.0;

/// The seconds of an output. `infinity`, NaN and a zero of some kind are no time: they are neither sent nor taken for old
/// or new.
pub(super) fn seconds(cell: Option<&Option<String>>) -> Option<f64> {
    let at: f64 = cell?.as_deref()?.trim().parse().ok()?;
    (at.is_finite() && at >= EARLIEST).then_some(at)
}
