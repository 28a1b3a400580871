//! Which rows, and what the mapping says of each.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Map, Value};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::call;
use super::{Arguments, Foreseen, Planned};
use crate::cli::{Failure, failed};
use crate::config::{AttachmentOf, Config, Message, TableName};
use crate::decide::{self, Answers, Outputs};
use crate::files::{self, Attached};
use crate::mapping::alone::{self, Deciding};
use crate::mapping::read::{self, MESSAGE_OUTPUTS, Reading, TICKET_OUTPUTS};
use crate::mapping::scan::newest_first;
use crate::mapping::shape::{key_text, key_values};
use crate::mapping::{Shape, Source, bare_column, expand, list, value_sql};
use crate::model::{Section, clock};
use crate::postgres::shape::{load_message_shape, load_shape};
use crate::postgres::{TextParam, describe, site};
use crate::store::Store;

/// The most messages of one ticket that are shown.
const MESSAGES: i64 = 200;

/// The tables as they are now, and the statements over them.
pub(super) struct Tables<'a> {
    config: &'a Config,
    client: &'a Client,
    pub(super) ticket: Shape,
    ticket_reading: Reading,
    pub(super) message: Option<(&'a Message, Shape, Reading)>,
    attachments: Vec<Attached>,
    /// With `expand`, which messages a row holds.
    elements: Option<Reading>,
    /// What decides whether a row is for Deskie: a ticket, a message.
    pub(super) deciding: (Deciding, Option<Deciding>),
}

/// Plans the rows that were asked for, the tickets first, as they would be sent.
pub(super) async fn plan(
    config: &Config,
    client: &Client,
    known: Option<&Store>,
    arguments: &Arguments,
) -> Result<Vec<Planned>, Failure> {
    let tables = Tables::load(config, client).await?;
    let mut opened: HashSet<String> = HashSet::new();
    let mut planned = Vec::new();
    for key in tables.ticket_keys(arguments).await? {
        if has_case(known, &key).await? {
            opened.insert(key.clone());
        }
        let fate = fate(known, Section::Ticket, &key).await?;
        let mut row = tables.plan_ticket(&key, &mut opened).await?;
        row.outcome = fate.unwrap_or(row.outcome);
        planned.push(row);
    }
    for (key, ticket) in tables.message_keys(arguments).await? {
        if let Some(ticket) = &ticket
            && has_case(known, ticket).await?
        {
            opened.insert(ticket.clone());
        }
        for (key, row) in tables.messages_of(&key).await? {
            let fate = fate(known, Section::Message, &key).await?;
            // What is settled opens no case, so it must not seem so to the rows behind it.
            let mut none = opened.clone();
            let opened = if fate.is_some() { &mut none } else { &mut opened };
            let mut row = tables.plan_message(&key, &row, ticket.clone(), opened).await?;
            row.outcome = fate.unwrap_or(row.outcome);
            planned.push(row);
        }
    }
    Ok(planned)
}

/// What became of a row already.
async fn fate(known: Option<&Store>, section: Section, key: &str) -> Result<Option<Foreseen>, Failure> {
    let Some(store) = known else { return Ok(None) };
    let fate = store.links().fate(section, key).await.map_err(failed)?;
    Ok(fate.and_then(|(state, reason)| call::of_known(state, reason.as_deref())))
}

async fn has_case(known: Option<&Store>, key: &str) -> Result<bool, Failure> {
    let Some(store) = known else { return Ok(false) };
    let tickets = store.tickets().of_key(key).await.map_err(failed)?;
    Ok(tickets
        .first()
        .is_some_and(|ticket| !ticket.gone && ticket.case_id.is_some()))
}

impl<'a> Tables<'a> {
    async fn load(config: &'a Config, client: &'a Client) -> Result<Tables<'a>, Failure> {
        let ticket = shape(config, client, &config.ticket.table, &config.ticket.key).await?;
        let message = match &config.message {
            Some(message) => {
                let shape = load_message_shape(client, message).await.map_err(|error| {
                    Failure::Failed(
                        config
                            .fault(&message.table.span, error.to_string(), None)
                            .to_string(),
                    )
                })?;
                let reading = read::message(message, &config.ticket, &shape, &ticket, Source::Table);
                Some((message, shape, reading))
            }
            None => None,
        };
        let messages = message.as_ref().map(|(_, shape, _)| shape);
        let attachments = files::load(client, config, &ticket, messages)
            .await
            .map_err(failed)?;
        let ticket_reading = read::ticket(&config.ticket, &ticket, Source::Table);
        let with_expand = message.as_ref().filter(|(message, ..)| message.expand.is_some());
        let elements = with_expand.map(|(message, shape, _)| {
            expand::elements(message, &config.ticket, shape, &ticket, Source::Table)
        });
        let deciding_message = message
            .as_ref()
            .map(|(message, shape, _)| alone::message(message, &config.ticket, shape, &ticket));
        Ok(Tables {
            deciding: (alone::ticket(&config.ticket, &ticket), deciding_message),
            elements,
            config,
            client,
            ticket,
            ticket_reading,
            message,
            attachments,
        })
    }

    /// The tickets to show: the one that was asked for, or the newest, oldest of them first.
    async fn ticket_keys(&self, arguments: &Arguments) -> Result<Vec<String>, Failure> {
        if let Some(key) = &arguments.ticket {
            let Some(values) = key_values(key, self.ticket.key.len()) else {
                let why = format!(
                    "`{key}` is no key of {}: a JSON array of its {} texts",
                    self.ticket.relation,
                    self.ticket.key.len()
                );
                return Err(failed(why));
            };
            let sql = format!(
                "select {} from {} s where {}",
                self.ticket.key_sql("s"),
                self.ticket.sql(),
                self.ticket.key_condition("s", 1)
            );
            let rows = self
                .query("[ticket]", &sql, values.into_iter().map(Some).collect())
                .await?;
            return match first_cells(rows) {
                keys if keys.is_empty() => Err(failed(format!(
                    "{} has no row with the key `{key}`",
                    self.ticket.relation
                ))),
                keys => Ok(keys),
            };
        }
        let order = newest_first(&self.ticket, self.config.ticket.created_at.as_ref(), "s");
        let sql = format!(
            "select {} from {} s order by {order} limit {}",
            self.ticket.key_sql("s"),
            self.ticket.sql(),
            arguments.last
        );
        let mut keys = first_cells(self.query("[ticket]", &sql, Vec::new()).await?);
        keys.reverse();
        Ok(keys)
    }

    /// The messages to show with their tickets, oldest first.
    async fn message_keys(&self, arguments: &Arguments) -> Result<Vec<(String, Option<String>)>, Failure> {
        let Some((config, shape, _)) = &self.message else {
            return Ok(Vec::new());
        };
        let casts = self.ticket.key_casts();
        let parts: Vec<String> = config
            .ticket
            .iter()
            .zip(&casts)
            .map(|(expr, cast)| format!("({})::{cast}", value_sql(expr, "m", shape)))
            .collect();
        // A ticket found through the message's own joins needs them here, too.
        let is_plain = config
            .ticket
            .iter()
            .all(|expr| bare_column(expr, shape).is_some());
        let join = config
            .join
            .as_ref()
            .filter(|_| !is_plain)
            .map_or("", |join| join.sql.as_str());
        let lateral = config.expand.as_ref().filter(|_| !is_plain).map(list::lateral);
        let join = format!("{}\n{join}", lateral.unwrap_or_default());
        let (condition, values) = match &arguments.ticket {
            Some(key) => {
                let values = key_values(key, casts.len()).unwrap_or_default();
                let equal: Vec<String> = parts
                    .iter()
                    .zip(casts.iter().zip(self.ticket.key_equals()))
                    .enumerate()
                    .map(|(n, (part, (cast, equals)))| {
                        format!("{part} {equals} ${}::pg_catalog.text::{cast}", n + 1)
                    })
                    .collect();
                (
                    format!("where {}", equal.join(" and ")),
                    values.into_iter().map(Some).collect(),
                )
            }
            None => (String::new(), Vec::new()),
        };
        let limit = if arguments.ticket.is_some() {
            MESSAGES
        } else {
            arguments.last
        };
        let order = newest_first(shape, config.created_at.as_ref(), "m");
        let ticket_texts: Vec<String> = parts
            .iter()
            .map(|part| format!("{part}::pg_catalog.text"))
            .collect();
        let sql = format!(
            "select {}, {} from {} m\n{join}\n{condition} order by {order} limit {limit}",
            shape.key_sql("m"),
            ticket_texts.join(", "),
            shape.sql()
        );
        let mut rows = self.query("[message] ticket", &sql, values).await?;
        rows.reverse();
        let split = |row: Vec<Option<String>>| {
            let mut cells = row.into_iter();
            let key = cells.next().flatten()?;
            let ticket: Option<Vec<String>> = cells.collect();
            Some((key, ticket.map(|values| key_text(&values))))
        };
        Ok(rows.into_iter().filter_map(split).collect())
    }

    async fn plan_ticket(&self, key: &str, opened: &mut HashSet<String>) -> Result<Planned, Failure> {
        let row = self.ticket_row(key).await?;
        let values = match &row {
            Outputs::Row(cells) => self.ticket_values(cells),
            _ => Map::new(),
        };
        let files = self.files(AttachmentOf::Ticket, key).await?;
        let times = call::times(now());
        let verdict = match row {
            Outputs::Row(_) => None,
            _ => {
                let ask = |answers: &Answers| {
                    decide::ticket_verdict(self.config, &self.deciding.0, &times, answers)
                };
                self.verdict(ask, key, key).await?
            }
        };
        let outcome = match verdict {
            Some(outcome) => outcome,
            None => call::of_ticket(self.config, key, &row, &files, opened, now()),
        };
        Ok(Planned {
            section: Section::Ticket,
            key: key.to_owned(),
            ticket: Some(key.to_owned()),
            values,
            outcome,
        })
    }

    /// What the mapping gives for a row: itself, or with `expand` each message that it holds.
    async fn messages_of(&self, key: &str) -> Result<Vec<(String, Outputs)>, Failure> {
        let Some((_, shape, reading)) = &self.message else {
            return Err(failed("no [message] is configured"));
        };
        let Some(elements) = &self.elements else {
            return Ok(vec![(
                key.to_owned(),
                self.row("[message]", reading, shape, key).await?,
            )]);
        };
        let values = || {
            key_values(key, shape.key.len())
                .unwrap_or_default()
                .into_iter()
                .map(Some)
        };
        let told = async {
            let elements = self.try_query(&elements.sql, values().collect()).await?;
            let rows = self.try_query(&reading.sql, values().collect()).await?;
            Ok::<_, tokio_postgres::Error>((elements, rows))
        };
        let (elements, rows) = match told.await {
            Ok(told) => told,
            Err(error) if is_of_the_row(&error) => {
                return Ok(vec![(key.to_owned(), Outputs::Refused(describe(&error)))]);
            }
            Err(error) => return Err(refused("[message]", &error)),
        };
        let mut spoken: HashMap<String, VecDeque<Vec<Option<String>>>> = HashMap::new();
        for mut row in rows {
            if let Some(identity) = row.pop().flatten() {
                spoken.entry(identity).or_default().push_back(row);
            }
        }
        let mut equals: HashMap<String, usize> = HashMap::new();
        for element in &elements {
            if let [_, Some(identity)] = element.as_slice() {
                *equals.entry(identity.clone()).or_default() += 1;
            }
        }
        let mut found = Vec::new();
        for element in elements {
            let [Some(key), Some(identity)] = element.as_slice() else {
                continue;
            };
            let several =
                spoken.get(identity).map_or(0, VecDeque::len) > equals.get(identity).copied().unwrap_or(1);
            let row = match spoken.get_mut(identity) {
                Some(_) if several => Outputs::SeveralRows,
                Some(rows) => rows.pop_front().map_or(Outputs::NoRow, Outputs::Row),
                None => Outputs::NoRow,
            };
            equals
                .entry(identity.clone())
                .and_modify(|count| *count = count.saturating_sub(usize::from(!several)));
            found.push((key.clone(), row));
        }
        Ok(found)
    }

    async fn plan_message(
        &self,
        key: &str,
        row: &Outputs,
        ticket: Option<String>,
        opened: &mut HashSet<String>,
    ) -> Result<Planned, Failure> {
        let Some((config, ..)) = &self.message else {
            return Err(failed("no [message] is configured"));
        };
        let opening = match &ticket {
            Some(ticket) if !opened.contains(ticket) => Some(self.ticket_row(ticket).await?),
            _ => None,
        };
        let values = match row {
            Outputs::Row(cells) => {
                let mapped = |name: &str| match name {
                    "where" => config.filter.is_some(),
                    "ticket_where" => self.config.ticket.filter.is_some(),
                    "author" => config.author.is_some(),
                    "format" => config.format.is_some(),
                    "created_at" => config.created_at.is_some(),
                    _ => true,
                };
                named(&MESSAGE_OUTPUTS, cells, mapped)
            }
            _ => Map::new(),
        };
        let mut files = call::Files {
            own: self.files(AttachmentOf::Message, key).await?,
            of_ticket: Vec::new(),
        };
        if let Some(ticket) = ticket.as_ref().filter(|_| opening.is_some()) {
            files.of_ticket = self.files(AttachmentOf::Ticket, ticket).await?;
        }
        let ticket_exists = match (&ticket, row) {
            (Some(ticket), Outputs::NoRow) => self.ticket_exists(ticket).await?,
            _ => true,
        };
        let spoken = call::Spoken {
            ticket: ticket.as_deref(),
            row,
            opening: opening.as_ref(),
            ticket_exists,
            files: &files,
            now: now(),
        };
        let verdict = match (row, &self.deciding.1, &ticket) {
            (Outputs::Row(_), ..) | (_, None, _) | (_, _, None) => None,
            // A message in a list is not asked about by itself.
            _ if self.elements.is_some() => None,
            (_, Some(deciding), Some(ticket)) => {
                let times = call::times(now());
                let ask = |answers: &Answers| {
                    decide::message_verdict(self.config, deciding, &self.deciding.0, &times, answers)
                };
                self.verdict(ask, key, ticket).await?
            }
        };
        let outcome = match verdict {
            Some(outcome) => outcome,
            None => call::of_message((self.config, config), &spoken, opened),
        };
        Ok(Planned {
            section: Section::Message,
            key: key.to_owned(),
            ticket,
            values,
            outcome,
        })
    }

    /// The names of the files that go along.
    async fn files(&self, of: AttachmentOf, parent: &str) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        for attached in self
            .attachments
            .iter()
            .filter(|attached| attached.config.of == of)
        {
            let Some(values) = key_values(parent, attached.of_parent.columns.len()) else {
                continue;
            };
            let values = values.into_iter().map(Some).collect();
            for cells in self
                .query("[[attachment]]", &attached.of_parent.sql, values)
                .await?
            {
                let row = attached.row(&cells);
                names.extend(row.is_ours.then_some(row.name));
            }
        }
        Ok(names)
    }

    async fn ticket_exists(&self, key: &str) -> Result<bool, Failure> {
        let Some(values) = key_values(key, self.ticket.key.len()) else {
            return Ok(false);
        };
        let values = values.into_iter().map(Some).collect();
        let sql = read::row_exists(&self.ticket);
        Ok(!self.query("[ticket]", &sql, values).await?.is_empty())
    }

    async fn ticket_row(&self, key: &str) -> Result<Outputs, Failure> {
        self.row("[ticket]", &self.ticket_reading, &self.ticket, key)
            .await
    }

    fn ticket_values(&self, cells: &[Option<String>]) -> Map<String, Value> {
        let config = &self.config.ticket;
        let customer = &config.customer;
        let mapped = |name: &str| match name {
            "where" => config.filter.is_some(),
            "subject" => config.subject.is_some(),
            "body" => config.body.is_some(),
            "format" => config.format.is_some(),
            "status" => config.status.is_some(),
            "created_at" => config.created_at.is_some(),
            "channel" => config.channel.is_some(),
            "email" => customer.email.is_some(),
            "phone" => customer.phone.is_some(),
            "custom_id" => customer.custom_id.is_some(),
            "name" => customer.name.is_some(),
            "fields" => !config.fields.is_empty(),
            "labels" => config.labels.is_some(),
            "priority" => config.priority.is_some(),
            "group_id" => config.group_id.is_some(),
            "language_id" => config.language_id.is_some(),
            _ => true,
        };
        named(&TICKET_OUTPUTS, cells, mapped)
    }

    /// What the statement gives for the row with that key.
    pub(super) async fn row(
        &self,
        section: &str,
        reading: &Reading,
        shape: &Shape,
        key: &str,
    ) -> Result<Outputs, Failure> {
        let Some(values) = key_values(key, shape.key.len()) else {
            return Ok(Outputs::NoRow);
        };
        match self
            .try_query(&reading.sql, values.into_iter().map(Some).collect())
            .await
        {
            Ok(mut rows) if rows.len() < 2 => Ok(rows.pop().map_or(Outputs::NoRow, Outputs::Row)),
            Ok(_) => Ok(Outputs::SeveralRows),
            // The row's own values: another row may do.
            Err(error) if is_of_the_row(&error) => Ok(Outputs::Refused(describe(&error))),
            Err(error) => Err(refused(section, &error)),
        }
    }

    async fn query(
        &self,
        section: &str,
        sql: &str,
        values: Vec<Option<String>>,
    ) -> Result<Vec<Vec<Option<String>>>, Failure> {
        self.try_query(sql, values)
            .await
            .map_err(|error| refused(section, &error))
    }

    async fn try_query(
        &self,
        sql: &str,
        values: Vec<Option<String>>,
    ) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
        let params: Vec<TextParam> = values.into_iter().map(TextParam).collect();
        let params: Vec<&(dyn ToSql + Sync)> =
            params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
        let rows = site::query_sql(self.client, sql, &params).await?;
        rows.iter()
            .map(|row| (0..row.len()).map(|n| row.try_get(n)).collect())
            .collect()
    }
}

fn now() -> f64 {
    clock::now().as_second() as f64
}

/// Whether a row's own values are refused, so that another row may do.
fn is_of_the_row(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| code.code().starts_with("22") || code.code() == "21000")
}

fn named(names: &[&str], cells: &[Option<String>], mapped: impl Fn(&str) -> bool) -> Map<String, Value> {
    let cells = names.iter().zip(cells).filter(|(name, _)| mapped(name));
    cells
        .map(|(name, cell)| ((*name).to_owned(), value(name, cell.as_deref())))
        .collect()
}

/// Seconds since 1970 are shown as a time.
fn value(name: &str, cell: Option<&str>) -> Value {
    let time = |text: &str| {
        let seconds: f64 = text.parse().ok()?;
        Some(jiff::Timestamp::from_second(seconds as i64).ok()?.to_string())
    };
    match (name, cell) {
        (_, None) => Value::Null,
        ("created_at", Some(text)) => Value::String(time(text).unwrap_or_else(|| text.to_owned())),
        ("fields" | "labels", Some(text)) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        (_, Some(text)) => text.into(),
    }
}

fn first_cells(rows: Vec<Vec<Option<String>>>) -> Vec<String> {
    rows.into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect()
}

fn refused(section: &str, error: &tokio_postgres::Error) -> Failure {
    failed(format!(
        "{section}: {}\nhint: `deskie-cdc check` tells which line of the config it is",
        describe(error)
    ))
}

async fn shape(
    config: &Config,
    client: &Client,
    table: &TableName,
    key: &[String],
) -> Result<Shape, Failure> {
    load_shape(client, table, key)
        .await
        .map_err(|error| Failure::Failed(config.fault(&table.span, error.to_string(), None).to_string()))
}
