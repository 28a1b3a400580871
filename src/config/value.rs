//! Single values: durations, sizes, names, addresses. Pure; each function says what is wrong as the end of a sentence
//! that begins with the key.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use url::{Host, Url};

/// What is wrong with a value, as the end of a sentence, and the mend.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// e.g. `is not a duration`.
    pub(super) message: String,
    /// The mend.
    pub(super) hint: Option<String>,
}

impl Problem {
    /// A problem with its mend.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}

/// The longest identifier of Postgres, in bytes.
pub(super) const NAME_LENGTH: usize = 63;

/// How a duration is written.
pub(super) const DURATION_HINT: &str =
    "a number and `ms`, `s`, `m`, `h` or `d`: \"500ms\", \"30s\", \"2m\", \"1h\", \"1d\"";
/// How a size is written.
pub(super) const SIZE_HINT: &str =
    "a number and `B`, `kB`, `MB`, `GB` or `TB` (or `KiB`, `MiB`, ...): \"60kB\", \"10GB\"";

/// What `init` has left open: a value that begins with `TODO` is a question, and no config with one is taken.
pub(super) fn todo(text: &str) -> Option<&str> {
    let rest = text.trim_start().strip_prefix("TODO")?;
    let is_word = rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (!is_word).then(|| rest.trim_start_matches([':', ' ']).trim())
}

/// `"30s"`, `"1h30m"`. At most a hundred years, so that it can be added to any time.
pub(super) fn duration(text: &str) -> Result<Duration, Problem> {
    const LONGEST: u64 = 100 * 365 * 86_400_000;
    let problem = || Problem::new("is not a duration", DURATION_HINT);
    let mut total: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(problem());
    }
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest).ok_or_else(problem)?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return Err(problem()),
        };
        total = number
            .checked_mul(milliseconds)
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= LONGEST)
            .ok_or_else(|| Problem::new("is longer than a hundred years", DURATION_HINT))?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(total))
}

/// `"60kB"`: 1000 a step; `"60KiB"`: 1024 a step.
pub(super) fn size(text: &str) -> Result<u64, Problem> {
    let problem = || Problem::new("is not a size", SIZE_HINT);
    let (number, unit, after) = number_and_unit(text.trim()).ok_or_else(problem)?;
    if !after.is_empty() {
        return Err(problem());
    }
    let factor: u64 = match unit {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" | "kiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(problem()),
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| Problem::new("is too large", SIZE_HINT))
}

/// A whole number, its unit, and what follows.
fn number_and_unit(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(digits)?;
    let rest = rest.trim_start();
    let letters = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let (unit, after) = rest.split_at_checked(letters)?;
    Some((number.parse().ok()?, unit, after))
}

/// `schema.table`, `table`, each part perhaps in double quotes. The case is kept as written.
pub(super) fn table_name(text: &str) -> Result<(Option<String>, String), Problem> {
    const HINT: &str = "`schema.table` or `table`; a part with other signs in it goes in double quotes: '\"My Schema\".\"Tickets\"'";
    let problem = || Problem::new("is not a table name", HINT);
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = name_part(rest).ok_or_else(|| {
            match rest.split_whitespace().nth(1) {
                Some(_) if !rest.contains('"') => Problem::new(
                    "is not a table name",
                    "the table alone: its alias is given (`t`, `m`, `a`), joins and conditions go to `join` and `where`",
                ),
                _ => problem(),
            }
        })?;
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => break,
            None => return Err(problem()),
        }
    }
    if parts.iter().any(|part| part.len() > NAME_LENGTH) {
        return Err(Problem::new(
            format!("has a part of more than {NAME_LENGTH} bytes"),
            HINT,
        ));
    }
    let table = parts.pop().ok_or_else(problem)?;
    let schema = parts.pop();
    if !parts.is_empty() {
        return Err(Problem::new("has more than two parts", HINT));
    }
    Ok((schema, table))
}

/// One column, perhaps in double quotes.
pub(super) fn column(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let problem = || {
        let hint = match text.rsplit_once('.') {
            _ if text.contains(',') => "several columns are a list: [\"a\", \"b\"]".to_owned(),
            Some((_, last)) if !text.contains('"') => format!("the column alone: `{last}`"),
            _ => "one column, or a list of columns; other signs go in double quotes: '\"my column\"'"
                .to_owned(),
        };
        Problem::new("is not a column name", hint)
    };
    match name_part(text) {
        Some((name, "")) if name.len() <= NAME_LENGTH => Ok(name),
        _ => Err(problem()),
    }
}

/// A name at the beginning of the text, unquoted, and what follows.
fn name_part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        let (name, after) = text.split_at_checked(end)?;
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-');
        return (!name.is_empty() && name.chars().all(plain)).then(|| (name.to_owned(), after));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                name.push('"');
                rest = next;
            }
            None => return (!name.is_empty() && !name.contains('\0')).then_some((name, after)),
        }
    }
}

/// A replication slot's name.
pub(super) fn slot(text: &str) -> Result<String, Problem> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if text.is_empty() || text.len() > NAME_LENGTH || !text.bytes().all(fits) {
        let hint = format!("lower-case letters, digits and `_`, at most {NAME_LENGTH}: \"deskie_cdc_site\"");
        return Err(Problem::new("is not a slot name", hint));
    }
    Ok(text.to_owned())
}

/// A publication's name; `_insert` must fit behind it.
pub(super) fn publication(text: &str) -> Result<String, Problem> {
    let longest = NAME_LENGTH - "_insert".len();
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '"' | '\'' | '\\');
    if text.is_empty() || text.len() > longest || text.contains(odd) {
        let hint =
            format!("no white space, comma, quote or backslash, at most {longest} bytes: \"deskie_cdc\"");
        return Err(Problem::new("is not a publication name", hint));
    }
    Ok(text.to_owned())
}

/// The schema of our state. Ours alone: `uninstall` drops it.
pub(super) fn schema(text: &str) -> Result<String, Problem> {
    const HINT: &str = "a schema for the connector alone, which `uninstall` drops: \"deskie_cdc\"";
    if text.is_empty() || text.len() > NAME_LENGTH || text.contains(|c: char| c.is_control() || c == '"') {
        return Err(Problem::new(
            format!("is not a schema name of at most {NAME_LENGTH} bytes"),
            HINT,
        ));
    }
    if text == "public" || text == "information_schema" || text.starts_with("pg_") {
        return Err(Problem::new("is not the connector's to use", HINT));
    }
    Ok(text.to_owned())
}

/// A custom channel: `cchN`.
pub(super) fn channel(text: &str) -> Result<String, Problem> {
    if is_channel(text) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(
        "is not a custom channel",
        "its id in Deskie, `cch` and a number: \"cch3\"",
    ))
}

/// Whether this is `cchN`.
pub(super) fn is_channel(text: &str) -> bool {
    text.strip_prefix("cch")
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `N` of `cf_N`.
pub(super) fn custom_field(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("cf_")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain {
        digits.parse().ok().filter(|field| *field > 0)
    } else {
        None
    }
}

/// The staff e-mail address.
pub(super) fn email(text: &str) -> Result<String, Problem> {
    let fits = |address: &str| {
        address
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
            && !address.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    if fits(text) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(
        "is not an e-mail address",
        "the staff member whose API key this is: \"api@example.com\"",
    ))
}

/// Where to listen: `ADDRESS:PORT`, `localhost:PORT` or `:PORT`.
pub(super) fn listen(text: &str) -> Result<SocketAddr, Problem> {
    let text = text.trim();
    let port = |port: &str| port.parse::<u16>().ok();
    text.parse()
        .ok()
        .or_else(|| {
            Some(SocketAddr::new(
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                port(text.strip_prefix("localhost:")?)?,
            ))
        })
        .or_else(|| {
            Some(SocketAddr::new(
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                port(text.strip_prefix(':')?)?,
            ))
        })
        .ok_or_else(|| {
            Problem::new(
                "is not an address to listen on",
                "an IP address and a port: \"0.0.0.0:8787\", \"[::]:8787\"",
            )
        })
}

/// An http(s) address with a host, and without a password in it.
pub(super) fn web_address(text: &str) -> Result<Url, Problem> {
    let problem = |hint: &str| Problem::new("is not a web address", hint);
    const EXAMPLE: &str = "e.g. \"https://hooks.example.com\"";
    let url = Url::parse(text.trim()).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase if !text.trim().is_empty() => {
            problem("it begins with `https://`")
        }
        _ => problem(EXAMPLE),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(problem("it begins with `https://`"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(problem(EXAMPLE));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::new(
            "holds a user name or a password",
            "leave out what stands before the `@`",
        ));
    }
    Ok(url)
}

/// Deskie's address: `https://<domain>`, a trailing slash and `/api` taken off. The API key travels with every call,
/// so plain http is for this machine and for hosts without a dot (names in a compose network) only.
pub(super) fn deskie_address(text: &str) -> Result<Url, Problem> {
    let mut url = web_address(text)?;
    if url.scheme() == "http" && !is_near(&url) {
        return Err(Problem::new(
            "is plain http: the API key would travel unencrypted",
            "write `https://`",
        ));
    }
    let path = url.path().trim_end_matches('/');
    if !matches!(path, "" | "/api") || url.query().is_some() || url.fragment().is_some() {
        return Err(Problem::new(
            "holds more than the domain",
            "e.g. \"https://destek.deskie.io\"",
        ));
    }
    url.set_path("");
    Ok(url)
}

fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            !name.contains('.') || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
