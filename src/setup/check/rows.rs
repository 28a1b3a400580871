//! What the mapping makes of the newest rows: they pass through the compiled statements, one by one, and are summed up by
//! what becomes of them. A mapping that Postgres takes may still mean something else than its author thought; its rows
//! show it.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::Checks;
use super::summary::{
    AGENT, CUSTOMER, Given, LEFT_OUT, OTHERWISE, PARKED, Summary, Time, Told, WAITS, output, short,
};
use crate::config::{Config, Expr, Message, OpenOn};
use crate::decide::body_format;
use crate::mapping::lexer::conjuncts;
use crate::mapping::read::{self, MESSAGE_OUTPUTS, Reading, TICKET_OUTPUTS, TicketKeyOf};
use crate::mapping::scan::newest_first;
use crate::mapping::shape::{Shape, key_values};
use crate::mapping::{Source, bare_column};
use crate::postgres::shape::created_at_types;
use crate::postgres::{TextParam, describe, qualified, site};
use crate::setup::error::SetupError;
use crate::setup::mapped::Mapped;

/// So many rows are asked for at once.
const AT_ONCE: usize = 16;
/// From so many rows on, what all of them have in common is no chance.
const MANY: usize = 20;

/// Looks at the newest `count` rows of tickets and messages.
pub(super) async fn check(
    config: &Config,
    client: &Client,
    mapped: &Mapped,
    count: u32,
) -> Result<Checks, SetupError> {
    let mut found = Checks::default();
    if mapped.faults.iter().any(|fault| !fault.not_the_config) || count == 0 {
        return Ok(found);
    }
    let shape = |section| mapped.table(section).and_then(|table| table.shape.as_ref());
    let Some(tickets) = shape("ticket") else {
        return Ok(found);
    };
    let looking = Looking {
        config,
        client,
        tickets,
        times: times(config, client, tickets, shape("message")).await?,
    };
    looking.tickets(count, &mut found).await?;
    if let (Some(message), Some(messages)) = (&config.message, shape("message")) {
        own_key(client, message, (messages, tickets), mapped, &mut found).await?;
        looking.messages(message, messages, count, &mut found).await?;
    }
    Ok(found)
}

struct Looking<'a> {
    config: &'a Config,
    client: &'a Client,
    tickets: &'a Shape,
    /// Of tickets and of messages.
    times: (Option<Time>, Option<Time>),
}

/// What `created_at` of both sections is.
async fn times(
    config: &Config,
    client: &Client,
    tickets: &Shape,
    messages: Option<&Shape>,
) -> Result<(Option<Time>, Option<Time>), SetupError> {
    let sql = "select reset_val, extract(epoch from (pg_catalog.now() at time zone reset_val)
            - (pg_catalog.now() at time zone 'UTC'))::float8 from pg_catalog.pg_settings where name = 'TimeZone'";
    let zone = client.query_one(sql, &[]).await?;
    let (name, offset): (String, f64) = (zone.try_get(0)?, zone.try_get(1)?);
    // What is wrong with the statements the mapping's own check has told.
    let Ok(types) = created_at_types(client, config, tickets, messages).await else {
        return Ok((None, None));
    };
    let time = |mapped: Option<(String, bool)>| {
        mapped.map(|(expression, is_zoned)| Time {
            expression,
            is_zoned,
            zone: (name.clone(), offset),
        })
    };
    let [(_, of_tickets), (_, of_messages)] = types;
    Ok((time(of_tickets), time(of_messages)))
}

impl Looking<'_> {
    async fn keys(
        &self,
        shape: &Shape,
        created_at: Option<&Expr>,
        count: u32,
    ) -> Result<Vec<String>, SetupError> {
        let order = newest_first(shape, created_at, "s");
        let sql = format!(
            "select {} from {} s order by {order} limit {count}",
            shape.key_sql("s"),
            shape.sql()
        );
        let rows = site::query_sql(self.client, &sql, &[]).await?;
        // A row without a key is none of ours.
        let keys: Vec<Option<String>> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        Ok(keys.into_iter().flatten().collect())
    }

    async fn read(
        &self,
        reading: &Reading,
        shape: &Shape,
        keys: &[String],
        is_list: bool,
    ) -> Result<Vec<(String, Given)>, SetupError> {
        let statement = site::prepare(self.client, &reading.sql).await?;
        let mut found = Vec::with_capacity(keys.len());
        for some in keys.chunks(AT_ONCE) {
            let asked = some.iter().map(|key| async {
                let values: Vec<TextParam> = key_values(key, shape.key.len())
                    .unwrap_or_default()
                    .into_iter()
                    .map(TextParam::new)
                    .collect();
                let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
                match site::query(self.client, &statement, &values).await {
                    Ok(rows) => Ok(Ok(rows)),
                    Err(error) if error.code().is_some() => Ok(Err(describe(&error))),
                    Err(error) => Err(error),
                }
            });
            for (key, rows) in some.iter().zip(try_join_all(asked).await?) {
                let rows = match rows {
                    Ok(rows) => rows,
                    Err(refused) => {
                        found.push((key.clone(), Given::Refused(refused)));
                        continue;
                    }
                };
                let cells = |row: &tokio_postgres::Row| {
                    (0..row.len()).map(|n| row.try_get(n)).collect::<Result<_, _>>()
                };
                match rows.as_slice() {
                    [] if is_list => {}
                    [] => found.push((key.clone(), Given::None)),
                    [_, _, ..] if !is_list => found.push((key.clone(), Given::Several)),
                    rows => {
                        for row in rows {
                            found.push((key.clone(), Given::One(cells(row)?)));
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    async fn tickets(&self, count: u32, found: &mut Checks) -> Result<(), SetupError> {
        let config = &self.config.ticket;
        let keys = self.keys(self.tickets, config.created_at.as_ref(), count).await?;
        if keys.is_empty() {
            return self.no_rows("ticket", self.tickets, found).await;
        }
        let reading = read::ticket(config, self.tickets, Source::Table);
        let mut told = Told::new("ticket");
        let mut addresses = Vec::new();
        for (key, given) in self.read(&reading, self.tickets, &keys, false).await? {
            let Some(cells) = told.row(&key, given) else {
                continue;
            };
            let value = |name: &str| output(&TICKET_OUTPUTS, &cells, name);
            let subject = value("subject");
            told.time(value("created_at"));
            if value("where") != Some("true") {
                told.summary
                    .add(LEFT_OUT, "left out by [ticket] where", &key, subject);
                continue;
            }
            let address = value("email").or(value("phone")).or(value("custom_id"));
            match address {
                None => {
                    told.summary.add(
                        WAITS,
                        "wait for a customer: neither e-mail nor phone",
                        &key,
                        subject,
                    );
                    continue;
                }
                Some(address) => addresses.push(address.to_owned()),
            }
            if body_format(value("format")).is_none() {
                told.unformatted(value("format"), &key, subject);
                continue;
            }
            let what = match config.open_on {
                OpenOn::Ticket => "open a case",
                OpenOn::Message => "open a case with their first message",
            };
            told.summary.add(CUSTOMER, what, &key, subject);
        }
        let (table, all) = (self.tickets.relation.to_string(), told.summary.count(0..=u8::MAX));
        let waiting = told.summary.count(WAITS..=WAITS);
        if waiting > 0 {
            found.warn(
                ("rows", "no_customer"),
                format!("{waiting} of the newest {all} tickets have no customer: no case can be opened for them"),
                "let customer.email, customer.phone or (with a channel) customer.custom_id find somebody; else leave such \
                 tickets out with [ticket] where",
            );
        }
        let folded = addresses
            .iter()
            .filter(|address| address.contains('@') && address.contains(['ı', '\u{307}']))
            .count();
        if folded > 0 {
            found.warn(
                ("rows", "address_folded"),
                format!(
                    "{folded} of the newest {all} tickets have an e-mail address with a Turkish letter in it, as lower() makes it \
                     of INFO@ in a Turkish collation: it is another address"
                ),
                "write lower(… collate \"C\") in customer.email",
            );
        }
        let distinct: BTreeSet<String> = addresses.iter().map(|address| address.to_lowercase()).collect();
        if addresses.len() >= MANY / 2 && distinct.len() == 1 {
            found.warn(
                ("rows", "one_customer"),
                format!("the newest {} tickets are all of one customer", addresses.len()),
                "look whether customer.email names the site's own mailbox, or an agent; nothing, if it is one customer indeed",
            );
        }
        if told.summary.count(LEFT_OUT..=LEFT_OUT) == all {
            found.warn(
                ("rows", "all_left_out"),
                format!("[ticket] where leaves out all of the newest {all} tickets"),
                "mend the condition, if these are for Deskie",
            );
        }
        told.finish(&table, self.times.0.as_ref(), found);
        Ok(())
    }

    async fn messages(
        &self,
        message: &Message,
        shape: &Shape,
        count: u32,
        found: &mut Checks,
    ) -> Result<(), SetupError> {
        let keys = self.keys(shape, message.created_at.as_ref(), count).await?;
        if keys.is_empty() {
            return self.no_rows("message", shape, found).await;
        }
        let is_list = message.expand.is_some();
        let reading = |message: &Message| {
            read::message(message, &self.config.ticket, shape, self.tickets, Source::Table)
        };
        let mut told = Told::new("message");
        let mut words: BTreeMap<String, usize> = BTreeMap::new();
        let mut left_out = Vec::new();
        let given = self.read(&reading(message), shape, &keys, is_list).await?;
        let lonely = given.iter().filter(|(_, given)| matches!(given, Given::None));
        let lonely: Vec<String> = lonely.map(|(key, _)| key.clone()).collect();
        let of_no_ticket = self.of_no_ticket(message, shape, &lonely).await?;
        for (key, given) in given {
            if of_no_ticket.contains(&key) {
                let what = "belong to no ticket: [message] ticket is NULL";
                told.summary.add(OTHERWISE, what, &key, None);
                continue;
            }
            let Some(cells) = told.row(&key, given) else {
                continue;
            };
            let value = |name: &str| output(&MESSAGE_OUTPUTS, &cells, name);
            let body = value("body");
            told.time(value("created_at"));
            if value("where") != Some("true") {
                left_out.push((key, body.map(str::to_owned)));
                continue;
            }
            let author = match value("author") {
                None if message.author.is_none() => "customer",
                None => "NULL",
                Some(author) => author,
            };
            let (rank, what) = match author {
                "customer" | "agent" if value("ticket_where") != Some("true") => (
                    WAITS,
                    "wait until [ticket] where holds for their ticket".to_owned(),
                ),
                "customer" | "agent" if body.is_none() => (
                    OTHERWISE,
                    "without a text: passed over, unless there is a file".to_owned(),
                ),
                "customer" | "agent" if body_format(value("format")).is_none() => {
                    told.unformatted(value("format"), &key, body);
                    continue;
                }
                "customer" => (CUSTOMER, "customers' messages".to_owned()),
                "agent" => (AGENT, "agents' answers".to_owned()),
                "skip" => (OTHERWISE, "passed over: author is 'skip'".to_owned()),
                other => {
                    *words.entry(short(other)).or_default() += 1;
                    (PARKED, format!("would be parked: author is `{}`", short(other)))
                }
            };
            told.summary.add(rank, what, &key, body);
        }
        self.why_left_out(message, shape, left_out, &mut told).await?;
        self.authors(message, &words, &told.summary, found);
        told.finish(&shape.relation.to_string(), self.times.1.as_ref(), found);
        Ok(())
    }

    /// Those of the rows whose `ticket` is NULL: nothing is missing for them to wait for.
    async fn of_no_ticket(
        &self,
        message: &Message,
        shape: &Shape,
        keys: &[String],
    ) -> Result<BTreeSet<String>, SetupError> {
        if keys.is_empty() {
            return Ok(BTreeSet::new());
        }
        let reading = match read::ticket_key_of(message, shape, self.tickets, Source::Table) {
            TicketKeyOf::Reading(reading) => reading,
            TicketKeyOf::Columns(columns) => Reading {
                sql: read::cells_by_key(shape, &columns),
                columns: shape.key.clone(),
            },
        };
        let given = self.read(&reading, shape, keys, false).await?;
        let has_none =
            |given: &Given| matches!(given, Given::One(cells) if cells.iter().any(Option::is_none));
        Ok(given
            .into_iter()
            .filter(|(_, given)| has_none(given))
            .map(|(key, _)| key)
            .collect())
    }

    /// Which part of `where` leaves a row out, where it has several.
    async fn why_left_out(
        &self,
        message: &Message,
        shape: &Shape,
        rows: Vec<(String, Option<String>)>,
        told: &mut Told,
    ) -> Result<(), SetupError> {
        let Some(filter) = message.filter.as_ref().filter(|_| !rows.is_empty()) else {
            return Ok(());
        };
        let parts = conjuncts(&filter.sql);
        let keys: Vec<String> = rows.iter().map(|(key, _)| key.clone()).collect();
        let mut why: BTreeMap<String, &str> = BTreeMap::new();
        if parts.len() > 1 && message.expand.is_none() {
            for part in &parts {
                let one = Message {
                    filter: Some(Expr {
                        sql: part.trim().to_owned(),
                        ..filter.clone()
                    }),
                    ..message.clone()
                };
                let reading = read::message(&one, &self.config.ticket, shape, self.tickets, Source::Table);
                for (key, given) in self.read(&reading, shape, &keys, false).await? {
                    if matches!(&given, Given::One(cells) if output(&MESSAGE_OUTPUTS, cells, "where") != Some("true"))
                    {
                        why.entry(key).or_insert(part.trim());
                    }
                }
            }
        }
        let whole = if parts.len() > 1 {
            "[message] where"
        } else {
            filter.sql.trim()
        };
        for (key, body) in rows {
            let condition = why.get(&key).copied().unwrap_or(whole);
            told.summary.add(
                LEFT_OUT,
                format!("left out: {} does not hold", short(condition)),
                &key,
                body.as_deref(),
            );
        }
        Ok(())
    }

    fn authors(
        &self,
        message: &Message,
        words: &BTreeMap<String, usize>,
        summary: &Summary,
        found: &mut Checks,
    ) {
        let all = summary.count(0..=u8::MAX);
        let parked: usize = words.values().sum();
        if parked > 0 {
            let list: Vec<String> = words.keys().take(8).map(|word| format!("`{word}`")).collect();
            let author = message.author.as_ref().map_or("…", |author| author.sql.trim());
            let mend = match words.keys().all(|word| word == "true" || word == "false") {
                true => format!(
                    "author = \"case when {author} then 'agent' else 'customer' end\", or the other way round"
                ),
                false => format!(
                    "give each a word of ours: author = \"case {author} when … then 'customer' when … then 'agent' else 'skip' end\""
                ),
            };
            let what = format!(
                "{parked} of the newest {all} messages would be parked: [message] author gives {}, and knows only customer, agent and skip",
                list.join(", ")
            );
            match parked == all {
                true => found.fail(("rows", "author_word"), what, mend),
                false => found.warn(("rows", "author_word"), what, mend),
            }
        }
        let left_out = summary.count(LEFT_OUT..=LEFT_OUT);
        if left_out == all && all > 0 {
            found.warn(
                ("rows", "all_left_out"),
                format!("[message] where leaves out all of the newest {all} messages"),
                "mend the condition, if these are for Deskie",
            );
        }
        let customers = summary.count(CUSTOMER..=CUSTOMER);
        if customers >= MANY
            && customers == all
            && self
                .config
                .reply
                .as_ref()
                .is_some_and(|reply| !reply.both.set.is_empty() || !reply.agent.set.is_empty())
        {
            found.warn(
                ("rows", "one_author"),
                format!("all of the newest {all} messages are taken for the customers'"),
                "look whether [message] author tells agents apart; nothing, if none has answered on the site",
            );
        }
    }

    /// No row at all: there is none, or we may not see it.
    async fn no_rows(&self, section: &str, shape: &Shape, found: &mut Checks) -> Result<(), SetupError> {
        let sql = "SELECT c.reltuples::pg_catalog.float8, c.relrowsecurity FROM pg_catalog.pg_class AS c \
            WHERE c.oid = pg_catalog.to_regclass($1::pg_catalog.text)";
        let name = qualified(&shape.relation);
        let row = self.client.query_opt(sql, &[&name]).await?;
        let (rows, secured): (f64, bool) = match row {
            Some(row) => (row.try_get(0)?, row.try_get(1)?),
            None => (0.0, false),
        };
        match rows >= 1.0 && secured {
            true => found.warn(
                ("rows", "rows_hidden"),
                format!("[{section}]: {} has about {rows} rows, and row security shows none of them to us", shape.relation),
                "give the connector's user a policy for SELECT on it, BYPASSRLS, or what the policies ask for in [capture] session",
            ),
            false => found.ok("rows", format!("{} has no rows yet", shape.relation)),
        }
        Ok(())
    }
}

/// `ticket = "id"`: each message names the ticket that has its own number.
async fn own_key(
    client: &Client,
    message: &Message,
    (messages, tickets): (&Shape, &Shape),
    mapped: &Mapped,
    found: &mut Checks,
) -> Result<(), SetupError> {
    let named: Option<Vec<&str>> = message
        .ticket
        .iter()
        .map(|expr| bare_column(expr, messages))
        .collect();
    let is_own =
        named.is_some_and(|named| named == messages.key.iter().map(String::as_str).collect::<Vec<_>>());
    if !is_own || messages.relation == tickets.relation || message.expand.is_some() {
        return Ok(());
    }
    let oid = |section| {
        mapped
            .table(section)
            .map(|table| table.table.oid)
            .unwrap_or_default()
    };
    let sql = "SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_constraint AS k \
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] \
        WHERE k.contype = 'f' AND k.conrelid = $1 AND k.confrelid = $2 LIMIT 1";
    let row = client.query_opt(sql, &[&oid("message"), &oid("ticket")]).await?;
    let column: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    // A table whose key is the ticket's key holds one row a ticket.
    if column
        .as_ref()
        .is_some_and(|column| messages.key.contains(column))
    {
        return Ok(());
    }
    found.warn(
        ("rows", "ticket_is_own_key"),
        "[message] ticket is the message's own key: each message would go to the ticket that has the same number by chance",
        match column {
            Some(column) => format!("ticket = \"{column}\""),
            None => "name the column of the message's row that holds the ticket's key".to_owned(),
        },
    );
    Ok(())
}
