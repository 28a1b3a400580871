//! Questions on a terminal. What a person types is prepared on the server at once, in its place; what the server does not
//! understand is told and asked again. What is offered is taken by `y` only where a careless one lets nothing out: who
//! is who, who wrote it and what the customer sees are typed.

use std::io::{BufRead, Write};

use tokio_postgres::Client;

use super::catalog::Candidate;
use super::draft::{Item, Section, Value};
use super::{tables, tried};
use crate::cli::{Failure, failed};
use crate::setup;

/// A person chooses among tables that are as likely; where nobody can be asked, that is said.
pub(super) fn choose<'a>(
    what: &str,
    flag: &str,
    many: &[&'a Candidate],
    tables: &[Candidate],
    asks: bool,
) -> Result<&'a Candidate, Failure> {
    let line = |of: &&Candidate| {
        let why = if flag == "--ticket" {
            format!(": {}", tables::why(of, tables))
        } else {
            String::new()
        };
        format!("{}{why}", of.table.name)
    };
    let lines: Vec<String> = many.iter().map(line).collect();
    if asks {
        eprintln!("Which of these tables holds the {what}?");
        for (n, line) in lines.iter().enumerate() {
            eprintln!("  {}  {line}", n + 1);
        }
        let number: Option<usize> = answer("Its number: ").and_then(|text| text.parse().ok());
        if let Some(one) = number.and_then(|number| many.get(number.checked_sub(1)?)) {
            return Ok(one);
        }
    }
    let list: Vec<String> = lines.iter().map(|line| format!("  {line}")).collect();
    let example = many
        .first()
        .map(|of| of.table.name.to_string())
        .unwrap_or_default();
    Err(failed(format!(
        "several tables may hold the {what}, and nothing tells which:\n{}\nhint: choose, e.g. {flag} {example}",
        list.join("\n")
    )))
}

/// One line from the terminal.
fn answer(prompt: &str) -> Option<String> {
    eprint!("{prompt}");
    std::io::stderr().flush().ok()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok()?;
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// What the questions are about.
pub(super) struct Asked<'a> {
    pub(super) client: &'a Client,
    pub(super) ticket: &'a Candidate,
    pub(super) message: Option<&'a Candidate>,
    pub(super) url: &'a str,
}

/// Asks each open question; what gets no answer stays open.
pub(super) async fn all(sections: &mut [Section], asked: &Asked<'_>) -> Result<(), Failure> {
    let is_open = |item: &Item| matches!(item, Item::Line { value, .. } if value.is_open());
    let places: Vec<(usize, usize)> = sections
        .iter()
        .enumerate()
        .flat_map(|(section, of)| (0..of.items.len()).map(move |item| (section, item)))
        .collect();
    let mut shown = "";
    for (section, place) in places {
        let Some((header, item)) = sections
            .get(section)
            .and_then(|of| Some((of.header, of.items.get(place)?)))
            .filter(|(_, item)| is_open(item))
        else {
            continue;
        };
        let Item::Line {
            key,
            value: Value::Todo { question, offer },
            ..
        } = item.clone()
        else {
            continue;
        };
        if shown != header {
            eprint!("{}", asked.columns(header));
            shown = header;
        }
        eprintln!("\n{header} {key}: {question}");
        // Without this answer: what is wrong already is not its fault.
        let known = asked.faults(sections).await?;
        let is_taken = offer.as_ref().is_some_and(|offer| may_be_taken(header, offer));
        if let Some(offer) = &offer {
            let what = match offer.contains('…') {
                true => "for instance (… is yours to say)",
                false => "perhaps",
            };
            eprintln!("  {what}: {offer}");
        }
        let prompt = match is_taken {
            true => "  y takes that, SQL is taken as it is, nothing leaves it open: ",
            false => "  SQL is taken as it is, nothing leaves it open: ",
        };
        while let Some(text) = answer(prompt) {
            let sql = match (text.as_str(), &offer) {
                ("y", Some(offer)) if is_taken => offer.clone(),
                ("y" | "Y" | "yes", _) => {
                    eprintln!(
                        "  `{text}` is no answer here: it decides what is sent, and to whom. Type the SQL."
                    );
                    continue;
                }
                _ => text,
            };
            let Some(Item::Line { value, .. }) =
                sections.get_mut(section).and_then(|of| of.items.get_mut(place))
            else {
                break;
            };
            let open = std::mem::replace(value, Value::Sql(sql));
            let faults = asked.faults(sections).await?;
            let new: Vec<&String> = faults.iter().filter(|fault| !known.contains(fault)).collect();
            if new.is_empty() {
                break;
            }
            for fault in new {
                eprintln!("  {}", fault.replace('\n', "\n  "));
            }
            if let Some(Item::Line { value, .. }) =
                sections.get_mut(section).and_then(|of| of.items.get_mut(place))
            {
                *value = open;
            }
        }
    }
    Ok(())
}

/// Whether `y` may take what is offered: all of it is said, and it is of a reply or of a file, which the trial reads back.
fn may_be_taken(header: &str, offer: &str) -> bool {
    !offer.contains('…') && !matches!(header, "[ticket]" | "[message]")
}

impl Asked<'_> {
    /// What stands in a section's tables.
    fn columns(&self, header: &str) -> String {
        let of = |alias: &str, table: &Candidate| {
            let names: Vec<&str> = table
                .table
                .columns
                .iter()
                .map(|column| column.name.as_str())
                .collect();
            format!(
                "  {alias} is a row of {}: {}\n",
                table.table.name,
                names.join(", ")
            )
        };
        let ticket = of("t", self.ticket);
        let message = |alias: &str| self.message.map_or(String::new(), |table| of(alias, table));
        match header {
            "[ticket]" => format!("\n{ticket}"),
            "[message]" => format!("\n{}{ticket}", message("m")),
            "[[attachment]]" => format!("\n{}{ticket}", message("m")),
            _ => format!(
                "\n{ticket}  the columns of the new row, {}and :kind ('agent' or 'customer'), :text, :html, :author_name, :agent_email, :created_at \
                 are there as well\n",
                self.message
                    .map_or(String::new(), |table| format!("of {}, ", table.table.name))
            ),
        }
    }

    /// What is wrong with the draft as it stands, as the server says it.
    async fn faults(&self, sections: &[Section]) -> Result<Vec<String>, Failure> {
        match tried(sections, self.url) {
            Err(faults) => Ok(vec![faults]),
            Ok(config) => setup::draft_faults(&config, self.client).await.map_err(failed),
        }
    }
}
