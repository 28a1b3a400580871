//! PURE: the draft config's text.

use super::guess::{Author, File, Found, Message, Ticket, column, dotted};
use super::words::{self, same};
use crate::postgres::catalog::{Table, TableColumn};

/// The draft. It parses as it stands; what could not be guessed is a comment.
pub(super) fn draft(found: &Found, url: &str) -> String {
    let mut text = HEAD.replace("{url}", url);
    ticket(&mut text, found);
    if let Some(message) = &found.message {
        self::message(&mut text, message);
    } else {
        text.push_str("\n# No table of messages was found. If there is one: [message] with table, ticket, author, body.\n");
    }
    if let Some(file) = &found.file {
        self::file(&mut text, file);
    }
    if let Some(message) = &found.message {
        reply(&mut text, message, &found.ticket);
    }
    text
}

const HEAD: &str = r#"# A draft by `deskie-cdc init`: each guess has its reason beside it. Read it, change what is wrong, then
#   deskie-cdc check     tests everything and says how to mend it
#   deskie-cdc plan      shows what would be sent, and sends nothing

[postgres]
# looked at: {url}
# The connector's own user, connected directly, not through a pooler; `deskie-cdc setup --admin-url …` makes it.
url = "${DESKIE_CDC_DATABASE_URL}"

[deskie]
url = "${DESKIE_URL}"                    # https://<your account>.deskie.io
staff_email = "${DESKIE_STAFF_EMAIL}"    # the staff member whose API key it is
api_key = "${DESKIE_API_KEY}"
ticket_field = 1                         # TO DO: N of the case custom field cf_N (text) for the ticket's key; see `deskie-cdc rules`

[server]
listen = "0.0.0.0:8787"
webhook_secret = "${DESKIE_WEBHOOK_SECRET}"
"#;

/// A TOML string.
fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn line(text: &mut String, name: &str, value: &str, why: &str) {
    let comment = if why.is_empty() {
        String::new()
    } else {
        format!("   # {}", why.replace('\n', " "))
    };
    text.push_str(&format!("{name} = {}{comment}\n", string(value)));
}

/// A type without a time zone does not say whose clock it shows.
fn created_at(text: &mut String, alias: &str, column: &TableColumn) {
    line(text, "created_at", &column.name, "");
    if column.type_text.starts_with("timestamp") && column.type_text.contains("without time zone") {
        text.push_str(&format!(
            "# It has no time zone, and is read as UTC. Where the site writes local time in it, say so:\n\
             # created_at = {}\n",
            string(&format!(
                "{} at time zone 'Europe/Istanbul'",
                dotted(alias, &column.name)
            ))
        ));
    }
}

fn table_name(table: &Table) -> String {
    let plain = |name: &str| dotted("", name).trim_start_matches('.').to_owned();
    format!("{}.{}", plain(&table.name.schema), plain(&table.name.table))
}

fn ticket(text: &mut String, found: &Found) {
    let ticket = &found.ticket;
    let table = &ticket.table;
    text.push_str("\n[ticket]                       # alias t\n");
    line(
        text,
        "table",
        &table_name(table),
        &format!("guessed by {}", ticket.why),
    );
    if !found.others.is_empty() {
        text.push_str(&format!("# other candidates: {}\n", found.others.join(", ")));
    }
    let own_email = column(table, words::EMAIL, "SU").filter(|_| ticket.user.is_none());
    if let Some((users, key)) = &ticket.user
        && let (Some(ours), Some(theirs)) = (key.columns.first(), key.their.first())
    {
        let nullable = table.column(ours).is_some_and(|column| !column.not_null);
        let join = format!(
            "{}join {} u on {} = {}",
            if nullable { "left " } else { "" },
            table_name(users),
            dotted("u", theirs),
            dotted("t", ours)
        );
        line(
            text,
            "join",
            &join,
            &format!("the customer: the foreign key {ours}"),
        );
    }
    if let Some(column) = column(table, words::SUBJECT, "S") {
        line(text, "subject", &column.name, "");
    }
    match column(table, words::BODY, "S") {
        Some(body) => {
            line(
                text,
                "open_on",
                "ticket",
                &format!("the ticket's row holds the first message: {}", body.name),
            );
            line(text, "body", &body.name, "");
            html(text, body);
        }
        None => text
            .push_str("# open_on = \"message\"   # the default: no column of the ticket looks like a text\n"),
    }
    if let Some(column) = column(table, words::CREATED, "D") {
        created_at(text, "t", column);
    }
    if let Some(status) = column(table, &["status", "state", "durum", "статус"], "SE") {
        let name = dotted("t", &status.name);
        let known = if status.enum_labels.is_empty() {
            String::new()
        } else {
            format!("   # of {}", status.enum_labels.join(", "))
        };
        text.push_str(&format!(
            "# status = \"case {name} when 'closed' then 'closed' else 'open' end\"{known}\n"
        ));
    }
    let (source, alias) = match (&ticket.user, own_email) {
        (Some((users, _)), _) => (users, "u"),
        _ => (table, "t"),
    };
    let mut parts = Vec::new();
    for (name, words, categories) in [
        ("email", words::EMAIL, "SU"),
        ("phone", words::PHONE, "S"),
        ("name", words::NAME, "S"),
    ] {
        // A name beside the ticket's own columns is as likely another thing's.
        let column = column(source, words, categories).filter(|column| alias == "u" || column.name != "name");
        if let Some(column) = column {
            parts.push(format!("{name} = {}", string(&dotted(alias, &column.name))));
        }
    }
    if !parts
        .iter()
        .any(|part| part.starts_with("email") || part.starts_with("phone"))
    {
        text.push_str(
            "# TO DO: no e-mail address and no phone number was found; without one no case can be opened.\n",
        );
        parts.insert(0, "email = \"null::text\"".to_owned());
    }
    text.push_str(&format!("customer = {{ {} }}\n", parts.join(", ")));
}

fn html(text: &mut String, body: &TableColumn) {
    if body.name.to_lowercase().contains("html") {
        line(text, "format", "'html'", &format!("the name {}", body.name));
    } else {
        text.push_str("# format = \"'html'\"   # if the text is HTML\n");
    }
}

fn message(text: &mut String, message: &Message) {
    let table = &message.table;
    text.push_str("\n[message]                      # alias m\n");
    line(
        text,
        "table",
        &table_name(table),
        &format!("guessed by {}", message.why),
    );
    match message.ticket.as_slice() {
        [one] => line(text, "ticket", one, ""),
        many => {
            let names: Vec<String> = many.iter().map(|name| string(name)).collect();
            text.push_str(&format!("ticket = [{}]\n", names.join(", ")));
        }
    }
    let conditions = conditions(table);
    if !conditions.is_empty() {
        line(
            text,
            "where",
            &conditions.join(" and "),
            "what the customer must not see stays on the site",
        );
    }
    let author = &message.author;
    match &author.sql {
        Some(sql) => line(text, "author", sql, &author.why),
        None => text.push_str(&format!(
            "# TO DO: {}; without author every message counts as the customer's:\n# author = \"case when … then 'agent' else 'customer' end\"\n",
            author.why
        )),
    }
    if let Some(body) = column(table, words::BODY, "S") {
        line(text, "body", &body.name, "");
        html(text, body);
    }
    if let Some(column) = column(table, words::CREATED, "D") {
        created_at(text, "m", column);
    }
}

fn conditions(table: &Table) -> Vec<String> {
    let mut conditions = Vec::new();
    for column in table.columns.iter().filter(|column| column.type_category == 'B') {
        let name = dotted("m", &column.name);
        if words::INTERNAL.iter().any(|word| same(&column.name, word)) {
            conditions.push(if column.not_null {
                format!("not {name}")
            } else {
                format!("{name} is not true")
            });
        } else if words::PUBLIC.iter().any(|word| same(&column.name, word)) {
            conditions.push(name);
        }
    }
    if let Some(column) = table
        .columns
        .iter()
        .find(|column| same(&column.name, "deleted_at") && !column.not_null)
    {
        conditions.push(format!("{} is null", dotted("m", &column.name)));
    }
    conditions
}

fn file(text: &mut String, file: &File) {
    let table = &file.table;
    let url = column(table, words::FILE_URL, "S");
    let bytes = table.columns.iter().find(|column| column.type_text == "bytea");
    let path = column(table, words::FILE_PATH, "S");
    let of = if file.of_message { "message" } else { "ticket" };
    let mut own = String::from("\n[[attachment]]                 # alias a\n");
    line(&mut own, "of", of, "");
    line(&mut own, "table", &table_name(table), "");
    match file.parent.as_slice() {
        [one] => line(&mut own, "parent", one, ""),
        many => own.push_str(&format!(
            "parent = [{}]\n",
            many.iter()
                .map(|name| string(name))
                .collect::<Vec<_>>()
                .join(", ")
        )),
    }
    let source = url.or(bytes).or(path);
    for (name, words) in [("name", words::FILE_NAME), ("mime", words::MIME)] {
        if let Some(column) =
            column(table, words, "S").filter(|column| Some(&column.name) != source.map(|s| &s.name))
        {
            line(&mut own, name, &column.name, "");
        }
    }
    match (url, bytes, path) {
        (Some(url), ..) => line(
            &mut own,
            "url",
            &url.name,
            "an address, or TO DO: path and base, if these are files",
        ),
        (None, Some(bytes), _) => line(&mut own, "bytes", &bytes.name, ""),
        (None, None, Some(path)) => {
            line(&mut own, "path", &path.name, "");
            line(
                &mut own,
                "base",
                "/srv/uploads",
                "TO DO: the folder that holds the files",
            );
        }
        (None, None, None) => own.push_str("url = \"…\"   # TO DO: url, or path and base, or bytes\n"),
    }
    if url.is_some() || bytes.is_some() {
        text.push_str(&own);
    } else {
        // What is not sure to work is only shown.
        let lines = own.trim_start().lines().map(|line| format!("# {line}\n"));
        text.push('\n');
        text.extend(lines);
    }
}

/// A key of TOML. Reserved words of SQL are no matter: column names are quoted by us.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { name.to_owned() } else { string(name) }
}

fn reply(text: &mut String, message: &Message, ticket: &Ticket) {
    let table = &message.table;
    text.push_str("\n# How an answer from Deskie becomes a row of the message table.\n[reply.set]\n");
    let mut set: Vec<&str> = Vec::new();
    for (ours, theirs) in message.ticket.iter().zip(&ticket.table.primary_key) {
        line(text, &key(ours), &dotted("t", theirs), "");
        set.push(ours);
    }
    let Author { set: author, .. } = &message.author;
    if let Some((column, value)) = author {
        line(text, &key(column), value, "");
        set.push(column);
    }
    let body = column(table, words::BODY, "S");
    if let Some(body) = body {
        let value = if body.name.to_lowercase().contains("html") {
            ":html"
        } else {
            ":text"
        };
        line(text, &key(&body.name), value, "");
        set.push(&body.name);
    }
    if let Some(name) =
        column(table, words::AUTHOR_NAME, "S").filter(|column| !set.contains(&column.name.as_str()))
    {
        line(text, &key(&name.name), ":author_name", "");
        set.push(&name.name);
    }
    let writer = message.user.as_ref().and_then(|key| key.columns.first());
    if let (Some(writer), Some((_, customer))) = (writer, &ticket.user)
        && !set.contains(&writer.as_str())
        && let Some(owner) = customer.columns.first()
    {
        let value = format!("case when :kind = 'customer' then {} end", dotted("t", owner));
        let required = table.column(writer).is_some_and(|column| column.not_null);
        let why = if required {
            "TO DO: agents need a user of the site, too: the column is NOT NULL"
        } else {
            ""
        };
        line(text, &key(writer), &value, why);
        set.push(writer);
    }
    for column in &table.columns {
        let is_needed =
            column.not_null && !column.has_default && !column.generated && column.identity.is_none();
        if is_needed && !set.contains(&column.name.as_str()) {
            needed(text, column);
        }
    }
}

/// A column that has to be set.
fn needed(text: &mut String, column: &TableColumn) {
    let name = key(&column.name);
    match column.type_category {
        'D' => line(text, &name, ":created_at", "NOT NULL without a default"),
        'U' if column.type_text == "uuid" => {
            line(text, &name, "gen_random_uuid()", "NOT NULL without a default")
        }
        'B' => line(
            text,
            &name,
            "false",
            "NOT NULL without a default; TO DO: is that right?",
        ),
        _ => text.push_str(&format!(
            "# TO DO: {name} = \"…\"   # {}: NOT NULL without a default\n",
            column.type_text
        )),
    }
}
