//! When a row was made, as far as its `created_at` is to be believed (rule 22).

use super::{Batch, ResolveError};
use crate::decide::Times;
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

    /// When a row of the section that was committed at `committed_at`, in seconds since 1970, was made.
    pub(super) async fn times(&self, section: Section, committed_at: i64) -> Times {
        Times {
            clock: self.clock(section).await,
            ticket_clock: self.clock(Section::Ticket).await,
            committed_at,
            now: crate::model::clock::now().as_second() as f64,
            ages: true,
        }
    }
}
