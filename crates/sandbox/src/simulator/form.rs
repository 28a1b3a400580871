//! Reading requests: JSON with a root key, or form fields with PHP's brackets, urlencoded or multipart.

use bytes::Bytes;
use serde_json::{Map, Value};

/// The most that a request may carry.
pub(crate) const MAX_REQUEST: usize = 50 * 1024 * 1024;
/// The most that one file may have.
pub(super) const MAX_FILE: usize = 25 * 1024 * 1024;

/// A file that came by multipart.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub name: String,
    pub mime: String,
    pub bytes: Bytes,
}

/// The fields of a request, nested, and its files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    pub fields: Value,
    pub files: Vec<Upload>,
}

impl Form {
    /// The object under a root key such as `case`.
    pub(super) fn root(&self, key: &str) -> Option<Fields<'_>> {
        self.fields.get(key).filter(|value| value.is_object()).map(Fields)
    }
}

/// Reads a body by its content type; `None` if it cannot be read.
pub(crate) fn read_body(content_type: &str, body: &Bytes) -> Option<Form> {
    if content_type.starts_with("multipart/form-data") {
        let boundary = content_type
            .split("boundary=")
            .nth(1)?
            .split(';')
            .next()?
            .trim()
            .trim_matches('"');
        return read_multipart(boundary, body);
    }
    if content_type.starts_with("application/x-www-form-urlencoded") {
        return Some(Form {
            fields: read_pairs(body),
            files: Vec::new(),
        });
    }
    if body.is_empty() {
        return Some(Form::default());
    }
    Some(Form {
        fields: serde_json::from_slice(body).ok()?,
        files: Vec::new(),
    })
}

/// Reads `a[b][]=c&…`, a query or an urlencoded body, into nested objects.
pub(super) fn read_pairs(text: &[u8]) -> Value {
    let mut root = Map::new();
    for (name, value) in form_urlencoded::parse(text) {
        insert(&mut root, &name, Value::String(value.into_owned()));
    }
    Value::Object(root)
}

/// Writes nested JSON as PHP would: `object[attachments][0][url]=…`; booleans are 0 and 1.
pub(super) fn write_pairs(value: &Value) -> String {
    fn walk(name: String, value: &Value, out: &mut form_urlencoded::Serializer<'_, String>) {
        let step = |key: &str| {
            if name.is_empty() {
                key.to_owned()
            } else {
                format!("{name}[{key}]")
            }
        };
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| walk(step(key), value, out)),
            Value::Array(list) => list
                .iter()
                .enumerate()
                .for_each(|(n, value)| walk(step(&n.to_string()), value, out)),
            Value::String(text) => {
                out.append_pair(&name, text);
            }
            Value::Bool(flag) => {
                out.append_pair(&name, if *flag { "1" } else { "0" });
            }
            Value::Number(number) => {
                out.append_pair(&name, &number.to_string());
            }
            Value::Null => {
                out.append_pair(&name, "");
            }
        }
    }
    let mut out = form_urlencoded::Serializer::new(String::new());
    walk(String::new(), value, &mut out);
    out.finish()
}

/// `case[custom_fields][cf_25]` → path; `[]` takes the next free index.
fn insert(root: &mut Map<String, Value>, name: &str, value: Value) {
    let (first, rest) = name.split_once('[').unwrap_or((name, ""));
    let mut steps = vec![first.to_owned()];
    if !rest.is_empty() {
        steps.extend(rest.trim_end_matches(']').split("][").map(str::to_owned));
    }
    let last = steps.pop().unwrap_or_default();
    let mut at = root;
    for step in steps {
        let next = at.entry(step).or_insert_with(|| Value::Object(Map::new()));
        if !next.is_object() {
            *next = Value::Object(Map::new());
        }
        let Some(map) = next.as_object_mut() else { return };
        at = map;
    }
    let key = if last.is_empty() && !name.is_empty() {
        at.len().to_string()
    } else {
        last
    };
    at.insert(key, value);
}

fn read_multipart(boundary: &str, body: &Bytes) -> Option<Form> {
    let delimiter = format!("--{boundary}");
    let mut form = Form {
        fields: Value::Object(Map::new()),
        files: Vec::new(),
    };
    let mut at = find(body, delimiter.as_bytes(), 0)? + delimiter.len();
    let separator = format!("\r\n{delimiter}");
    while body.get(at..at + 2) == Some(b"\r\n") {
        let head_end = find(body, b"\r\n\r\n", at)?;
        let end = find(body, separator.as_bytes(), head_end + 2)?;
        let head = String::from_utf8_lossy(body.get(at + 2..head_end)?).into_owned();
        let content = body.slice(head_end + 4..end.max(head_end + 4));
        at = end + separator.len();

        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim()
                    .eq_ignore_ascii_case(name)
                    .then(|| value.trim().to_owned())
            })
        };
        let disposition = header("content-disposition")?;
        let name = parameter(&disposition, "name")?;
        match parameter(&disposition, "filename") {
            Some(file_name) => form.files.push(Upload {
                name: file_name,
                mime: header("content-type").unwrap_or_else(|| "application/octet-stream".into()),
                bytes: content,
            }),
            None => {
                let text = String::from_utf8_lossy(&content).into_owned();
                insert(form.fields.as_object_mut()?, &name, Value::String(text));
            }
        }
    }
    Some(form)
}

/// A parameter of a `Content-Disposition`: quoted, or extended (`filename*=utf-8''…`).
fn parameter(disposition: &str, name: &str) -> Option<String> {
    let mut rest = disposition;
    while let Some((_, after)) = rest.split_once(';') {
        rest = after.trim_start();
        let (key, value) = rest.split_once('=')?;
        if key == format!("{name}*") {
            let encoded = value.split(';').next()?.splitn(3, '\'').nth(2)?;
            return Some(
                percent_encoding::percent_decode_str(encoded)
                    .decode_utf8_lossy()
                    .into_owned(),
            );
        }
        let (text, after) = match value.strip_prefix('"') {
            Some(quoted) => read_quoted(quoted)?,
            None => (value.split(';').next()?.to_owned(), value),
        };
        if key == name {
            return Some(text);
        }
        rest = after;
    }
    None
}

/// The text up to the closing quote, with backslashes taken off, and what follows it.
fn read_quoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    loop {
        match letters.next()? {
            (at, '"') => return Some((text, quoted.get(at..)?)),
            (_, '\\') => text.push(letters.next()?.1),
            (_, letter) => text.push(letter),
        }
    }
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = from;
    loop {
        at += haystack.get(at..)?.iter().position(|byte| *byte == first)?;
        if haystack.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
}

/// Lenient access to the fields of an entity: numbers may be strings, lists may be objects with numeric keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a Value);

impl<'a> Fields<'a> {
    pub fn value(self, key: &str) -> Option<&'a Value> {
        self.0.get(key)
    }

    pub fn text(self, key: &str) -> Option<String> {
        self.value(key).and_then(scalar)
    }

    /// As [`Fields::text`], and not empty.
    pub fn filled(self, key: &str) -> Option<String> {
        self.text(key).filter(|text| !text.is_empty())
    }

    pub fn number(self, key: &str) -> Option<i64> {
        self.text(key)?.trim().parse().ok()
    }

    pub fn flag(self, key: &str) -> bool {
        matches!(self.text(key).as_deref(), Some("1" | "true"))
    }

    pub fn texts(self, key: &str) -> Vec<String> {
        match self.value(key) {
            Some(Value::Array(list)) => list.iter().filter_map(scalar).collect(),
            Some(Value::Object(map)) => map.values().filter_map(scalar).collect(),
            Some(value) => scalar(value)
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect(),
            None => Vec::new(),
        }
    }

    pub fn numbers(self, key: &str) -> Vec<i64> {
        self.texts(key)
            .iter()
            .filter_map(|text| text.trim().parse().ok())
            .collect()
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
