//! PURE: what was found, as the sections of the draft.

use super::catalog::Candidate;
use super::columns::{FirstMessage, body, created, dotted, is_html, is_prose, json_body, named, said};
use super::customers::{self, Customer};
use super::draft::{Section, Value};
use super::reply::reply;
use super::speech::{Author, Writer, table_name};
use super::tables::{Link, files};
use super::visible::{Visible, visible};
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// What was found.
pub(super) struct Found<'a> {
    pub tables: &'a [Candidate],
    /// The tickets, and why.
    pub ticket: (&'a Candidate, String),
    /// Who may be the customer: several that are as likely.
    pub customers: Vec<Customer<'a>>,
    pub message: Option<Spoken<'a>>,
}

/// The messages of the tickets.
pub(super) struct Spoken<'a> {
    pub table: &'a Candidate,
    pub why: String,
    /// How they name their ticket.
    pub link: Link,
    /// Who is named as having written them.
    pub writer: Option<Writer<'a>>,
    /// How one tells who wrote them.
    pub author: Author,
    /// Whether the first message stands in the ticket.
    pub first: FirstMessage,
}

/// All sections.
pub(super) fn sections(found: &Found<'_>) -> Vec<Section> {
    let mut sections = vec![ticket(found)];
    if let Some(message) = &found.message {
        let used = used(message);
        let seen = visible(message.table, "m", &used, false);
        sections.push(self::message(message, &seen));
        sections.extend(attachment(found, message));
        sections.extend(reply(found, message, &seen));
    } else if let Some(ticket) = sections.first_mut() {
        ticket.question(
            "No table of messages was found. If there is one: [message] with table, ticket, author, body, and [reply] to write \
             Deskie's answers into it. Without [reply] they reach the customer by Deskie's own e-mail alone.",
        );
    }
    sections
}

/// The columns of the messages that are explained.
fn used(message: &Spoken<'_>) -> Vec<String> {
    let mut used = message.link.columns();
    used.extend(message.author.used.iter().cloned());
    used.extend(body(message.table).map(|column| column.name.clone()));
    used.extend(json_body(message.table).map(|(column, _)| column.name.clone()));
    used.extend(created(message.table).map(|column| column.name.clone()));
    used
}

fn created_at(section: &mut Section, of: &Candidate, alias: &str) {
    let Some(column) = created(of) else {
        section.question("No column says when a row was made; with created_at, what a lost slot lost could be found again.");
        return;
    };
    section.line("created_at", &column.name, "");
    if column.type_text.contains("without time zone") {
        let example = format!("{} at time zone 'Europe/Istanbul'", dotted(alias, &column.name));
        section.question(format!(
            "{} has no time zone, and is read as UTC. Where the site writes local time in it, say so: created_at = {}",
            column.name,
            super::draft::string(&example)
        ));
    }
}

fn html(section: &mut Section, of: &Candidate, column: &TableColumn) {
    if is_html(of, column) {
        section.line("format", "'html'", "there are tags in it");
    }
}

fn ticket(found: &Found<'_>) -> Section {
    let (ticket, why) = &found.ticket;
    let mut section = Section::new("[ticket]", "alias t");
    section.line("table", table_name(ticket), format!("guessed by {why}"));
    let mut used: Vec<String> = Vec::new();
    let chosen = found.customers.first();
    let doubt = chosen.and_then(|customer| customers::doubt(customer, found));
    let is_one = found.customers.len() == 1 && doubt.is_none();
    if let Some(Customer::Row(people, key)) = chosen.filter(|_| is_one)
        && let (Some(ours), Some(theirs)) = (key.columns.first(), key.their.first())
    {
        let is_sure = ticket.table.column(ours).is_some_and(|column| column.not_null) && !key.guessed;
        let join = format!(
            "{}join {} u on {} = {}",
            if is_sure { "" } else { "left " },
            table_name(people),
            dotted("u", theirs),
            dotted("t", ours)
        );
        let how = if key.guessed {
            "its values are keys of it:"
        } else {
            "the foreign key"
        };
        section.line("join", join, format!("the customer: {how} {ours}"));
    }
    if let Some(column) = named(ticket, words::SUBJECT, "S") {
        section.line("subject", &column.name, "");
        used.push(column.name.clone());
    }
    let text = body(ticket).filter(|column| !used.contains(&column.name));
    let first = found
        .message
        .as_ref()
        .map_or(FirstMessage::InTicket, |message| message.first);
    match (text, first) {
        (Some(text), FirstMessage::InTicket) => {
            section.line(
                "open_on",
                "ticket",
                format!("the ticket's row holds the first message: {}", text.name),
            );
            section.line("body", &text.name, "");
            html(&mut section, ticket, text);
            used.push(text.name.clone());
        }
        (Some(text), FirstMessage::InMessages) => {
            section.comment(format!(
                "{} is left out: the first row of the messages says the same, or it is empty",
                text.name
            ));
            used.push(text.name.clone());
        }
        (Some(text), FirstMessage::Unknown) => {
            section.value(
                "open_on",
                Value::todo(
                    format!("does {} hold the first message, and the messages do not? Then \"ticket\" and body = \"{0}\"; else \"message\"", text.name),
                    "message",
                ),
                "",
            );
            section.value(
                "body",
                Value::todo(
                    "with open_on = \"ticket\" the first message; else take this line out",
                    &text.name,
                ),
                "",
            );
            used.push(text.name.clone());
        }
        (None, _) => {}
    }
    let seen = visible(ticket, "t", &used, true);
    if let Some(filter) = seen.filter() {
        section.value("where", filter, "which tickets are for Deskie");
    }
    created_at(&mut section, ticket, "t");
    for question in &seen.questions {
        section.question(question);
    }
    if let Some(status) = named(ticket, "status state durum статус zustand sostoyanie", "SE") {
        let held = ticket.words(status);
        let held = if held.is_empty() {
            String::new()
        } else {
            format!(" It holds {}.", held.join(", "))
        };
        section.question(format!(
            "{} can go along:{held} status = \"case {} when 'closed' then 'closed' else 'open' end\"",
            status.name,
            dotted("t", &status.name)
        ));
    }
    customers::lines(&mut section, found, doubt);
    children(&mut section, found);
    section
}

/// The tables that belong to the tickets and messages and are not mapped.
fn children(section: &mut Section, found: &Found<'_>) {
    let ticket = found.ticket.0;
    let mut taken = vec![ticket.table.oid];
    taken.extend(found.message.as_ref().map(|message| message.table.table.oid));
    let file = files(
        ticket,
        found.message.as_ref().map(|message| message.table),
        found.tables,
    );
    taken.extend(file.map(|(file, ..)| file.table.oid));
    let of = |parent: &Candidate| super::tables::children(parent, &taken, found.tables);
    let mut names: Vec<String> = of(ticket)
        .iter()
        .map(|child| child.table.name.to_string())
        .collect();
    names.extend(
        found
            .message
            .iter()
            .flat_map(|message| of(message.table))
            .map(|child| child.table.name.to_string()),
    );
    names.dedup();
    if !names.is_empty() {
        section.question(format!(
            "These belong to the tickets, and are left out: {}. Does a customer's word stand in one?",
            names.join(", ")
        ));
    }
}

fn message(message: &Spoken<'_>, seen: &Visible) -> Section {
    let of = message.table;
    let mut section = Section::new("[message]", "alias m");
    section.line("table", table_name(of), format!("guessed by {}", message.why));
    section.names("ticket", &message.link.columns());
    let author = &message.author;
    if let Some(join) = &author.join {
        section.line("join", join, "who wrote it");
    }
    let mut filter = seen.filter();
    if let Link::Polymorphic { pair, word } = &message.link {
        let own = format!("{} = {}", dotted("m", &pair.kind), super::columns::literal(word));
        filter = Some(match filter {
            None => Value::Sql(own),
            Some(Value::Sql(sql)) => Value::Sql(format!("{own} and {sql}")),
            Some(Value::Todo { question, offer }) => Value::Todo {
                question,
                offer: offer.map(|offer| format!("{own} and {offer}")),
            },
        });
    }
    if let Some(filter) = filter {
        section.value(
            "where",
            filter,
            "what the customer must not see stays on the site",
        );
    }
    section.value("author", author.value.clone(), author.why.clone());
    if let Some(text) = body(of) {
        section.line("body", &text.name, "");
        html(&mut section, of, text);
    } else if let (Some(said), Some((column, _))) = (said(of, "m"), json_body(of)) {
        section.line(
            "body",
            said,
            format!("there are sentences in the JSON of {}", column.name),
        );
    }
    created_at(&mut section, of, "m");
    for question in &seen.questions {
        section.question(question);
    }
    let text = body(of).map(|column| column.name.as_str());
    for column in of
        .table
        .columns
        .iter()
        .filter(|column| Some(column.name.as_str()) != text)
    {
        let values = of.values(&column.name);
        if column.type_category == 'S' && is_prose(&values) && !has(&column.name, words::SUBJECT) {
            section.question(format!("{} holds sentences, and is left out.", column.name));
        }
        if column.type_text.starts_with("json")
            && json_body(of).is_none_or(|(body, _)| body.name != column.name)
            && values.iter().any(|text| {
                text.contains("\"url\"") || text.contains("\"path\"") || text.contains("\"name\"")
            })
        {
            section.question(format!(
                "{} seems to hold files: see [[attachment]] in docs/mapping.md.",
                column.name
            ));
        }
    }
    section
}

fn attachment(found: &Found<'_>, message: &Spoken<'_>) -> Option<Section> {
    let (of, of_message, link) = files(found.ticket.0, Some(message.table), found.tables)?;
    let url = named(of, words::FILE_URL, "S");
    let bytes = of.table.columns.iter().find(|column| column.type_text == "bytea");
    let path = named(of, words::FILE_PATH, "S");
    let mut section = Section::new("[[attachment]]", "alias a");
    section.line("of", if of_message { "message" } else { "ticket" }, "");
    section.line("table", table_name(of), "guessed by its name");
    section.names("parent", &link.columns());
    if let Link::Polymorphic { pair, word } = &link {
        section.line(
            "where",
            format!("{} = {}", dotted("a", &pair.kind), super::columns::literal(word)),
            "",
        );
    }
    for (name, list) in [("name", words::FILE_NAME), ("mime", words::MIME)] {
        let exact = words::each(list).find_map(|word| {
            of.table
                .columns
                .iter()
                .find(|column| words::same(&column.name, word))
        });
        if let Some(column) = exact {
            section.line(name, &column.name, "");
        }
    }
    match (url, bytes, path) {
        (Some(url), ..) => {
            let values = of.values(&url.name);
            match values.iter().all(|text| text.starts_with("http")) && !values.is_empty() {
                true => section.line("url", &url.name, ""),
                false => section.value(
                    "url",
                    Value::todo(
                        "are these addresses? If they are files: path, and base for their folder",
                        &url.name,
                    ),
                    "",
                ),
            }
        }
        (None, Some(bytes), _) => section.line("bytes", &bytes.name, ""),
        (None, None, Some(path)) => {
            section.line("path", &path.name, "");
            section.value(
                "base",
                Value::todo("which folder holds the files?", "/srv/uploads"),
                "",
            );
        }
        (None, None, None) => return None,
    }
    Some(section)
}
