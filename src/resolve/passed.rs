//! Many UPDATEs of rows from before the connector, passed over together: a site that touches a whole table in one
//! transaction must not hold up what comes behind it.
//!
//! Only what [`Batch::changed_unknown`] would pass over one by one is taken here: no link, no lane, nothing else of the
//! batch about the same key, and made before the start by the table's own row. All others go the ordinary way.

use std::collections::{HashMap, HashSet};

use super::{Batch, FROM_BEFORE, ResolveError, key_of};
use crate::mapping::read;
use crate::model::{EventId, Op, Section};
use crate::postgres::{describe, site};
use crate::store::{Event, Step};

/// Fewer are not worth the questions.
const WORTH_IT: usize = 20;

impl Batch<'_> {
    /// The events that are passed over; they are counted.
    pub(super) async fn passed_over(
        &self,
        step: &Step<'_>,
        events: &[&Event],
    ) -> Result<HashSet<EventId>, ResolveError> {
        let mut candidates: HashMap<Section, Vec<(EventId, String)>> = HashMap::new();
        let mut excluded: HashSet<(Section, String)> = HashSet::new();
        for event in events {
            let mut sections = self.compiled.sections_of(&event.relation);
            // A file's row may be waited for.
            if self.compiled.attachments_of(&event.relation).next().is_some() {
                sections.clear();
            }
            if event.op == Op::Truncate {
                return Ok(HashSet::new());
            }
            for section in &sections {
                let columns = &self.compiled.shape(*section).key;
                let new = key_of(&event.image, columns);
                let old = event.old_key.as_ref().and_then(|row| key_of(row, columns));
                let moved = old.is_some() && old != new;
                match (event.op, new) {
                    (Op::Update, Some(key))
                        if !event.echo
                            && !moved
                            && sections.len() == 1
                            // A list tells what is new by itself, in a row however old.
                            && (*section != Section::Message || self.compiled.thread.is_none()) =>
                    {
                        candidates.entry(*section).or_default().push((event.id, key));
                    }
                    (_, new) => excluded.extend(new.into_iter().chain(old).map(|key| (*section, key))),
                }
            }
        }
        let mut passed = HashSet::new();
        for (section, mut found) in candidates {
            found.retain(|(_, key)| !excluded.contains(&(section, key.clone())));
            if found.len() < WORTH_IT {
                continue;
            }
            let keys: Vec<&str> = found.iter().map(|(_, key)| key.as_str()).collect();
            let known = step.link_known(section, &keys).await?;
            found.retain(|(_, key)| !known.contains(key));
            let Some(old) = self.made_before_start(section, &found).await? else {
                continue;
            };
            let before = found
                .iter()
                .filter(|(_, key)| old.contains(key))
                .map(|(id, _)| *id);
            passed.extend(before);
        }
        if !passed.is_empty() {
            step.skipped_add(FROM_BEFORE, passed.len()).await?;
        }
        Ok(passed)
    }

    /// Which of these rows were certainly made before the start; `None` where that cannot be asked for many at once.
    async fn made_before_start(
        &self,
        section: Section,
        rows: &[(EventId, String)],
    ) -> Result<Option<HashSet<String>>, ResolveError> {
        let keys: Vec<String> = rows.iter().map(|(_, key)| key.clone()).collect();
        let shape = self.compiled.shape(section);
        let created_at = match section {
            Section::Message => self
                .config
                .message
                .as_ref()
                .and_then(|message| message.created_at.as_ref()),
            _ => self.config.ticket.created_at.as_ref(),
        };
        let Some(created_at) = created_at else {
            return Ok(Some(keys.into_iter().collect()));
        };
        let alias = if section == Section::Message { "m" } else { "t" };
        let Some(sql) = read::created_before(created_at, alias, shape) else {
            return Ok(None);
        };
        let started_at = self.began(section);
        match site::query_cached(&self.site, &sql, &[&keys, &started_at]).await {
            Ok(rows) => Ok(Some(rows.iter().map(|row| row.get(0)).collect())),
            Err(error) => {
                // One by one it shows which row it is, or what of the mapping.
                tracing::debug!("many rows could not be asked for at once: {}", describe(&error));
                Ok(None)
            }
        }
    }
}
