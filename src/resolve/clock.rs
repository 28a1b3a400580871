//! When a row was made, as far as its `created_at` is to be believed (rule 22).

use super::{Batch, ResolveError};
use crate::decide::Times;
use crate::model::{RowClock, Section};
use crate::store::{CreatedAt, Event, Step};

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
        let wants = |known: &CreatedAt| known.section == section && known.wants(event.xid);
        if event.found || !self.clocks.lock().await.iter().any(wants) {
            return Ok(());
        }
        let created_at = self.created_at(section, &event.image).await?;
        if self.learn_from(event, section, created_at).await
            && let Some(known) = self
                .clocks
                .lock()
                .await
                .iter()
                .find(|known| known.section == section)
        {
            step.clocks().set(known).await?;
        }
        Ok(())
    }

    /// Whether any row may tell something of a section's `created_at`.
    pub(super) async fn wants_times(&self, section: Section) -> bool {
        let clocks = self.clocks.lock().await;
        clocks
            .iter()
            .any(|known| known.section == section && known.wants(0))
    }

    /// The same as [`Batch::learn_clock`] once `created_at` is known; true where that is to be written down.
    pub(super) async fn learn_from(&self, event: &Event, section: Section, created_at: Option<f64>) -> bool {
        let mut clocks = self.clocks.lock().await;
        let known = clocks.iter_mut().find(|known| known.section == section);
        let (Some(known), Some(created_at)) = (known.filter(|known| known.wants(event.xid)), created_at)
        else {
            return false;
        };
        let before = known.clock();
        let lag = event.committed_at.as_millisecond() as f64 / 1000.0 - created_at;
        if !known.note(lag, event.xid) {
            return false;
        }
        let now = known.clock();
        if now != before {
            tracing::info!(
                "[{}] created_at: {before:?} before, {now:?} now",
                section.as_str()
            );
        }
        true
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
        Ok(self.is_after_start(section, event, created_at).await)
    }

    /// The same once `created_at` is known.
    pub(super) async fn is_after_start(
        &self,
        section: Section,
        event: &Event,
        created_at: Option<f64>,
    ) -> Option<bool> {
        let by = event.committed_at.as_second() as f64;
        let clock = self.clock(section).await;
        created_at.map_or(Some(false), |at| clock.is_after(at, self.began(section), by))
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
