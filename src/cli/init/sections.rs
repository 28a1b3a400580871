//! PURE: what was found, as the sections of the draft.

use std::collections::BTreeSet;

use super::catalog::Candidate;
use super::columns::{FirstMessage, body, created, dotted, epoch, is_html, is_prose, json_body, named, said};
use super::customers::{self, Customer};
use super::draft::{Section, Value};
use super::reply::reply;
use super::speech::{self, Author, Writer, table_name};
use super::tables::{Files, Link, Place, files, own};
use super::times::is_draft_without;
use super::visible::{Visible, is_any_hidden, visible};
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
    /// The newest rows; as far as it can be told, those alone that the customer sees.
    pub rows: Vec<speech::Spoken>,
}

impl Spoken<'_> {
    /// Leaves the rows of these keys, each with what is known of its author.
    pub(super) fn keep(&mut self, keys: &BTreeSet<Vec<Option<String>>>) {
        let place = |name: &String| {
            self.table
                .table
                .columns
                .iter()
                .position(|known| known.name == *name)
        };
        let places: Vec<usize> = self.table.table.primary_key.iter().filter_map(place).collect();
        let is_seen = |row: &speech::Spoken| {
            let key: Vec<Option<String>> = places
                .iter()
                .map(|place| row.cells.get(*place).cloned().flatten())
                .collect();
            keys.contains(&key)
        };
        let keep: Vec<bool> = self.rows.iter().map(is_seen).collect();
        let mut kept = keep.iter();
        self.rows.retain(|_| kept.next() == Some(&true));
        if self.author.verdicts.len() == keep.len() {
            let mut kept = keep.iter();
            self.author.verdicts.retain(|_| kept.next() == Some(&true));
        }
    }
}

/// What hides messages.
pub(super) fn seen(message: &Spoken<'_>, tables: &[Candidate]) -> Visible {
    visible(message.table, "m", &used(message), false, tables)
}

/// All sections.
pub(super) fn sections(found: &Found<'_>) -> Vec<Section> {
    let mut sections = vec![ticket(found)];
    if let Some(message) = &found.message {
        let seen = seen(message, found.tables);
        sections.push(self::message(message, &seen));
        sections.extend(attachments(found, message));
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
    // A time that a draft lacks says more than when the row was made.
    let made = created(message.table).filter(|column| !is_draft_without(message.table, column));
    used.extend(made.map(|column| column.name.clone()));
    if matches!(message.link, Link::Own(_)) {
        // The state of the ticket that a row may be as well.
        let state = named(message.table, words::STATUS, "SE");
        used.extend(
            state
                .filter(|state| !is_any_hidden(message.table, state))
                .map(|column| column.name.clone()),
        );
    }
    used
}

fn created_at(section: &mut Section, of: &Candidate, alias: &str) {
    let Some(column) = created(of) else {
        if let Some(seconds) = epoch(of) {
            let why = "seconds since 1970";
            section.line(
                "created_at",
                format!("to_timestamp({})", dotted(alias, &seconds.name)),
                why,
            );
            return;
        }
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
    if let Some(column) = subject(ticket) {
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
    let mut seen = visible(ticket, "t", &used, true, found.tables);
    threads(found, &mut seen);
    if let Some(filter) = seen.filter() {
        section.value("where", filter, "which tickets are for Deskie");
    }
    created_at(&mut section, ticket, "t");
    for question in &seen.questions {
        section.question(question);
    }
    if let Some(status) = named(ticket, words::STATUS, "SE") {
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

/// What a ticket is about: its name, where the name of whoever asks stands elsewhere.
fn subject(ticket: &Candidate) -> Option<&TableColumn> {
    let is_name = |column: &&TableColumn| words::same(&column.name, "name") && column.type_category == 'S';
    named(ticket, words::SUBJECT, "S").or_else(|| {
        let name = ticket.table.columns.iter().find(is_name)?;
        let is_persons = customers::name_of(ticket).is_some_and(|of| of == dotted("t", &name.name));
        (!is_persons).then_some(name)
    })
}

/// Rows of the tickets' table may be answers to others of it, or parts of them.
fn threads(found: &Found<'_>, seen: &mut Visible) {
    let ticket = found.ticket.0;
    let Some(own) = own(ticket) else {
        return;
    };
    let first = own.is_first(ticket, "t");
    let what = match found.message.as_ref().map(|message| &message.link) {
        Some(Link::Own(_)) => "each other row is an answer to it here",
        _ => "is each other row an answer, a part of it, a duplicate?",
    };
    seen.open.push((
        format!("{} names another row of the same table; {what}", own.column),
        Some(first),
    ));
}

/// The tables that belong to the tickets and messages and are not mapped.
fn children(section: &mut Section, found: &Found<'_>) {
    let ticket = found.ticket.0;
    let mut taken = vec![ticket.table.oid];
    taken.extend(found.message.as_ref().map(|message| message.table.table.oid));
    let (file, others) = files(
        ticket,
        found.message.as_ref().map(|message| message.table),
        found.tables,
    );
    taken.extend(file.map(|file| file.table.table.oid));
    taken.extend(others.iter().map(|(of, _)| of.table.oid));
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
    let others: Vec<String> = others
        .iter()
        .map(|(of, why)| format!("{} ({why})", of.table.name))
        .collect();
    if !others.is_empty() {
        section.question(format!(
            "These are named for files, and are left out: {}. Are they the tickets' or the messages'? See [[attachment]] in docs/mapping.md.",
            others.join(", ")
        ));
    }
}

fn message(message: &Spoken<'_>, seen: &Visible) -> Section {
    let of = message.table;
    let mut section = Section::new("[message]", "alias m");
    section.line("table", table_name(of), format!("guessed by {}", message.why));
    match &message.link {
        Link::Own(own) if own.is_nested => section.value(
            "ticket",
            Value::todo(
                format!(
                    "{} of some rows names a row that is an answer itself: which expression gives the first row of the thread?",
                    own.column
                ),
                own.ticket(of),
            ),
            "",
        ),
        Link::Own(own) => section.line("ticket", own.ticket(of), "the first row of a thread is the ticket"),
        _ => section.names("ticket", &message.link.columns()),
    }
    let author = &message.author;
    if let Some(join) = &author.join {
        section.line("join", join, "who wrote it");
    }
    let mut seen = seen.clone();
    if let Link::Polymorphic { pair, word } = &message.link {
        // Without it rows about something else would belong to the ticket of the same key.
        let own = format!("{} = {}", dotted("m", &pair.kind), super::columns::literal(word));
        seen.conditions.insert(0, own);
    }
    let filter = seen.filter();
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
        let is_file = words::each(words::FILE_ITSELF).any(|word| words::kin(word, &column.name))
            && column.type_category == 'S'
            && values.iter().any(|text| text.contains(['.', '/']));
        if is_file {
            section.question(format!(
                "{} seems to name files: [[attachment]] with this table and parent = its key, see docs/mapping.md.",
                column.name
            ));
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

/// The files of the messages, and those rows of the same table that name the ticket alone.
fn attachments(found: &Found<'_>, message: &Spoken<'_>) -> Vec<Section> {
    let ticket = found.ticket.0;
    let (Some(files), _) = files(ticket, Some(message.table), found.tables) else {
        return Vec::new();
    };
    let mut sections = vec![attachment(found, &files, Vec::new())];
    let of_ticket = super::tables::link(files.table, ticket).filter(|_| files.of_message);
    let (Link::Key { columns, .. }, Some(Link::Key { .. })) = (&files.link, &of_ticket) else {
        return sections;
    };
    let [column] = columns.as_slice() else {
        return sections;
    };
    let known = &files.table.table.columns;
    let place = known.iter().position(|known| known.name == *column);
    let cells = files.table.rows.iter().map(|row| row.get(place?)?.as_deref());
    let cells: Vec<Option<&str>> = cells.collect();
    let name = dotted("a", column);
    let alone = match () {
        () if cells.contains(&None) => format!("{name} is null"),
        () if cells.contains(&Some("0")) => format!("{name} = 0"),
        () => return sections,
    };
    if let Some(link) = of_ticket {
        let of_ticket = Files {
            table: files.table,
            of_message: false,
            link,
            place: files.place,
        };
        sections.push(attachment(found, &of_ticket, vec![alone]));
    }
    sections
}

fn attachment(found: &Found<'_>, files: &Files<'_>, mut conditions: Vec<String>) -> Section {
    let Files {
        table: of,
        of_message,
        link,
        place,
    } = files;
    let mut section = Section::new("[[attachment]]", "alias a");
    section.line("of", if *of_message { "message" } else { "ticket" }, "");
    section.line("table", table_name(of), "guessed by its name");
    section.names("parent", &link.columns());
    let mut used = link.columns();
    if let Link::Polymorphic { pair, word } = link {
        used.push(pair.kind.clone());
        conditions.push(format!(
            "{} = {}",
            dotted("a", &pair.kind),
            super::columns::literal(word)
        ));
    }
    // What is surely hidden or deleted stays on the site; whether others may see a file is not asked of it.
    conditions.extend(visible(of, "a", &used, true, found.tables).conditions);
    if !conditions.is_empty() {
        section.line("where", conditions.join(" and "), "");
    }
    let exact = |list: &str| {
        words::each(list).find_map(|word| {
            let mut columns = of.table.columns.iter();
            columns.find(|column| words::same(&column.name, word))
        })
    };
    if let Some(column) = exact(words::FILE_NAME) {
        section.line("name", &column.name, "");
    }
    let is_mime = |column: &&TableColumn| of.values(&column.name).iter().all(|text| text.contains('/'));
    if let Some(column) = exact(words::MIME).filter(is_mime) {
        section.line("mime", &column.name, "");
    }
    match place {
        Place::Url(url) => {
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
        Place::Bytes(bytes) => section.line("bytes", &bytes.name, ""),
        Place::Path(path) => {
            section.line("path", &path.name, "");
            section.value(
                "base",
                Value::todo("which folder holds the files?", "/srv/uploads"),
                "",
            );
        }
    }
    section
}
