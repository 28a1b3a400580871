//! A ticket's own row, where that opens the case.

use super::{Author, Cells, Found, Outputs, Ready, Times, opening, parts, seconds, unanswered};
use crate::config::Config;
use crate::mapping::read::TICKET_OUTPUTS;
use crate::model::{BodyFormat, TicketKey};
use crate::text;

/// A ticket's row.
#[derive(Debug, Clone, Copy)]
pub struct TicketRow<'a> {
    /// Its key.
    pub key: &'a TicketKey,
    /// What its statement gave.
    pub outputs: &'a Outputs,
    /// When it was made.
    pub times: Times,
}

/// What becomes of a ticket's row.
pub fn ticket(config: &Config, row: &TicketRow<'_>) -> Found {
    let Outputs::Row(outputs) = row.outputs else {
        return unanswered(row.outputs, "[ticket]");
    };
    let cells = Cells {
        names: &TICKET_OUTPUTS,
        cells: outputs,
    };
    if !cells.holds("where") {
        return Found::NotNow("[ticket] where does not hold".into());
    }
    let created_at = seconds(cells.whole("created_at"));
    if let Some(age) = row.times.import(config, created_at) {
        return Found::Never(age);
    }
    let opening = match opening(config, outputs, row.key, &row.times) {
        Ok(opening) => opening,
        Err(found) => return *found,
    };
    let Some(format) = cells.format() else {
        return Found::Park("[ticket] format must give 'text', 'html' or 'markdown'".into());
    };
    let body = cells
        .whole("body")
        .filter(|body| !text::says_nothing(body, format));
    let (body, format) = match body {
        Some(body) => (body, format),
        None => (opening.subject.as_str(), BodyFormat::Text),
    };
    Found::Ready(Box::new(Ready {
        author: Author::Customer,
        bodies: parts(config, body, format, row.key),
        written_at: row
            .times
            .made(created_at)
            .map_or(row.times.committed_at, |at| at as i64),
        opening: Some(opening),
        is_files_only: false,
    }))
}
