//! A mapped table as the mapping's compiler wants to know it.

use super::catalog::{self, Table};
use super::{describe, qualified, quote_ident};
use crate::config::{Attachment, Config, Message, TableName};
use crate::mapping::{Column, Shape, moment};
use crate::model::Section;

/// Why a table cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// It is not there, or not visible to us.
    #[error("the table {0} does not exist, or its schema is not visible to us")]
    NoTable(String),
    /// It has no primary key and the config names none.
    #[error("the table {0} has no primary key; name the key columns with `key`")]
    NoKey(String),
    /// A key column is not there.
    #[error("the table {table} has no column {column}, which `key` names")]
    NoKeyColumn { table: String, column: String },
    /// A name of the mapping is no column of its section's own row; where, what and what may have been meant.
    #[error("{0}")]
    Stray(String),
    /// The catalog could not be read.
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
}

impl ShapeError {
    /// Whether trying again may help.
    pub fn is_about_the_connection(&self) -> bool {
        matches!(self, ShapeError::Postgres(_))
    }
}

/// The catalog's table for a name of the config; a partition is answered with its root.
pub async fn load_table(client: &tokio_postgres::Client, name: &TableName) -> Result<Table, ShapeError> {
    let text = match &name.schema {
        Some(schema) => format!("{}.{}", quote_ident(schema), quote_ident(&name.table)),
        None => quote_ident(&name.table),
    };
    let table = catalog::table_by_text(client, &text).await?;
    table.ok_or(ShapeError::NoTable(text))
}

/// The shape of a mapped table. `key`: the config's key columns; empty: the primary key.
pub async fn load_shape(
    client: &tokio_postgres::Client,
    name: &TableName,
    key: &[String],
) -> Result<Shape, ShapeError> {
    shape_of(&load_table(client, name).await?, key)
}

/// The shape of the message table. With `expand` the names in `key` that are columns of it are the row's key.
pub async fn load_message_shape(
    client: &tokio_postgres::Client,
    message: &Message,
) -> Result<Shape, ShapeError> {
    let table = load_table(client, &message.table).await?;
    shape_of(&table, &row_key(&table, &message.key, message.expand.is_some()))
}

/// The shape of an attachment's table; of its key the same holds.
pub async fn load_attachment_shape(
    client: &tokio_postgres::Client,
    attachment: &Attachment,
) -> Result<Shape, ShapeError> {
    let table = load_table(client, &attachment.table).await?;
    shape_of(
        &table,
        &row_key(&table, &attachment.key, attachment.expand.is_some()),
    )
}

/// The key of a table's rows: of a row that holds many things those names of `key` that are columns. Empty: the primary
/// key.
pub fn row_key(table: &Table, key: &[String], is_list: bool) -> Vec<String> {
    let is_column = |name: &&String| !is_list || table.column(name).is_some();
    key.iter().filter(is_column).cloned().collect()
}

/// The shape of a table of the catalog.
pub fn shape_of(table: &Table, key: &[String]) -> Result<Shape, ShapeError> {
    let key = if key.is_empty() {
        table.primary_key.clone()
    } else {
        key.to_vec()
    };
    if key.is_empty() {
        return Err(ShapeError::NoKey(qualified(&table.name)));
    }
    if let Some(column) = key.iter().find(|column| table.column(column).is_none()) {
        return Err(ShapeError::NoKeyColumn {
            table: qualified(&table.name),
            column: column.clone(),
        });
    }
    let columns = table.columns.iter();
    Ok(Shape {
        relation: table.name.clone(),
        key,
        columns: columns
            .map(|column| Column {
                name: column.name.clone(),
                cast: column.cast_type.clone(),
                equals: column.equals.clone(),
                loose: column.loose,
                generated: column.generated,
            })
            .collect(),
    })
}

/// How `created_at` is mapped in a section, and whether its type has a time zone; `None`: it is not mapped.
pub type CreatedAtTypes = [(Section, Option<(String, bool)>); 2];

/// The same for both sections.
pub async fn created_at_types(
    client: &tokio_postgres::Client,
    config: &Config,
    tickets: &Shape,
    messages: Option<&Shape>,
) -> Result<CreatedAtTypes, ShapeError> {
    let mut types = [(Section::Ticket, None), (Section::Message, None)];
    let message = config.message.as_ref().zip(messages);
    let of_message = message.and_then(|(message, shape)| {
        let probe = moment::of_message(message, &config.ticket, shape, tickets)?;
        Some((message.created_at.as_ref()?, probe))
    });
    let of_ticket = config
        .ticket
        .created_at
        .as_ref()
        .zip(moment::of_ticket(&config.ticket, tickets));
    for ((_, found), mapped) in types.iter_mut().zip([of_ticket, of_message]) {
        if let Some((expression, probe)) = mapped {
            *found = Some((expression.sql.trim().to_owned(), is_zoned(client, &probe).await?));
        }
    }
    Ok(types)
}

/// Whether the one output of a statement is a time with its zone.
async fn is_zoned(client: &tokio_postgres::Client, sql: &str) -> Result<bool, ShapeError> {
    use tokio_postgres::types::{Kind, Type};
    let statement = super::site::prepare(client, sql).await?;
    let mut kind = statement.columns().first().map(|column| column.type_().clone());
    while let Some(Kind::Domain(base)) = kind.as_ref().map(Type::kind) {
        kind = Some(base.clone());
    }
    Ok(kind == Some(Type::TIMESTAMPTZ))
}
