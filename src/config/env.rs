//! The environment: the one place that reads it, and `${NAME}` in strings.

use std::path::PathBuf;

use crate::model::{CrashPoint, crash};

/// The environment variable that names the config file.
pub const CONFIG_VARIABLE: &str = "DESKIE_CDC_CONFIG";

/// The config file when nothing names one.
pub const DEFAULT_PATH: &str = "./deskie-cdc.toml";

/// How the config asks for an environment variable, so that tests can bring their own.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own environment; a value that is not UTF-8 counts as not set.
#[allow(clippy::disallowed_methods)] // The one place that may read it.
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The variable that names the crash point at which `run` is to end as by a kill: `NAME`, or `NAME:N` for the N-th time.
pub const CRASH_VARIABLE: &str = "DESKIE_CDC_CRASH_AT";

/// The same for a point at which the process stops, as by SIGSTOP.
pub const FREEZE_VARIABLE: &str = "DESKIE_CDC_FREEZE_AT";

/// Arms the crash point that the environment names, if any; what is wrong with the name.
pub fn arm_crash_point(env: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    for (variable, freezes) in [(CRASH_VARIABLE, false), (FREEZE_VARIABLE, true)] {
        let Some(text) = env(variable).filter(|text| !text.is_empty()) else {
            continue;
        };
        if !crash::COMPILED {
            return Err(format!(
                "{variable} is set, but a release has no crash points: build one with `--features crash-points`, or unset it"
            ));
        }
        let (name, hits) = text.split_once(':').unwrap_or((&text, "1"));
        match (CrashPoint::named(name), hits.parse()) {
            (Some(point), Ok(hits @ 1..)) => point.arm(hits, freezes),
            _ => {
                return Err(format!(
                    "{variable}: `{text}` is no crash point; they are listed in src/model/crash.rs"
                ));
            }
        }
    }
    Ok(())
}

/// Where the config is when `--config` was not given: `$DESKIE_CDC_CONFIG`, else `./deskie-cdc.toml`.
pub fn default_path(env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    env(CONFIG_VARIABLE)
        .filter(|path| !path.is_empty())
        .map_or_else(|| PathBuf::from(DEFAULT_PATH), PathBuf::from)
}

/// A string with its environment variables put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// Whether nothing came from the environment, so that a message may quote it.
    pub(super) literal: bool,
    /// What could not be put in.
    pub(super) failures: Vec<Failure>,
}

/// One reference that could not be put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The reference as written, by which its place is found.
    pub(super) written: String,
    /// What is wrong.
    pub(super) message: String,
    /// The mend.
    pub(super) hint: String,
}

/// Puts environment variables into `raw`: `${NAME}`, `${NAME:-default}` (not set or empty), `$${` for a plain `${`.
/// Where `NAME_FILE` is set it names a file that holds the value, such as a secret that a container is given.
pub(super) fn expand(raw: &str, env: Env<'_>) -> Expanded {
    let mut expanded = Expanded {
        text: String::with_capacity(raw.len()),
        literal: true,
        failures: Vec::new(),
    };
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            expanded.text.push_str(before);
            expanded.text.push_str("${");
            rest = after;
            continue;
        }
        expanded.text.push_str(before);
        expanded.literal = false;
        let Some((inside, after)) = after.split_once('}') else {
            expanded.failures.push(Failure {
                written: "${".to_owned() + after,
                message: "`${` without its `}`".to_owned(),
                hint: "a plain `${` is written `$${`".to_owned(),
            });
            return expanded;
        };
        rest = after;
        match reference(inside, env) {
            Ok(value) => expanded.text.push_str(&value),
            Err((message, hint)) => {
                expanded.failures.push(Failure {
                    written: format!("${{{inside}}}"),
                    message,
                    hint,
                });
            }
        }
    }
    expanded.text.push_str(rest);
    expanded
}

/// The value of what stands between `${` and `}`, or the message and the hint.
fn reference(inside: &str, env: Env<'_>) -> Result<String, (String, String)> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) || default.is_some_and(|default| default.contains("${")) {
        // The text is not quoted: what stands here may be a mistyped secret.
        return Err((
            "not a reference to an environment variable".to_owned(),
            "write `${NAME}` or `${NAME:-default}`; a plain `${` is written `$${`".to_owned(),
        ));
    }
    match (value(name, env)?, default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err((
            format!("environment variable `{name}` is not set"),
            format!(
                "set it, or `{name}_FILE` to a file that holds it, or give a default: `${{{name}:-...}}`"
            ),
        )),
    }
}

/// What the variable says, or the file that its `_FILE` names, less the end of its last line.
fn value(name: &str, env: Env<'_>) -> Result<Option<String>, (String, String)> {
    let variable = format!("{name}_FILE");
    let Some(path) = env(&variable).filter(|path| !path.is_empty()) else {
        return Ok(env(name));
    };
    if env(name).is_some_and(|value| !value.is_empty()) {
        return Err((
            format!("both `{name}` and `{variable}` are set"),
            "unset one of them".to_owned(),
        ));
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()))
        }
        Err(error) => Err((
            format!("the file {path}, which `{variable}` names, cannot be read: {error}"),
            "it has to be there, in UTF-8, and this account has to be allowed to read it".to_owned(),
        )),
    }
}

/// Whether this may be the name of an environment variable.
pub(super) fn is_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}
