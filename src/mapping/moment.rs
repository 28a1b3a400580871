//! What `created_at` is by its type: a statement over no row at all, for the type of its one output.

use super::read::message_joins;
use super::shape::Shape;
use super::value_sql;
use crate::config::{Message, Ticket};

/// That of a ticket, where it is mapped.
pub fn of_ticket(config: &Ticket, shape: &Shape) -> Option<String> {
    let value = value_sql(config.created_at.as_ref()?, "t", shape);
    let join = config.join.as_ref().map_or("", |join| join.sql.as_str());
    Some(format!("select {value} from {} t {join} limit 0", shape.sql()))
}

/// That of a message.
pub fn of_message(config: &Message, ticket: &Ticket, shape: &Shape, tickets: &Shape) -> Option<String> {
    let value = value_sql(config.created_at.as_ref()?, "m", shape);
    let joins = message_joins(config, ticket, shape, tickets);
    Some(format!("select {value} from {} m {joins} limit 0", shape.sql()))
}
