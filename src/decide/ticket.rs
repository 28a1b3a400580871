//! A ticket's own row, where that opens the case.

use super::{Cells, Need, Outputs, Ready, Ruling, Times, limits, opening, seconds, told, unanswered};
use crate::config::Config;
use crate::mapping::read::TICKET_OUTPUTS;
use crate::model::{BodyFormat, Kind, TicketKey};
use crate::text::{self, Parts};

/// A ticket's row.
#[derive(Debug, Clone, Copy)]
pub struct TicketRow<'a> {
    pub key: &'a TicketKey,
    /// What its statement gave.
    pub outputs: &'a Outputs,
    /// When it was made.
    pub times: Times,
    /// Its body as it is sent; `None`: not asked for yet.
    pub body: Option<&'a Parts>,
}

/// What becomes of a ticket's row.
pub fn ticket(config: &Config, row: &TicketRow<'_>) -> Result<Ruling, Need> {
    let Outputs::Row(outputs) = row.outputs else {
        return Ok(unanswered(row.outputs, "[ticket]"));
    };
    let cells = Cells {
        names: &TICKET_OUTPUTS,
        cells: outputs,
    };
    if !cells.holds("where") {
        return Ok(Ruling::NotNow("[ticket] where does not hold".into()));
    }
    let created_at = seconds(cells.whole("created_at"));
    if let Some(age) = row.times.import(config, created_at) {
        return Ok(Ruling::Never(age));
    }
    let opening = match opening(config, outputs, row.key, &row.times) {
        Ok(opening) => opening,
        Err(found) => return Ok(*found),
    };
    if cells.format().is_none() {
        return Ok(Ruling::Park(
            "[ticket] format must give 'text', 'html' or 'markdown'".into(),
        ));
    }
    let body = match cells.body() {
        Some(_) => Some(row.body.ok_or(Need::Body)?).filter(|body| !body.bodies.is_empty()),
        None => None,
    };
    let subject = || text::parts(&opening.subject, BodyFormat::Text, limits(config)).bodies;
    Ok(Ruling::Ready(Box::new(Ready {
        author: Kind::Customer,
        bodies: body.map_or_else(subject, |body| body.bodies.clone()),
        written_at: row
            .times
            .made(created_at)
            .map_or(row.times.committed_at, |at| at as i64),
        opening: Some(opening),
        is_files_only: false,
        told: body.and_then(told),
    })))
}
