//! Which way an ordinary event goes, by what is known of its key: the decisions of `Batch::written`, for those events that
//! nothing else follows from.

use super::super::Batch;
use crate::config::OpenOn;
use crate::model::{LinkId, Op, Section};
use crate::store::{Event, Link, LinkState};

/// The way of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Course {
    /// The way of one event.
    Alone,
    /// Nothing follows.
    Nothing,
    /// A known key was inserted again.
    Again,
    /// We wrote it ourselves.
    Echo {
        /// How often the key has been used.
        generation: i32,
    },
    /// An UPDATE of a row whose INSERT was not seen.
    Old,
    /// The row's key is seen for the first time.
    First {
        /// How often the key has been used.
        generation: i32,
        /// It was never used before.
        is_new: bool,
    },
    /// The row was not for Deskie so far.
    Seen {
        /// What is known of it.
        link: LinkId,
    },
}

impl Course {
    /// Whether the row may be for Deskie.
    pub(super) fn is_new(&self) -> bool {
        matches!(self, Course::First { .. } | Course::Seen { .. })
    }

    /// Whether more is known of the key afterwards.
    pub(super) fn touches(&self) -> bool {
        !matches!(self, Course::Nothing | Course::Again | Course::Old)
    }
}

impl Batch<'_> {
    /// The way of an ordinary event; `link`: what is known of its key.
    pub(super) fn course(&self, event: &Event, section: Section, link: Option<Link>) -> Course {
        if event.op == Op::Insert {
            return match link {
                // It may be the row that was there.
                Some(link) if link.gone_in == Some(event.xid) || link.gone_at.is_some() => Course::Alone,
                Some(link) if !link.gone && event.echo => Course::Nothing,
                Some(link) if !link.gone => Course::Again,
                link => {
                    let generation = link.as_ref().map_or(1, |link| link.generation + 1);
                    match event.echo {
                        true => Course::Echo { generation },
                        false => Course::First {
                            generation,
                            is_new: link.is_none(),
                        },
                    }
                }
            };
        }
        if event.echo {
            return Course::Nothing;
        }
        let Some(link) = link else {
            return Course::Old;
        };
        let is_ticket = section == Section::Ticket;
        if is_ticket && self.config.ticket.open_on == OpenOn::Message {
            return Course::Nothing;
        }
        match link.state {
            LinkState::Queued | LinkState::Parked => Course::Alone,
            LinkState::Seen if link.gone => Course::Alone,
            LinkState::Seen => Course::Seen { link: link.id },
            _ => Course::Nothing,
        }
    }
}
