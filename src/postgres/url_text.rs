//! The two ways to write a connection string → names and values.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::url::UrlError;

pub(super) const DEFAULT_PORT: u16 = 5432;

/// The options of a connection string; a later one replaces an earlier one of the same name.
#[derive(Default)]
pub(super) struct Pairs(BTreeMap<String, String>);

impl Pairs {
    /// Removes and returns a value; an empty one counts as absent, as in libpq.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// The names that nobody took.
    pub(super) fn into_names(self) -> impl Iterator<Item = String> {
        self.0.into_keys()
    }
}

/// Reads either form.
pub(super) fn read(text: &str) -> Result<Pairs, UrlError> {
    if text.contains('\0') {
        return Err(UrlError::ZeroByte);
    }
    let url = text
        .strip_prefix("postgres://")
        .or_else(|| text.strip_prefix("postgresql://"));
    match url {
        Some(rest) => read_url(rest),
        None if text.contains("://") || !text.contains('=') => Err(UrlError::NotPostgres),
        None => read_pairs(text),
    }
}

/// An empty text is the default port.
pub(super) fn port(text: &str) -> Result<u16, UrlError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    text.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)
}

fn decoded(text: &str, what: &'static str) -> Result<String, UrlError> {
    let bytes = text.as_bytes();
    let broken = bytes.iter().enumerate().any(|(at, byte)| {
        *byte == b'%'
            && !bytes
                .get(at + 1..at + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let text = percent_decode_str(text)
        .decode_utf8()
        .ok()
        .filter(|text| !broken && !text.contains('\0'));
    text.map(std::borrow::Cow::into_owned)
        .ok_or(UrlError::Encoding(what))
}

fn read_url(rest: &str) -> Result<Pairs, UrlError> {
    let mut pairs = Pairs::default();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    if database.contains('@')
        || query
            .split('&')
            .next()
            .is_some_and(|first| !first.is_empty() && !first.contains('='))
    {
        // An unencoded `/` or `?` in the password: what looks like host and port is a part of it.
        return Err(UrlError::Port);
    }
    let (credentials, places) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let mut put = |name: &str, value: String| {
        if !value.is_empty() {
            pairs.0.insert(name.to_owned(), value);
        }
    };
    put("user", decoded(user, "user")?);
    put("password", decoded(password, "password")?);
    put("dbname", decoded(database, "database")?);
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in places.split(',') {
        let (host, after) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, after)) => (host, after),
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        let number = after.strip_prefix(':').unwrap_or(after);
        hosts.push(decoded(host, "host")?);
        ports.push(if number.is_empty() {
            String::new()
        } else {
            port(number)?.to_string()
        });
    }
    put("host", hosts.join(","));
    if ports.iter().any(|port| !port.is_empty()) {
        put("port", ports.join(","));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(UrlError::Pairs)?;
        pairs.0.insert(
            decoded(name, "name of an option")?,
            decoded(value, "value of an option")?,
        );
    }
    Ok(pairs)
}

/// `name = value 'with blanks'`; a backslash takes the next character as it is.
fn read_pairs(text: &str) -> Result<Pairs, UrlError> {
    let mut pairs = Pairs::default();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(UrlError::Pairs)?;
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(UrlError::Pairs);
        }
        let (value, after) = read_value(after.trim_start())?;
        pairs.0.insert(name.to_owned(), value);
        rest = after.trim_start();
    }
    Ok(pairs)
}

fn read_value(text: &str) -> Result<(String, &str), UrlError> {
    let (quoted, body) = match text.strip_prefix('\'') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, body.get(at + 1..).unwrap_or_default())),
            blank if blank.is_whitespace() && !quoted => {
                return Ok((value, body.get(at..).unwrap_or_default()));
            }
            other => value.push(other),
        }
    }
    if quoted {
        Err(UrlError::Pairs)
    } else {
        Ok((value, ""))
    }
}
