//! A row as it stands when it is resolved.

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
            .events()
            .later(event.id, &event.relation, &Value::Object(key))
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
}
