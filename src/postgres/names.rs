//! Whether each name of the mapping means what it says, asked of the server ([`crate::mapping::scope`]).

use tokio_postgres::Client;
use tokio_postgres::error::ErrorPosition;

use super::shape::ShapeError;
use crate::config::{Config, Span};
use crate::mapping::attachment::Around;
use crate::mapping::lexer::{folded, name_at};
use crate::mapping::scope::{self, Names, Question, Scope};
use crate::mapping::shape::nearest;
use crate::mapping::{Shape, lone_name};

/// A name that is no column of its section's own row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Where the expression stands.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What may have been meant.
    pub hint: Option<String>,
}

/// What a section's statements stand on, as they are now.
pub struct Sections<'a> {
    pub config: &'a Config,
    /// The ticket table.
    pub ticket: &'a Shape,
    /// The message table.
    pub message: Option<&'a Shape>,
    /// The tables of `[[attachment]]`, in the order of the sections.
    pub attachments: Vec<&'a Shape>,
}

/// The stray names of all sections. An error is the connection's; an expression that the server refuses for another
/// reason is not told here.
pub async fn strays(client: &Client, sections: &Sections<'_>) -> Result<Vec<Stray>, tokio_postgres::Error> {
    let config = sections.config;
    let mut found = of_scope(client, &scope::ticket(&config.ticket, sections.ticket)).await?;
    let message = config.message.as_ref().zip(sections.message);
    if let Some((message, shape)) = message {
        let scope = scope::message(message, &config.ticket, shape, sections.ticket);
        found.extend(of_scope(client, &scope).await?);
    }
    let around = Around {
        ticket: (&config.ticket, sections.ticket),
        message,
    };
    for (attachment, shape) in config.attachments.iter().zip(&sections.attachments) {
        if around.parent(attachment).is_some() {
            let scope = scope::attachment(attachment, shape, &around);
            found.extend(of_scope(client, &scope).await?);
        }
    }
    Ok(found)
}

/// The same as an error, of the first of them.
pub async fn verify(client: &Client, sections: &Sections<'_>) -> Result<(), ShapeError> {
    let strays = strays(client, sections).await?;
    let Some(stray) = strays.into_iter().min_by_key(|stray| stray.span.start) else {
        return Ok(());
    };
    let config = sections.config;
    let fault = config.fault(&stray.span, stray.message.clone(), None);
    let place = format!(
        "{}:{}:{}",
        config.source.path.display(),
        fault.line(),
        fault.column()
    );
    let hint = stray.hint.map_or(String::new(), |hint| format!("; {hint}"));
    Err(ShapeError::Stray(format!("{place}: {}{hint}", stray.message)))
}

/// What the server says of a statement that is only prepared.
enum Said {
    Understood(Vec<String>),
    /// A name that several rows have; the name.
    Ambiguous(Option<String>),
    Refused,
}

async fn ask(client: &Client, sql: &str) -> Result<Said, tokio_postgres::Error> {
    let error = match super::site::prepare(client, sql).await {
        Ok(statement) => {
            let columns = statement.columns().iter();
            return Ok(Said::Understood(
                columns.map(|column| column.name().to_owned()).collect(),
            ));
        }
        Err(error) => error,
    };
    let Some(server) = error.as_db_error() else {
        return Err(error);
    };
    let code = server.code().code();
    if code == "42702" {
        let name = match server.position() {
            Some(ErrorPosition::Original(position)) => name_at(sql, *position),
            _ => None,
        };
        return Ok(Said::Ambiguous(name.and_then(|mut names| names.pop())));
    }
    // What is wrong with a statement, other than with the server or the connection.
    match ["22", "3F", "42", "0A", "54"]
        .iter()
        .any(|class| code.starts_with(class))
    {
        true => Ok(Said::Refused),
        false => Err(error),
    }
}

async fn of_scope(client: &Client, scope: &Scope<'_>) -> Result<Vec<Stray>, tokio_postgres::Error> {
    let mut names = Names::default();
    for sql in scope.names() {
        match ask(client, &sql).await? {
            Said::Understood(columns) => names.0.push(columns),
            // A join that is wrong: there is nothing to look for names in.
            Said::Ambiguous(_) | Said::Refused => return Ok(Vec::new()),
        }
    }
    let mut questions = scope.joins(&names);
    let is_well = match scope.at_once(&names) {
        Some(sql) => matches!(ask(client, &sql).await?, Said::Understood(_)),
        None => false,
    };
    if !is_well {
        questions.extend(scope.values(&names));
    }
    let mut strays = Vec::new();
    for question in &questions {
        if let Some(name) = stray_name(client, scope, question).await? {
            strays.push(told(client, scope, question, &name).await?);
        }
    }
    Ok(strays)
}

/// The name in an expression that is no column of the own row.
async fn stray_name(
    client: &Client,
    scope: &Scope<'_>,
    question: &Question<'_>,
) -> Result<Option<String>, tokio_postgres::Error> {
    if let Some(constant) = &question.constant
        && let Said::Understood(_) = ask(client, constant).await?
    {
        return Ok(None);
    }
    let Some(decoyed) = &question.decoyed else {
        return Ok(lone_name(&question.expr.sql).map(|name| {
            match question.expr.sql.trim_start().starts_with('"') {
                true => name,
                false => folded(&name),
            }
        }));
    };
    Ok(match ask(client, decoyed).await? {
        // One of the own row's that another row has as well is refused as ambiguous without any decoy.
        Said::Ambiguous(name) => name.filter(|name| scope.shape().column(name).is_none()),
        Said::Understood(_) | Said::Refused => None,
    })
}

async fn told(
    client: &Client,
    scope: &Scope<'_>,
    question: &Question<'_>,
    name: &str,
) -> Result<Stray, tokio_postgres::Error> {
    let own = || scope.shape().columns.iter().map(|column| column.name.as_str());
    let mut near: Vec<String> = nearest(name, own()).into_iter().map(str::to_owned).collect();
    for alias in scope.words() {
        if let Said::Understood(_) = ask(client, &scope.has(&alias, name)).await? {
            near.push(format!("{alias}.{name}"));
        }
    }
    let near: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    Ok(Stray {
        span: question.expr.span.clone(),
        message: format!(
            "{}: `{name}` is no column of {}, this section's own row",
            question.expr.name,
            scope.shape().relation
        ),
        hint: Some(match near.is_empty() {
            false => format!("did you mean {}?", near.join(" or ")),
            true => format!(
                "{} has {}",
                scope.shape().relation,
                own().collect::<Vec<_>>().join(", ")
            ),
        }),
    })
}
