//! Rows that hold lists of files (`[[attachment]] expand`). How they are told apart is in [`crate::mapping::list`].
//!
//! Each change of such a row is compared with what is known of it: a name that is not known is a new file, and what stood
//! in the table at the start is known from then on. The names come from the captured version of the row where that
//! carries the list, else from the row as it stands. Everything else of a file is that of any other: it goes with its
//! message or ticket, or alone if that went already.
//!
//! A file that leaves its list stays known; before it was sent it is dropped.

use std::collections::HashMap;

use super::{Batch, ResolveError, key_of};
use crate::files::Attached;
use crate::mapping::shape::key_values;
use crate::model::{Op, Section};
use crate::store::{Event, LinkState, RowLink, Step};

impl Batch<'_> {
    /// A change of a row that holds a list of files.
    pub(super) async fn file_list_event(
        &self,
        step: &Step<'_>,
        event: &Event,
        attached: &Attached,
    ) -> Result<(), ResolveError> {
        if event.op == Op::Truncate {
            return Ok(step.files().set_all_gone(&attached.source, event.xid).await?);
        }
        let columns = &attached.shape.key;
        let row = match event.op {
            Op::Delete => event.old_key.as_ref(),
            _ => Some(&event.image),
        };
        let Some(row_key) = row.and_then(|row| key_of(row, columns)) else {
            step.skipped()
                .count("a change without the mapped key (replica identity)")
                .await?;
            return Ok(());
        };
        let row_name = attached.link_key(&row_key);
        if event.op == Op::Delete {
            if self.moves.contains(&(event.id, Section::Attachment)) {
                return Ok(());
            }
            for known in step.links().of_row(Section::Attachment, &row_name).await? {
                // One that had left the list before is past as well: the row's key may be used anew.
                if !known.link.gone || known.link.gone_in.is_none() {
                    self.deleted(step, Section::Attachment, &known.key, event).await?;
                    step.links().set_gone(known.link.id, event).await?;
                }
            }
            return Ok(());
        }
        let old_key = event.old_key.as_ref().and_then(|row| key_of(row, columns));
        if let Some(old_key) = old_key.filter(|old| *old != row_key)
            && let Some(new) = key_values(&row_key, columns.len())
        {
            step.files().rename_row(&attached.source, &old_key, &new).await?;
        }
        let Some(listed) = self.listed(event, attached, &row_key).await? else {
            // What is no list holds no file; a message of which it is the list is parked with the reason.
            return Ok(step.skipped().count(NO_LIST).await?);
        };
        self.files_listed(step, event, attached, &row_name, &listed).await
    }

    /// The keys of the files of a row, in their order; `None` where the database cannot tell them.
    async fn listed(
        &self,
        event: &Event,
        attached: &Attached,
        row_key: &str,
    ) -> Result<Option<Vec<String>>, ResolveError> {
        let Some((from_image, from_table)) = &attached.of_row else {
            return Ok(None);
        };
        let keys = |rows: Vec<Vec<Option<String>>>| {
            let first = |row: Vec<Option<String>>| row.into_iter().next().flatten();
            rows.into_iter().filter_map(first).collect()
        };
        let cell = |column: &String| {
            event
                .image
                .get(column)
                .map(|cell| cell.as_str().map(str::to_owned))
        };
        let captured: Option<Vec<Option<String>>> = from_image.columns.iter().map(cell).collect();
        if let Some(values) = captured {
            let of = (&attached.shape, from_image.columns.as_slice());
            // A cell that no longer casts is read by key (rule 15).
            if let Ok(rows) = self.ask_all(&from_image.sql, values, of).await? {
                return Ok(Some(keys(rows)));
            }
        }
        let Some(values) = key_values(row_key, attached.shape.key.len()) else {
            return Ok(None);
        };
        let values = values.into_iter().map(Some).collect();
        let of = (&attached.shape, attached.shape.key.as_slice());
        Ok(self.ask_all(&from_table.sql, values, of).await?.ok().map(keys))
    }

    async fn files_listed(
        &self,
        step: &Step<'_>,
        event: &Event,
        attached: &Attached,
        row_name: &str,
        listed: &[String],
    ) -> Result<(), ResolveError> {
        let known: HashMap<String, RowLink> = step
            .links()
            .of_row(Section::Attachment, row_name)
            .await?
            .into_iter()
            .map(|known| (known.key.clone(), known))
            .collect();
        let names: Vec<String> = listed.iter().map(|key| attached.link_key(key)).collect();
        for left in known.values().filter(|known| !known.link.gone) {
            if !names.contains(&left.key) {
                self.file_left(step, left).await?;
            }
        }
        for (key, name) in listed.iter().zip(&names) {
            let mut generation = 1;
            if let Some(known) = known.get(name) {
                let link = &known.link;
                let is_back = link.gone_in.is_none_or(|xid| xid == event.xid);
                if !link.gone || is_back {
                    if link.gone {
                        // It is back in its list, or in its table after a move.
                        step.links().set_back(link.id).await?;
                    }
                    let was_dropped = known.reason.as_deref() == Some(super::DROPPED);
                    match link.state {
                        _ if event.echo => {}
                        LinkState::Seen => self.file_enters(step, event, attached, link.id, key).await?,
                        LinkState::Skipped if was_dropped => {
                            self.file_enters(step, event, attached, link.id, key).await?;
                        }
                        // Perhaps the site has mended what it was parked for.
                        LinkState::Parked => step.files().retry(link.id).await?,
                        LinkState::Queued if event.op != Op::Insert => step.files().changed(link.id).await?,
                        _ => {}
                    }
                    continue;
                }
                generation = link.generation + 1;
            }
            let (state, why) = match event.echo {
                true => (LinkState::Written, Some("written by us")),
                false => (LinkState::Seen, None),
            };
            let link = step
                .links()
                .add(Section::Attachment, name, generation, None, state, why)
                .await?;
            step.links().set_row(link, row_name).await?;
            if !event.echo {
                self.file_enters(step, event, attached, link, key).await?;
            }
        }
        Ok(())
    }

    /// A file left its list.
    async fn file_left(&self, step: &Step<'_>, left: &RowLink) -> Result<(), ResolveError> {
        let dropped = step
            .files()
            .drop_unsent(left.link.id, "it left its list before it was sent")
            .await?;
        if dropped > 0 {
            step.links()
                .set_state(left.link.id, LinkState::Skipped, Some(super::DROPPED))
                .await?;
        }
        Ok(step.links().set_left(left.link.id).await?)
    }
}

/// Why no file of a row is known.
const NO_LIST: &str = "[[attachment]] expand finds no list in the row";
