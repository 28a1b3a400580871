//! The row that a reply of Deskie would become: each column of `[reply.set]` evaluated for one ticket, nothing written.

use serde::Serialize;
use serde_json::{Map, Value};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::cli::{Failure, failed};
use crate::config::Config;
use crate::mapping::write::{assignments, value};
use crate::model::{BodyFormat, Kind, TicketKey};
use crate::postgres::shape::load_shape;
use crate::postgres::site::prepare_typed;
use crate::postgres::{TextParam, describe, site};
use crate::setup::sample_parameters;
use crate::text;

/// What would be written for one kind of author.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct PlannedReply {
    /// `agent` or `customer`.
    pub(super) kind: &'static str,
    /// The table, where a row is inserted.
    pub(super) table: Option<String>,
    /// Its columns.
    pub(super) set: Map<String, Value>,
    /// The statements that follow, as written in the config.
    pub(super) after: Vec<String>,
}

/// Evaluates both kinds. What only a write may do (`nextval`) says so.
pub(super) async fn plan(
    config: &Config,
    client: &Client,
    ticket: &str,
    said: &str,
) -> Result<Vec<PlannedReply>, Failure> {
    let Some(reply) = &config.reply else {
        return Err(failed(
            "there is no [reply] in the config: nothing is written to the site",
        ));
    };
    let tickets = load_shape(client, &config.ticket.table, &config.ticket.key)
        .await
        .map_err(failed)?;
    let key = TicketKey(ticket.to_owned());
    let mut planned = Vec::new();
    for (kind, part) in [(Kind::Agent, &reply.agent), (Kind::Customer, &reply.customer)] {
        let mut parameters = sample_parameters(&key, tickets.key.len(), kind, None);
        parameters.set("text", said);
        parameters.set("html", text::outgoing(said, BodyFormat::Text).html);
        let mut set = Map::new();
        for (column, expr) in assignments(reply, kind) {
            let mut statement =
                value(expr, &tickets).map_err(|error| failed(format!("{}: {error}", expr.name)))?;
            let found = async {
                let prepared = prepare_typed(client, &mut statement).await?;
                let values: Vec<TextParam> = parameters.of(&statement).into_iter().map(TextParam).collect();
                let values: Vec<&(dyn ToSql + Sync)> =
                    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
                let row = site::query(client, &prepared, &values).await?.pop();
                row.map(|row| row.try_get::<_, Option<String>>(0)).transpose()
            };
            let shown = match found.await {
                Ok(value) => value.flatten().map_or(Value::Null, Value::String),
                Err(error) if error.code().is_some_and(|code| code.code() == "25006") => {
                    Value::String(format!("({}, once it is written)", expr.sql.trim()))
                }
                Err(error) if error.code().is_some() => Value::String(format!("fails: {}", describe(&error))),
                Err(error) => return Err(failed(describe(&error))),
            };
            set.insert(column.clone(), shown);
        }
        let table = config.message.as_ref().filter(|_| !set.is_empty());
        let after = reply.both.after.iter().chain(&part.after);
        planned.push(PlannedReply {
            kind: kind.as_str(),
            table: table.map(|message| message.table.table.clone()),
            set,
            after: after.map(|expr| expr.sql.trim().to_owned()).collect(),
        });
    }
    Ok(planned)
}
