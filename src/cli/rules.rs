//! `rules`: what to enter in Deskie's forms for this config, step by step. The texts are in `rules/`, one file a
//! language, all with the same parts.

use std::fmt::Write;

use clap::ValueEnum;
use secrecy::ExposeSecret;

use super::output::print;
use super::{Failure, failed};
use crate::config::Config;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The language of the text.
    #[arg(long, value_enum, default_value_t = Language::En)]
    lang: Language,
    /// Print the webhook secret instead of a placeholder.
    #[arg(long)]
    show_secret: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// English.
    En,
    /// Turkish.
    Tr,
    /// Russian.
    Ru,
}

impl Language {
    fn text(self) -> &'static str {
        match self {
            Language::En => include_str!("rules/en.txt"),
            Language::Tr => include_str!("rules/tr.txt"),
            Language::Ru => include_str!("rules/ru.txt"),
        }
    }
}

/// What stands in place of the secret.
const SECRET: &str = "<webhook_secret>";

/// What stands in place of our address, where the config does not tell it.
const ADDRESS: &str = "https://<your-server>";

/// All but what stands in a path as it is.
const UNRESERVED: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    print(&text(config, arguments.lang, arguments.show_secret)?)
}

fn text(config: &Config, language: Language, show_secret: bool) -> Result<String, Failure> {
    let server = &config.server;
    let secret = match server.webhook_secrets.first() {
        Some(secret) if show_secret => {
            percent_encoding::utf8_percent_encode(secret.expose_secret(), &UNRESERVED).to_string()
        }
        _ => SECRET.to_owned(),
    };
    let address = server
        .public_url
        .as_ref()
        .map_or(ADDRESS, |url| url.as_str().trim_end_matches('/'));
    let webhook = format!("{address}/webhooks/{secret}");
    let has_channel = config.deskie.channel.is_some() || config.ticket.channel.is_some();
    let is_hidden = !server.webhook_secrets.is_empty() && !show_secret;
    let field = format!("cf_{}", config.deskie.ticket_field);
    // In webhooks a field goes by another name than in the API ([C!] sloop).
    let body = format!(
        r#"{{"case_id": "[case_id]", "last_message_id": "[last_message_id]", "custom_field_{0}": "[custom_field_{0}]"}}"#,
        config.deskie.ticket_field
    );
    let channel = config.deskie.channel.as_deref().unwrap_or("cchN");
    let labels: Vec<String> = config.deskie.labels.iter().map(i64::to_string).collect();
    let (labels, group) = (labels.join(", "), config.deskie.group_id.map(|id| id.to_string()));
    let deskie = config.deskie.url.as_str().trim_end_matches('/');

    // One sure mark is enough, and a label is the surest.
    let by_label = !labels.is_empty();
    let by_group = !by_label && group.is_some();
    let by_nothing = !by_label && !by_group;

    // Each part, and whether it is for this config; a part named `n. …` is a step.
    let parts = [
        ("intro", true),
        ("no_secret", server.webhook_secrets.is_empty()),
        ("secret", is_hidden),
        ("no_address", server.public_url.is_none()),
        ("step field", true),
        ("step agents", true),
        ("from_label", by_label),
        ("from_group", by_group),
        ("from_field", by_nothing),
        ("action", true),
        ("body", true),
        ("step customers", true),
        ("from_label", by_label),
        ("from_group", by_group),
        ("from_field", by_nothing),
        ("action", true),
        ("own_messages", true),
        ("step replies", true),
        ("by_label", by_label),
        ("by_group", by_group),
        ("by_nothing", by_nothing),
        ("step mailer", config.reply.is_some()),
        ("step channel", has_channel),
        ("step test", true),
    ];
    let mut out = String::new();
    let mut step = 0;
    for (name, _) in parts.iter().filter(|(_, wanted)| *wanted) {
        let part =
            part(language.text(), name).ok_or_else(|| failed(format!("the text `{name}` is missing")))?;
        let part = part
            .replace("{webhook}", &webhook)
            .replace("{listen}", &server.listen.to_string())
            .replace("{deskie}", deskie)
            .replace("{body}", &body)
            .replace("{field}", &field)
            .replace("{channel}", channel)
            .replace("{labels}", &labels)
            .replace("{group}", group.as_deref().unwrap_or_default());
        if name.starts_with("step ") {
            step += 1;
            let _ = write!(out, "{step}. ");
        }
        // A condition stands right below what it belongs to.
        match ["step agents", "step customers", "action"].contains(name) || name.starts_with("from_") {
            true => {
                out.push_str(part.trim_end());
                out.push('\n');
            }
            false => out.push_str(&part),
        }
    }
    Ok(out)
}

/// The part below the line `[name]`, up to the next such line.
fn part<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.find(&format!("[{name}]\n"))? + name.len() + 3;
    let rest = text.get(start..)?;
    rest.get(..rest.find("\n[").map_or(rest.len(), |end| end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(language: Language) -> Vec<&'static str> {
        let line_is_name = |line: &&str| line.starts_with('[') && line.ends_with(']');
        language.text().lines().filter(line_is_name).collect()
    }

    #[test]
    fn all_languages_have_the_same_parts() {
        for language in [Language::Tr, Language::Ru] {
            assert_eq!(names(language), names(Language::En));
            let places = |text: &str| {
                let mut places: Vec<String> = text
                    .split('{')
                    .skip(1)
                    .filter_map(|rest| rest.split_once('}'))
                    .map(|(name, _)| name.into())
                    .collect();
                places.sort();
                places
            };
            assert_eq!(
                places(language.text()),
                places(Language::En.text()),
                "{language:?}"
            );
        }
    }

    #[test]
    fn a_part_ends_where_the_next_begins() {
        let text = "[a]\none\ntwo\n[b]\nthree\n";
        assert_eq!(
            (part(text, "a"), part(text, "b"), part(text, "c")),
            (Some("one\ntwo\n"), Some("three\n"), None)
        );
    }
}
