//! From the file to the [`Config`], and the checks that take more than one section.

use std::fs;
use std::path::Path;

use toml::de::{DeTable, DeValue, Error};

use super::fault::{ConfigError, RawFault};
use super::keys::{homes, nearest, sections};
use super::mapping::Mapping;
use super::read::Reader;
use super::section::{Section, header};
use super::{Alert, Config, Deskie, Postgres, Source, Span, TableName};
use super::{connection, mapping, reply};

impl Config {
    /// Reads and checks the config file.
    ///
    /// # Errors
    /// All faults at once; or the one that the file cannot be read.
    pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let bytes = fs::read(path).map_err(|error| ConfigError::unreadable(path, env, &error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let line = error
                .as_bytes()
                .iter()
                .take(valid)
                .filter(|byte| **byte == b'\n')
                .count()
                + 1;
            let hint = "save the file as UTF-8".to_owned();
            ConfigError::placeless(format!("{}:{line}: not UTF-8", path.display()), Some(hint))
        })?;
        Config::parse(path, &text, env)
    }

    /// Checks a config's text; `path` is for the messages.
    ///
    /// # Errors
    /// All faults at once.
    pub fn parse(
        path: &Path,
        text: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        let reader = Reader::new(text, env);
        let parts = parts(&reader, text, table.get_ref());
        let mut found = reader.into_found();
        if !errors.is_empty() {
            add_syntax(&source, &errors, &mut found);
        }
        match parts {
            Some(parts) if found.is_empty() => Ok(parts.into_config(source)),
            _ if found.is_empty() => {
                // No way leads here, but a config with a hole in it must not pass as one without faults.
                Err(ConfigError::placeless(
                    "the config is not complete".to_owned(),
                    None,
                ))
            }
            _ => Err(ConfigError::new(&source, found)),
        }
    }
}

/// The sections of a config, checked.
struct Parts {
    postgres: Postgres,
    deskie: Deskie,
    server: super::Server,
    capture: super::Capture,
    mapping: Mapping,
    reply: Option<super::Reply>,
    status: Option<super::Status>,
    case: Option<super::Case>,
    alert: Alert,
}

impl Parts {
    fn into_config(self, source: Source) -> Config {
        Config {
            source,
            postgres: self.postgres,
            deskie: self.deskie,
            server: self.server,
            capture: self.capture,
            ticket: self.mapping.ticket,
            message: self.mapping.message,
            attachments: self.mapping.attachments,
            reply: self.reply,
            status: self.status,
            case: self.case,
            alert: self.alert,
        }
    }
}

/// Reads all sections. Whatever comes out, the reader knows all faults.
fn parts<'a>(reader: &'a Reader<'a>, text: &str, root: &'a DeTable<'a>) -> Option<Parts> {
    let top = Top {
        reader,
        root,
        end: text.trim_end().len()..text.trim_end().len(),
    };
    top.unknown();
    let postgres = top
        .required("postgres")
        .and_then(|section| connection::postgres(&section));
    let deskie_section = top.required("deskie");
    let deskie = deskie_section.as_ref().and_then(connection::deskie);
    let server = connection::server(top.section("server").as_ref());
    let capture = connection::capture(top.section("capture").as_ref());
    let alert = top.section("alert").map(|section| connection::alert(&section));

    let message_section = top.section("message");
    let attachments = top.list("attachment");
    let ticket_section = top.required("ticket");
    let has_deskie_channel = deskie_section
        .as_ref()
        .is_some_and(|section| section.value("channel").is_some());
    let mapping = mapping::read(
        reader,
        ticket_section.as_ref(),
        message_section.as_ref(),
        &attachments,
        has_deskie_channel,
    );
    let reply = top
        .section("reply")
        .map(|section| reply::reply(&section, message_section.is_some()));
    let status = top.section("status").map(|section| reply::status(&section));
    let case = top.section("case").map(|section| reply::case(&section));

    if let Some(schema) = postgres.as_ref().map(|postgres| postgres.schema.as_str()) {
        for table in mapping::tables(ticket_section.as_ref(), message_section.as_ref(), &attachments) {
            own_schema(reader, schema, &table);
        }
    }
    if let (Some(deskie), Some(mapping)) = (&deskie, &mapping)
        && let Some(field) = mapping.ticket.fields.get(&deskie.ticket_field)
    {
        let message = format!(
            "`cf_{}` is `deskie.ticket_field`, which holds the ticket's key",
            deskie.ticket_field
        );
        reader.fault(&field.span, message, Some("take another custom field".to_owned()));
    }
    Some(Parts {
        postgres: postgres?,
        deskie: deskie?,
        server: server?,
        capture,
        mapping: mapping?,
        reply: optional(reply)?,
        status: optional(status)?,
        case: optional(case)?,
        alert: optional(alert)?.unwrap_or_default(),
    })
}

/// A section that is not there is fine, one with faults is not.
fn optional<T>(section: Option<Option<T>>) -> Option<Option<T>> {
    match section {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

/// `uninstall` drops our schema: no table of the site may lie in it.
fn own_schema(reader: &Reader<'_>, schema: &str, table: &TableName) {
    if table.schema.as_deref() == Some(schema) {
        let message = format!(
            "`{}` lies in `{schema}`, the connector's own schema, which `uninstall` drops",
            table.table
        );
        reader.fault(
            &table.span,
            message,
            Some("give `postgres.schema` a name of its own".to_owned()),
        );
    }
}

/// The file's top level.
struct Top<'a> {
    reader: &'a Reader<'a>,
    root: &'a DeTable<'a>,
    /// Where what is missing would be added.
    end: Span,
}

impl<'a> Top<'a> {
    /// Notes what is no section of ours.
    fn unknown(&self) {
        let known = sections();
        for (key, value) in self.root {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let is_section = match value.get_ref() {
                DeValue::Table(_) => true,
                DeValue::Array(array) => array.iter().any(|item| item.get_ref().is_table()),
                _ => false,
            };
            let (message, hint) = if is_section {
                let near = nearest(name, &known).map(|near| format!("did you mean `{}`?", header(near)));
                let all = || {
                    known
                        .iter()
                        .map(|name| format!("`{}`", header(name)))
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                (
                    format!("unknown section `[{name}]`"),
                    near.unwrap_or_else(|| format!("known: {}", all())),
                )
            } else {
                let homes: Vec<String> = homes(name)
                    .iter()
                    .map(|home| format!("`{}`", header(home)))
                    .collect();
                let hint = match (homes.as_slice(), nearest(name, &known)) {
                    ([_, ..], _) => format!("it belongs to {}", homes.join(" or ")),
                    ([], Some(near)) => format!("did you mean the section `{}`?", header(near)),
                    ([], None) => "every key stands in a section, e.g. below `[deskie]`".to_owned(),
                };
                (format!("key `{name}` outside of a section"), hint)
            };
            // Below a broken header, a key seems to stand here.
            self.reader.uncertain(&key.span(), message, Some(hint));
        }
    }

    /// A section, if it is there.
    fn section(&self, name: &'static str) -> Option<Section<'a>> {
        let value = self.root.get(name)?;
        let DeValue::Table(table) = value.get_ref() else {
            let hint = Some(format!("its header is `[{name}]`"));
            self.reader
                .fault(&value.span(), format!("`{name}` must be one section"), hint);
            return None;
        };
        Some(Section::open(
            self.reader,
            name,
            name.to_owned(),
            value.span(),
            table,
        ))
    }

    /// A section that must be there; a mistyped one was answered already.
    fn required(&self, name: &'static str) -> Option<Section<'a>> {
        let known = sections();
        let mistyped = |written: &str| !known.contains(&written) && nearest(written, &known) == Some(name);
        let is_mistyped = self.root.keys().any(|written| mistyped(written.get_ref()));
        if !self.root.contains_key(name) && !is_mistyped {
            self.reader
                .uncertain(&self.end, format!("the section `[{name}]` is missing"), None);
        }
        self.section(name)
    }

    /// The sections of a list.
    fn list(&self, name: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.root.get(name) else {
            return Vec::new();
        };
        let hint = Some(format!("its header is `{}`", header(name)));
        let DeValue::Array(array) = value.get_ref() else {
            self.reader.fault(
                &value.span(),
                format!("`{name}` must be a list of sections"),
                hint,
            );
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let DeValue::Table(table) = item.get_ref() else {
                self.reader.fault(
                    &item.span(),
                    format!("`{name}` must be a list of sections"),
                    hint.clone(),
                );
                continue;
            };
            sections.push(Section::open(
                self.reader,
                name,
                format!("{name}[{index}]"),
                item.span(),
                table,
            ));
        }
        sections
    }
}

/// Adds the faults of the syntax, and takes away what may be but their consequence: faults on the same lines, and
/// things missing (a name given twice hides nothing).
fn add_syntax(source: &Source, errors: &[Error], found: &mut Vec<RawFault>) {
    const TWICE: &str = "duplicate key";
    if errors.iter().any(|error| error.message() != TWICE) {
        found.retain(|found| !found.uncertain);
    }
    let line = |span: &Span| source.line_column(span.start).0;
    let mut faults: Vec<RawFault> = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(source.text.len()..source.text.len());
        // The first fault of a line; the next ones tend to follow from it.
        if faults.iter().any(|fault| line(&fault.span) == line(&span)) {
            continue;
        }
        let message = match (error.message(), source.text.get(span.clone())) {
            (TWICE, Some(key)) => format!("`{}` is given twice", key.trim_matches(['"', '\''])),
            ("", _) => "TOML syntax error".to_owned(),
            (message, _)
                if message.starts_with("string values must be quoted")
                    || message.starts_with("invalid boolean") =>
            {
                "a string must be quoted".to_owned()
            }
            (message, _) => format!("TOML syntax error: {message}"),
        };
        faults.push(RawFault {
            span,
            message,
            hint: None,
            uncertain: false,
        });
    }
    found.retain(|found| !faults.iter().any(|fault| line(&fault.span) == line(&found.span)));
    found.append(&mut faults);
}
