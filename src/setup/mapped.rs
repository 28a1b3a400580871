//! The mapping against the live catalog: its tables, and every statement that it compiles to, prepared. Everything
//! that is wrong is gathered, each fault at its place in the config.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::blame;
use super::watch::{inherits, unlogged};
use crate::config::{Config, Expr, Span, TableName};
use crate::mapping::read::{self, TicketKeyOf};
use crate::mapping::shape::nearest;
use crate::mapping::write;
use crate::mapping::{Shape, Source, expand, list, value_sql};
use crate::postgres::catalog::{self, Table, Unidentified};
use crate::postgres::names::{self, Sections};
use crate::postgres::shape::{row_key, shape_of};
use crate::postgres::{quote_ident, server_error, site};

/// A table whose rows the mapping turns into something, hence captured.
#[derive(Debug, Clone)]
pub(super) struct MappedTable {
    /// `ticket`, `message`, `attachment`.
    pub(super) section: &'static str,
    pub(super) table: Table,
    /// As the compiler wants it; `None` where the key is not known.
    pub(super) shape: Option<Shape>,
    /// It, and each of its partitions, that has no replica identity: none, and UPDATE and DELETE may be published.
    pub(super) unidentified: Vec<Unidentified>,
}

/// A statement that Postgres understood.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    /// What it is in the config.
    pub(super) name: String,
    /// With `$1`, `$2`, …
    pub(super) sql: String,
    /// The types of its parameters, as SQL.
    pub(super) types: Vec<String>,
}

/// What is wrong with the mapping.
#[derive(Debug, Clone)]
pub(super) struct MappingFault {
    /// Where in the config.
    pub(super) span: Span,
    /// What.
    pub(super) message: String,
    /// The mend.
    pub(super) hint: Option<String>,
    /// A right is missing, or something else that is not the config's fault.
    pub(super) not_the_config: bool,
}

/// The mapping as the database sees it.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    /// Captured tables, each once.
    pub(super) tables: Vec<MappedTable>,
    /// Statements that could be prepared.
    pub(super) probes: Vec<Probe>,
    /// The write-back's statements for agents and customers.
    pub(super) reply: Option<[write::Batch; 2]>,
    /// What is wrong.
    pub(super) faults: Vec<MappingFault>,
}

impl MappedTable {
    /// UPDATE and DELETE may be published (rule 1).
    pub(super) fn has_identity(&self) -> bool {
        self.unidentified.is_empty()
    }

    /// What it lacks, for a person.
    pub(super) fn lacks(&self) -> String {
        let of = |found: &Unidentified| match found.table == found.top {
            true => found.why.to_string(),
            false => format!("of its partition {} {}", found.table, found.why),
        };
        self.unidentified.first().map(of).unwrap_or_default()
    }
}

impl Mapped {
    /// The table of a section.
    pub(super) fn table(&self, section: &str) -> Option<&MappedTable> {
        self.tables.iter().find(|table| table.section == section)
    }

    /// The captured tables, each once.
    pub(super) fn captured(&self) -> Vec<&MappedTable> {
        let mut found: Vec<&MappedTable> = Vec::new();
        for table in &self.tables {
            if !found.iter().any(|other| other.table.oid == table.table.oid) {
                found.push(table);
            }
        }
        found
    }

    /// The faults as the user sees them.
    pub(super) fn faults_text(&self, config: &Config) -> String {
        let mut faults: Vec<&MappingFault> = self.faults.iter().collect();
        faults.sort_by_key(|fault| fault.span.start);
        let texts: Vec<String> = faults
            .iter()
            .map(|fault| {
                config
                    .fault(&fault.span, fault.message.clone(), fault.hint.clone())
                    .to_string()
            })
            .collect();
        let count = match texts.len() {
            0 | 1 => String::new(),
            count => format!("\n\n{count} errors in the config"),
        };
        format!("{}{count}", texts.join("\n\n"))
    }
}

/// The catalog's table for a name of the config. A name with its schema is looked up without asking for USAGE on it.
pub(super) async fn find_table(
    client: &Client,
    name: &TableName,
) -> Result<Option<Table>, tokio_postgres::Error> {
    match &name.schema {
        Some(schema) => {
            let name = crate::model::RelationName {
                schema: schema.clone(),
                table: name.table.clone(),
            };
            catalog::table_by_name(client, &name).await
        }
        None => catalog::table_by_text(client, &quote_ident(&name.table)).await,
    }
}

/// Gathers.
pub(super) struct Reader<'a> {
    pub(super) client: &'a Client,
    pub(super) config: &'a Config,
    pub(super) mapped: Mapped,
    /// Our publication carries stored generated columns.
    stored: bool,
    /// Where names stand that are no column of their section's own row.
    strays: Vec<Span>,
}

/// Reads the catalog and prepares everything. An error is the connection's; what is wrong with the mapping is in
/// [`Mapped::faults`].
pub(super) async fn read(client: &Client, config: &Config) -> Result<Mapped, tokio_postgres::Error> {
    let main = catalog::publication(client, &config.postgres.publication).await?;
    let mut reader = Reader {
        client,
        config,
        mapped: Mapped::default(),
        stored: main.is_some_and(|main| main.stored_generated),
        strays: Vec::new(),
    };
    let tickets = reader
        .table("ticket", &config.ticket.table, &config.ticket.key, false)
        .await?;
    let mut messages = None;
    if let Some(message) = &config.message {
        let is_list = message.expand.is_some();
        messages = reader
            .table("message", &message.table, &message.key, is_list)
            .await?;
    }
    let mut attached = Vec::new();
    for attachment in &config.attachments {
        let is_list = attachment.expand.is_some();
        let shape = reader
            .table("attachment", &attachment.table, &attachment.key, is_list)
            .await?;
        attached.extend(shape.map(|shape| (attachment, shape)));
    }
    if let Some(tickets) = &tickets {
        if attached.len() == config.attachments.len() {
            let sections = Sections {
                config,
                ticket: tickets,
                message: messages.as_ref(),
                attachments: attached.iter().map(|(_, shape)| shape).collect(),
            };
            for stray in names::strays(client, &sections).await? {
                reader.fault(&stray.span, stray.message, stray.hint);
                reader.strays.push(stray.span);
            }
        }
        reader.tickets(tickets).await?;
        if let (Some(message), Some(messages)) = (&config.message, &messages) {
            reader.messages(message, messages, tickets).await?;
        }
        for (attachment, shape) in &attached {
            reader
                .attachment(attachment, shape, tickets, messages.as_ref())
                .await?;
        }
        if config.message.is_none() || messages.is_some() {
            reader.replies(tickets, messages.as_ref()).await?;
        }
    }
    Ok(reader.mapped)
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, span: &Span, message: impl Into<String>, hint: Option<String>) {
        self.mapped.faults.push(MappingFault {
            span: span.clone(),
            message: message.into(),
            hint,
            not_the_config: false,
        });
    }

    async fn table(
        &mut self,
        section: &'static str,
        name: &TableName,
        key: &[String],
        is_list: bool,
    ) -> Result<Option<Shape>, tokio_postgres::Error> {
        let Some(table) = find_table(self.client, name).await? else {
            let near = blame::nearest_table(self.client, self.config, &name.table).await?;
            let written = match &name.schema {
                Some(schema) => format!("{schema}.{}", name.table),
                None => name.table.clone(),
            };
            self.fault(
                &name.span,
                format!("the table {written} does not exist"),
                near.map(|near| format!("did you mean `{near}`?")),
            );
            return Ok(None);
        };
        match (table.kind, table.persistence) {
            ('r' | 'p', 'p') => {}
            ('r' | 'p', 'u') => self.fault(
                &name.span,
                format!(
                    "the table {} is UNLOGGED: its changes are not in the WAL and cannot be streamed",
                    table.name
                ),
                Some(format!(
                    "alter table {} set logged",
                    crate::postgres::qualified(&table.name)
                )),
            ),
            ('r' | 'p', _) => {
                self.fault(
                    &name.span,
                    format!("the table {} is temporary and cannot be streamed", table.name),
                    None,
                );
            }
            (kind, _) => {
                let what = match kind {
                    'v' => "a view",
                    'm' => "a materialized view",
                    _ => "a foreign table",
                };
                let hint = "name the table beneath it; what the view adds can come from `join`".to_owned();
                self.fault(
                    &name.span,
                    format!("{} is {what} and cannot be streamed", table.name),
                    Some(hint),
                );
            }
        }
        let key = row_key(&table, key, is_list);
        let children = catalog::inheritors(self.client, table.oid).await?;
        if let Some((what, mend)) = inherits(&table.name, &children) {
            self.fault(&name.span, what, Some(mend));
        }
        let partitions = catalog::unlogged_partitions(self.client, table.oid).await?;
        if let Some((what, mend)) = unlogged(&table.name, &partitions) {
            self.fault(&name.span, what, Some(mend));
        }
        let shape = match shape_of(&table, &key) {
            Ok(shape) => Some(shape),
            Err(error) => {
                let hint = key
                    .iter()
                    .find(|column| table.column(column).is_none())
                    .and_then(|column| {
                        let near = nearest(column, table.columns.iter().map(|column| column.name.as_str()))?;
                        Some(format!("did you mean `{near}`?"))
                    });
                self.fault(&name.span, error.to_string(), hint);
                None
            }
        };
        if let Some(column) = shape.as_ref().and_then(Shape::generated_key)
            && !self.stored
        {
            self.fault(
                &name.span,
                format!(
                    "the rows of {} would be known by {column}, which the server generates and leaves out of the stream",
                    table.name
                ),
                Some("name columns that are not generated as `key`".to_owned()),
            );
        }
        let unidentified = catalog::unidentified(self.client, &[table.oid], self.stored).await?;
        self.mapped.tables.push(MappedTable {
            section,
            table,
            shape: shape.clone(),
            unidentified,
        });
        Ok(shape)
    }

    /// Prepares one statement; what Postgres answers is blamed on one of `parts`, else on `span`.
    pub(super) async fn prepare(
        &mut self,
        name: &str,
        sql: &str,
        span: &Span,
        parts: &[blame::Part],
    ) -> Result<bool, tokio_postgres::Error> {
        match site::prepare(self.client, sql).await {
            Ok(statement) => {
                let types = statement.params().iter().map(type_sql).collect();
                self.mapped.probes.push(Probe {
                    name: name.to_owned(),
                    sql: sql.to_owned(),
                    types,
                });
                Ok(true)
            }
            Err(error) => {
                self.blame(error, sql, span, parts).await?;
                Ok(false)
            }
        }
    }

    /// Adds the faults behind a server's error; any other error is the connection's.
    pub(super) async fn blame(
        &mut self,
        error: tokio_postgres::Error,
        sql: &str,
        span: &Span,
        parts: &[blame::Part],
    ) -> Result<(), tokio_postgres::Error> {
        if server_error(&error).is_none() {
            return Err(error);
        }
        let tables: Vec<Table> = self
            .mapped
            .tables
            .iter()
            .map(|table| table.table.clone())
            .collect();
        let found = blame::find(self.client, self.config, &tables, &error, sql, span, parts).await?;
        for fault in found {
            // An expression whose name is told already is not told twice.
            let known = |other: &MappingFault| {
                other.span == fault.span
                    && (other.message == fault.message || self.strays.contains(&fault.span))
            };
            if !self.mapped.faults.iter().any(known) {
                self.mapped.faults.push(fault);
            }
        }
        Ok(())
    }

    async fn tickets(&mut self, shape: &Shape) -> Result<(), tokio_postgres::Error> {
        let config = &self.config.ticket;
        let span = config.table.span.clone();
        let from = format!("from {} t", shape.sql());
        let mut parts = blame::Part::joins(&from, &[config.join.as_ref()]);
        let joined = blame::joined(&from, &[config.join.as_ref()]);
        let values = read::ticket_expressions(config)
            .into_iter()
            .filter(|expr| expr.name != "ticket.join");
        parts.extend(values.map(|expr| blame::Part::value(expr, &value_sql(expr, "t", shape), &joined)));
        for source in [Source::Table, Source::Image] {
            let reading = read::ticket(config, shape, source);
            if !self.prepare("ticket", &reading.sql, &span, &parts).await? {
                return Ok(());
            }
        }
        let columns: Vec<String> = shape.columns.iter().map(|column| column.name.clone()).collect();
        self.prepare("ticket", &read::cells_by_key(shape, &columns), &span, &[])
            .await?;
        Ok(())
    }

    async fn messages(
        &mut self,
        config: &crate::config::Message,
        shape: &Shape,
        tickets: &Shape,
    ) -> Result<(), tokio_postgres::Error> {
        let span = config.table.span.clone();
        if config.ticket.len() != tickets.key.len() {
            let message = format!(
                "`ticket` has {} expressions, but the key of {} has {} columns ({})",
                config.ticket.len(),
                tickets.relation,
                tickets.key.len(),
                tickets.key.join(", ")
            );
            self.fault(
                &config.ticket.first().map_or(span, |expr| expr.span.clone()),
                message,
                None,
            );
            return Ok(());
        }
        let ticket_join = self.config.ticket.join.as_ref();
        let from = format!("from {} m cross join {} t", shape.sql(), tickets.sql());
        let lateral = config.expand.as_ref().map(|list| Expr {
            sql: list::lateral(list),
            ..list.clone()
        });
        let own = match expand::reads_ticket(config) {
            true => [ticket_join, lateral.as_ref(), config.join.as_ref()],
            false => [lateral.as_ref(), ticket_join, config.join.as_ref()],
        };
        let mut parts = blame::Part::joins(&from, &own);
        let joined = blame::joined(&from, &own);
        let values = read::message_expressions(config).into_iter();
        let values = values.filter(|expr| !["message.join", "message.expand"].contains(&expr.name.as_str()));
        parts.extend(values.map(|expr| blame::Part::value(expr, &value_sql(expr, "m", shape), &joined)));
        for source in [Source::Table, Source::Image] {
            let reading = read::message(config, &self.config.ticket, shape, tickets, source);
            if !self.prepare("message", &reading.sql, &span, &parts).await? {
                return Ok(());
            }
        }
        if let TicketKeyOf::Reading(reading) = read::ticket_key_of(config, shape, tickets, Source::Image) {
            self.prepare("message.ticket", &reading.sql, &span, &parts)
                .await?;
        }
        if config.expand.is_some() {
            for source in [Source::Table, Source::Image] {
                let reading = expand::elements(config, &self.config.ticket, shape, tickets, source);
                self.prepare("message.key", &reading.sql, &span, &parts).await?;
            }
        }
        let columns: Vec<String> = shape.columns.iter().map(|column| column.name.clone()).collect();
        self.prepare("message", &read::cells_by_key(shape, &columns), &span, &[])
            .await?;
        Ok(())
    }
}

pub(super) fn type_sql(kind: &Type) -> String {
    format!("{}.{}", quote_ident(kind.schema()), quote_ident(kind.name()))
}
