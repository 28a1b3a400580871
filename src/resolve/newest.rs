//! A row as it stands when it is resolved, and when it was made.

use serde_json::Value;

use super::{Batch, ResolveError};
use crate::model::{Op, Section};
use crate::store::Event;

impl Batch<'_> {
    /// The row's newest captured version, where `settle` let later ones come in; `None` where it was deleted.
    pub(super) async fn newest_image(
        &self,
        event: &Event,
        section: Section,
    ) -> Result<Option<Value>, ResolveError> {
        let mut image = event.image.clone();
        if self.config.capture.settle.is_zero() {
            return Ok(Some(image));
        }
        let columns = &self.compiled.shape(section).key;
        let key: serde_json::Map<String, Value> = columns
            .iter()
            .filter_map(|name| Some((name.clone(), image.get(name)?.clone())))
            .collect();
        let mut deleted_by = None;
        for later in self
            .store
            .event_later(event.id, &event.relation, &Value::Object(key))
            .await?
        {
            match (later.op, later.image, &mut image) {
                (Op::Delete | Op::Truncate, _, _) => deleted_by = Some(later.xid),
                // A move is a DELETE and an INSERT in one transaction (rule 6); later it is another row.
                (Op::Insert, newer, image) if deleted_by == Some(later.xid) => {
                    deleted_by = None;
                    *image = newer;
                }
                _ if deleted_by.is_some() => return Ok(None),
                (_, Value::Object(newer), Value::Object(image)) => image.extend(newer),
                _ => {}
            }
        }
        Ok(deleted_by.is_none().then_some(image))
    }

    /// Whether the mapping says that a row was made after the connector's start, or after its table was mapped.
    pub(super) async fn made_after_start(
        &self,
        section: Section,
        event: &Event,
    ) -> Result<bool, ResolveError> {
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
            return Ok(false);
        }
        Ok(self
            .created_at(section, &event.image, event.committed_at.as_second())
            .await?
            .is_some_and(|at| at > self.began(section)))
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
}
