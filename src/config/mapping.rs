//! `[ticket]`, `[message]`, `[[attachment]]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::connection::ids;
use super::read::{Reader, Value};
use super::section::{Section, header};
use super::value::{self, Problem};
use super::{
    AgentAs, Attachment, AttachmentOf, AttachmentSource, Customer, Expr, Message, OnDelete, OnEdit, OnHide,
    OpenOn, TableName, Ticket,
};

/// What the site's rows mean.
pub(super) struct Mapping {
    pub(super) ticket: Ticket,
    pub(super) message: Option<Message>,
    pub(super) attachments: Vec<Attachment>,
}

/// Reads the three sections and what must agree between them.
pub(super) fn read<'a>(
    reader: &Reader<'a>,
    ticket_section: Option<&Section<'a>>,
    message_section: Option<&Section<'a>>,
    attachment_sections: &[Section<'a>],
    deskie_channel: bool,
) -> Option<Mapping> {
    let ticket = ticket_section.and_then(|section| ticket(section, deskie_channel));
    let message = message_section.map(message);
    let attachments: Vec<Option<Attachment>> = attachment_sections
        .iter()
        .map(|section| attachment(section, message_section))
        .collect();
    if let Some(section) = ticket_section {
        where_it_opens(section, message_section);
    }
    let columns = |section: Option<&Section<'a>>| section.map_or(0, |section| key_length(section, "key"));
    let ticket_columns = columns(ticket_section);
    let message_columns = columns(message_section);
    if let Some(section) = message_section {
        same_length(reader, section, "ticket", ticket_columns, "ticket.key");
    }
    for (section, attachment) in attachment_sections.iter().zip(&attachments) {
        match attachment.as_ref().map(|attachment| attachment.of) {
            Some(AttachmentOf::Ticket) => {
                same_length(reader, section, "parent", ticket_columns, "ticket.key")
            }
            Some(AttachmentOf::Message) => {
                same_length(reader, section, "parent", message_columns, "message.key")
            }
            None => {}
        }
    }
    Some(Mapping {
        ticket: ticket?,
        message: match message {
            None => None,
            Some(message) => Some(message?),
        },
        attachments: attachments.into_iter().collect::<Option<_>>()?,
    })
}

/// The tables that the sections name, those of faulty sections too.
pub(super) fn tables(
    ticket: Option<&Section<'_>>,
    message: Option<&Section<'_>>,
    attachments: &[Section<'_>],
) -> Vec<TableName> {
    // What is wrong with a name was noted when its section was read, and is said once.
    ticket
        .into_iter()
        .chain(message)
        .chain(attachments)
        .filter_map(Section::table_name)
        .collect()
}

/// How many values a key or a reference has; 0: not given.
fn key_length(section: &Section<'_>, key: &str) -> usize {
    section.value(key).map_or(0, |value| value.items().len())
}

/// A reference names each column of the key that it refers to, where that key is written down.
fn same_length(reader: &Reader<'_>, section: &Section<'_>, key: &str, wanted: usize, of: &str) {
    let Some(value) = section.value(key) else { return };
    let given = value.items().len();
    if wanted > 0 && given > 0 && given != wanted {
        let message = format!(
            "`{}` has {given} part{}, but `{of}` has {wanted}",
            value.name,
            plural(given)
        );
        reader.fault(
            &value.span,
            message,
            Some("one expression for each key column, in the same order".to_owned()),
        );
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

const OPEN_ON: &[(&str, OpenOn)] = &[("ticket", OpenOn::Ticket), ("message", OpenOn::Message)];

/// `open_on` goes with `body` in one way and with `[message]` in the other.
fn where_it_opens(section: &Section<'_>, message: Option<&Section<'_>>) {
    let given = section.value("open_on");
    let open_on = match (&given, section.choice("open_on", OPEN_ON)) {
        (None, _) => OpenOn::Message,
        (Some(_), Some(open_on)) => open_on,
        // Another word is a fault already.
        (Some(_), None) => return,
    };
    let body = section.value("body");
    let span = given.as_ref().map_or(&section.span, |value| &value.span);
    match (open_on, body, message) {
        (OpenOn::Ticket, None, _) => {
            section.missing("body", "body = \"description\", as `open_on` is \"ticket\"")
        }
        (OpenOn::Message, Some(body), None) if given.is_none() => {
            let hint = "is the first message in the ticket row? then: open_on = \"ticket\"".to_owned();
            body.fault(
                "is not read without `open_on = \"ticket\"`, and there is no `[message]`",
                Some(hint),
            );
        }
        (OpenOn::Message, body, message) => {
            if let Some(body) = body {
                let hint =
                    "open_on = \"ticket\" if the ticket row holds the first message, else leave `body` out";
                body.fault("is not read with `open_on = \"message\"`", Some(hint.to_owned()));
            }
            if message.is_none() {
                let text = "`open_on = \"message\"`, the default, needs the section `[message]`";
                let hint = "or, if the ticket row holds the first message: open_on = \"ticket\" and `body`"
                    .to_owned();
                section.reader.uncertain(span, text, Some(hint));
            }
        }
        (OpenOn::Ticket, Some(_), _) => {}
    }
}

fn ticket(section: &Section<'_>, deskie_channel: bool) -> Option<Ticket> {
    let table = section.table_name();
    let channel = section.expr("channel");
    if let (Some(expr), Some(value)) = (&channel, section.value("channel"))
        && value::is_channel(expr.sql.trim())
    {
        value.fault(
            format!("is an SQL expression, and `{}` a column's name in it", expr.sql),
            did_you_mean(&expr.sql),
        );
    }
    let has_channel = deskie_channel || section.value("channel").is_some();
    let customer = section.need(
        "customer",
        "customer = { email = \"u.email\", name = \"u.full_name\" }",
    );
    let customer = customer.and_then(|value| customer_of(&value.section("ticket.customer")?, has_channel));
    let key = section.columns("key");
    let join = section.expr("join");
    let filter = section.constant("where");
    let open_on = section.choice("open_on", OPEN_ON);
    let subject = section.expr("subject");
    let body = section.expr("body");
    let format = format_of(section);
    let status = section.expr("status");
    let created_at = section.expr("created_at");
    let wait = section.duration("wait", Duration::from_secs(3600));
    let fields = section
        .value("fields")
        .map(|value| custom_fields(&value))
        .unwrap_or_default();
    let labels = section.value("labels").and_then(|value| labels_of(&value));
    let priority = section.expr("priority");
    let group_id = section.constant("group_id");
    let language_id = section.constant("language_id");
    let on_edit = section.choice("on_edit", &[("ignore", OnEdit::Ignore), ("note", OnEdit::Note)]);
    let (on_delete, on_hide) = on_delete(section);
    Some(Ticket {
        table: table?,
        key,
        join,
        filter,
        open_on: open_on.unwrap_or(OpenOn::Message),
        subject,
        body,
        format,
        status,
        created_at,
        channel,
        customer: customer?,
        wait,
        fields,
        labels,
        priority,
        group_id,
        language_id,
        on_edit: on_edit.unwrap_or(OnEdit::Ignore),
        on_delete,
        on_hide,
    })
}

/// `on_delete` and `on_hide`.
fn on_delete(section: &Section<'_>) -> (OnDelete, OnHide) {
    let on_delete = section.choice(
        "on_delete",
        &[("ignore", OnDelete::Ignore), ("note", OnDelete::Note)],
    );
    let on_hide = section.choice(
        "on_hide",
        &[("ignore", OnHide::Ignore), ("delete", OnHide::Delete)],
    );
    if let (None | Some(OnDelete::Ignore), Some(OnHide::Delete)) = (on_delete, on_hide)
        && let Some(value) = section.value("on_hide")
    {
        value.fault(
            "counts as a deletion, and `on_delete` ignores those",
            Some("on_delete = \"note\"".to_owned()),
        );
    }
    (
        on_delete.unwrap_or(OnDelete::Ignore),
        on_hide.unwrap_or(OnHide::Ignore),
    )
}

fn did_you_mean(word: &str) -> Option<String> {
    Some(format!("did you mean \"'{}'\"?", word.trim()))
}

/// `format`: the words themselves are SQL strings, and without their quotes they would be columns.
fn format_of(section: &Section<'_>) -> Option<Expr> {
    let expr = section.expr("format")?;
    let word = expr.sql.trim();
    if ["text", "html", "markdown"]
        .iter()
        .any(|format| format.eq_ignore_ascii_case(word))
        && let Some(value) = section.value("format")
    {
        value.fault(
            format!("is an SQL expression, and `{word}` a column's name in it"),
            did_you_mean(&word.to_lowercase()),
        );
    }
    Some(expr)
}

/// `[ticket] customer`
fn customer_of(section: &Section<'_>, has_channel: bool) -> Option<Customer> {
    let given = |key: &str| section.value(key).is_some();
    if !given("email") && !given("phone") && !given("custom_id") {
        let hint = "email = \"u.email\"; the first of them that is there is used".to_owned();
        section.reader.uncertain(
            &section.span,
            "`ticket.customer` needs one of `email`, `phone`, `custom_id`",
            Some(hint),
        );
    }
    if let Some(value) = section.value("custom_id")
        && !has_channel
    {
        let hint =
            "channel = \"cch3\" in `[deskie]`, or an expression for `channel` in `[ticket]`".to_owned();
        value.fault("needs a channel, and none is given", Some(hint));
    }
    Some(Customer {
        email: section.expr("email"),
        phone: section.expr("phone"),
        custom_id: section.expr("custom_id"),
        name: section.expr("name"),
    })
}

/// `[ticket] fields.cf_N`
fn custom_fields(value: &Value<'_>) -> BTreeMap<i64, Expr> {
    let mut fields = BTreeMap::new();
    for (key, span, value_of_field) in value.entries().unwrap_or_default() {
        let Some(field) = value::custom_field(&key) else {
            let hint = match key.parse::<u32>() {
                Ok(number) => format!("did you mean `cf_{number}`?"),
                Err(_) => "`cf_` and the field's number in Deskie: `cf_25`".to_owned(),
            };
            value
                .reader()
                .fault(&span, format!("`{key}` is not a custom field"), Some(hint));
            continue;
        };
        let Some(expr) = value_of_field.expr_or_constant() else {
            continue;
        };
        if fields.insert(field, expr).is_some() {
            value
                .reader()
                .fault(&span, format!("`cf_{field}` is given twice"), None);
        }
    }
    fields
}

/// `[ticket] labels`: an expression, or ids.
fn labels_of(value: &Value<'_>) -> Option<Expr> {
    if !value.is_list() {
        return value.expr();
    }
    let ids: Vec<String> = ids(value).iter().map(i64::to_string).collect();
    if ids.is_empty() {
        return None;
    }
    Some(Expr {
        sql: format!("array[{}]", ids.join(",")),
        span: value.span.clone(),
        name: value.name.clone(),
    })
}

fn message(section: &Section<'_>) -> Option<Message> {
    let table = section.table_name();
    let ticket = section
        .need("ticket", "ticket = \"ticket_id\"")
        .map(|value| references(&value));
    let body = section
        .need("body", "body = \"body\"")
        .and_then(|value| value.expr());
    let expand = section.expr("expand");
    let (key, element) = key_of(
        section,
        "key = [\"id\", \"e.value->>'id'\"]: with `expand` it names one of the messages of a row",
    );
    let join = section.expr("join");
    let filter = section.constant("where");
    let author = section.expr("author");
    let format = format_of(section);
    let created_at = section.expr("created_at");
    let agent_as = section.choice(
        "agent_as",
        &[
            ("ignore", AgentAs::Ignore),
            ("note", AgentAs::Note),
            ("staff", AgentAs::Staff),
        ],
    );
    let on_edit = section.choice(
        "on_edit",
        &[
            ("ignore", OnEdit::Ignore),
            ("edit", OnEdit::Edit),
            ("note", OnEdit::Note),
        ],
    );
    let (on_delete, on_hide) = on_delete(section);
    let coalesce = section.flag("coalesce", false);
    Some(Message {
        table: table?,
        key,
        element,
        ticket: ticket?,
        join,
        filter,
        author,
        body: body?,
        format,
        created_at,
        agent_as: agent_as.unwrap_or(AgentAs::Note),
        expand,
        on_edit: on_edit.unwrap_or(OnEdit::Ignore),
        on_delete,
        on_hide,
        coalesce,
    })
}

/// The key columns, and with `expand` what names one of the things that a row holds.
fn key_of(section: &Section<'_>, example: &str) -> (Vec<String>, Vec<Expr>) {
    if section.value("expand").is_none() {
        return (section.columns("key"), Vec::new());
    }
    if section.value("key").is_none() {
        section.missing("key", example);
    }
    let element = section.exprs("key");
    let names = element.iter().filter_map(|expr| value::column(&expr.sql).ok());
    (names.collect(), element)
}

/// The parts of a reference to a key; there is at least one.
fn references(value: &Value<'_>) -> Vec<Expr> {
    if value.items().is_empty() {
        value.fault("is empty", Some("one expression for each key column".to_owned()));
    }
    value.exprs()
}

fn attachment(section: &Section<'_>, message: Option<&Section<'_>>) -> Option<Attachment> {
    let of = section.need("of", "of = \"message\"").and_then(|_| {
        section.choice(
            "of",
            &[
                ("message", AttachmentOf::Message),
                ("ticket", AttachmentOf::Ticket),
            ],
        )
    });
    if of == Some(AttachmentOf::Message)
        && let Some(value) = section.value("of")
    {
        match message {
            None => value.fault(
                "is \"message\", but there is no `[message]`",
                Some("of = \"ticket\", or add `[message]`".to_owned()),
            ),
            Some(message) if message.value("expand").is_some() => value.fault(
                "is \"message\", but with `message.expand` a message has no row that a file could name",
                Some("of = \"ticket\", or put the files' addresses into `message.body`".to_owned()),
            ),
            Some(_) => {}
        }
    }
    let table = section.table_name();
    let parent = section
        .need("parent", "parent = \"message_id\"")
        .map(|value| references(&value));
    let expand = section.expr("expand");
    let (key, element) = key_of(
        section,
        "key = [\"id\", \"e.value->>'id'\"]: with `expand` it names one of the files of a row",
    );
    let join = section.expr("join");
    let filter = section.constant("where");
    let name = section.expr("name");
    let mime = section.expr("mime");
    let source = attachment_source(section);
    let wait = section.duration("wait", Duration::ZERO);
    let allow_private = section.flag("allow_private", false);
    Some(Attachment {
        of: of?,
        table: table?,
        key,
        element,
        expand,
        parent: parent?,
        join,
        filter,
        name,
        mime,
        source: source?,
        wait,
        allow_private,
    })
}

/// One of `url`, `path` (with `base`), `bytes`.
fn attachment_source(section: &Section<'_>) -> Option<AttachmentSource> {
    let url = section.expr("url");
    let path = section.expr("path");
    let bytes = section.expr("bytes");
    let base = section.parsed("base", folder);
    let given: Vec<Value<'_>> = ["url", "path", "bytes"]
        .iter()
        .filter_map(|key| section.value(key))
        .collect();
    let header = header("attachment");
    match given.as_slice() {
        [] => {
            let hint = "e.g. url = \"file_url\"; path = \"file_path\" and base = \"/srv/uploads\"; bytes = \"content\"";
            section.reader.uncertain(
                &section.span,
                format!("`{header}` needs one of `url`, `path`, `bytes`"),
                Some(hint.to_owned()),
            );
        }
        [_] => {}
        [_, others @ ..] => {
            for other in others {
                other.fault(
                    "is one too many: an attachment has one of `url`, `path`, `bytes`",
                    None,
                );
            }
        }
    }
    let path_value = section.value("path");
    match (&path_value, section.value("base")) {
        (Some(value), None) => {
            value.fault(
                "needs `base`",
                Some("the folder that holds the files: base = \"/srv/uploads\"".to_owned()),
            );
        }
        (None, Some(value)) => value.fault("is the folder of `path`, which is not given", None),
        _ => {}
    }
    match (url, path, bytes) {
        (Some(url), None, None) => Some(AttachmentSource::Url(url)),
        (None, Some(path), None) => Some(AttachmentSource::Path { path, base: base? }),
        (None, None, Some(bytes)) => Some(AttachmentSource::Bytes(bytes)),
        _ => None,
    }
}

/// A folder's path.
pub(super) fn folder(text: &str) -> Result<PathBuf, Problem> {
    if text.contains('\0') {
        return Err(Problem {
            message: "is not a path".to_owned(),
            hint: None,
        });
    }
    Ok(PathBuf::from(text))
}
