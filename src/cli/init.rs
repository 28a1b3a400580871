//! `init`: looks at a database's catalog and at its newest rows, and writes a commented draft config, each guess with its
//! reason.
//!
//! What is guessed rests on evidence: foreign keys (the table that others refer to is the ticket), who stands behind a
//! row, the values in a column, what has to be given. What cannot be told is never a silent default: it is a value that
//! begins with `TODO`, with which no config is taken, or on a terminal a question. The draft is then tried as it stands:
//! loaded, prepared, shown with three tickets, and a reply is written and read back in a transaction that is rolled back.

mod ask;
mod by_column;
mod by_person;
mod catalog;
mod columns;
mod customers;
mod draft;
mod evidence;
mod filled;
mod hidden;
mod lookup;
mod mixed;
mod path;
mod reply;
mod rivals;
mod sections;
mod speech;
mod tables;
mod tellers;
mod times;
mod visible;
mod words;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use tokio_postgres::Client;

use self::ask::choose;
use self::catalog::Candidate;
use self::customers::Customer;
use self::draft::{Form, Section};
use self::sections::{Found, Spoken};
use self::tables::Choice;
use super::output::print;
use super::{Failure, failed};
use crate::config::{Config, Expr};
use crate::postgres::{ConnectUrl, SessionOptions, connect, describe, site};
use crate::setup::{self, Status};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The site's database, as a libpq URL; any user that may see the tables.
    #[arg(long, value_name = "URL")]
    url: String,
    /// Where the draft goes (default: stdout); a file that is there is left alone.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The table of tickets, where several may be.
    #[arg(long, value_name = "TABLE")]
    ticket: Option<String>,
    /// The table of messages, where several may be; `none`: there is none.
    #[arg(long, value_name = "TABLE")]
    message: Option<String>,
    /// Ask nothing, also on a terminal: what cannot be told is marked TODO.
    #[arg(long)]
    yes: bool,
}

/// So many tickets of the draft are shown.
const SHOWN: i64 = 3;

pub(super) async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let url = ConnectUrl::parse(&arguments.url)
        .map_err(|error| Failure::Usage(format!("error: --url: {error}")))?;
    if let Some(path) = arguments.output.as_ref().filter(|path| path.exists()) {
        return Err(failed(format!(
            "{} is there already; it is not overwritten",
            path.display()
        )));
    }
    let client = connect(&url, &SessionOptions::new("init"))
        .await
        .map_err(failed)?;
    client
        .batch_execute("set default_transaction_read_only to on")
        .await
        .map_err(failed)?;
    let mut tables = catalog::tables(&client)
        .await
        .map_err(|error| failed(crate::postgres::describe(&error)))?;
    catalog::add_guessed_keys(&client, &mut tables).await;
    let asks = !arguments.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let found = find(&client, &tables, arguments, asks).await?;
    let mut sections = sections::sections(&found);
    if asks {
        let asked = ask::Asked {
            client: &client,
            ticket: found.ticket.0,
            message: found.message.as_ref().map(|message| message.table),
            url: &arguments.url,
        };
        ask::all(&mut sections, &asked).await?;
    }
    let text = draft::text(&sections, &url.redacted(), Form::Whole);
    let review = Box::pin(review(&sections, arguments, &client, &url)).await?;
    match &arguments.output {
        None => {
            print(&text)?;
            eprint!("{review}");
            Ok(())
        }
        Some(path) => {
            // Not between the look above and now, either.
            let file = std::fs::File::options().write(true).create_new(true).open(path);
            let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
            written.map_err(|error| failed(format!("{}: {error}", path.display())))?;
            print(&format!(
                "{review}\n{} is written: {}\nRead its comments, then: deskie-cdc --config {0} check\n",
                path.display(),
                summary(&found)
            ))
        }
    }
}

fn summary(found: &Found<'_>) -> String {
    let message = found
        .message
        .as_ref()
        .map_or("no messages".to_owned(), |message| {
            format!("messages in {}", message.table.table.name)
        });
    format!("tickets in {}, {message}", found.ticket.0.table.name)
}

/// Which table is which, and who speaks in it.
async fn find<'a>(
    client: &Client,
    tables: &'a [Candidate],
    arguments: &Arguments,
    asks: bool,
) -> Result<Found<'a>, Failure> {
    let ticket = match &arguments.ticket {
        Some(name) => (by_name(name, tables)?, "--ticket".to_owned()),
        None => match tables::tickets(tables) {
            Choice::One(one, why) => (one, why),
            Choice::Several(many) => (
                choose("tickets", "--ticket", &many, tables, asks)?,
                "the choice among several".to_owned(),
            ),
            Choice::None => {
                let names: Vec<String> = tables::likely(tables)
                    .iter()
                    .map(|of| of.table.name.to_string())
                    .collect();
                let likely = match names.is_empty() {
                    true => String::new(),
                    false => format!(" (by their names it may be {})", names.join(", ")),
                };
                return Err(failed(format!(
                    "none of the {} tables that this user may read looks like one of tickets{likely}\nhint: name it with --ticket TABLE, and \
                     with --message TABLE what is written about its rows; or write the config by hand: `[ticket] table`, `subject`, `body` and \
                     `customer` are the beginning",
                    tables.len()
                )));
            }
        },
    };
    let message = match &arguments.message {
        Some(name) if name == "none" => None,
        Some(name) => Some((by_name(name, tables)?, "--message".to_owned())),
        None => match tables::messages(ticket.0, tables) {
            Choice::One(one, why) => Some((one, why)),
            Choice::Several(many) => Some((
                choose("messages", "--message", &many, tables, asks)?,
                "the choice among several".to_owned(),
            )),
            Choice::None => match tables::unlinked(tables).as_slice() {
                [] => None,
                some => {
                    let names: Vec<String> = some.iter().map(|of| of.table.name.to_string()).collect();
                    return Err(failed(format!(
                        "{} may hold messages, but nothing tells how its rows name a ticket of {}\nhint: write [message] by hand, with \
                         `ticket`; `--message none` drafts the tickets alone",
                        names.join(", "),
                        ticket.0.table.name
                    )));
                }
            },
        },
    };
    if message.is_none() && columns::body(ticket.0).is_none() {
        return Err(failed(no_words(ticket.0, tables)));
    }
    let customers = customers::customers(ticket.0, tables);
    let message = match message {
        None => None,
        Some((table, why)) => {
            let Some(link) = tables::between(table, ticket.0) else {
                return Err(failed(format!(
                    "nothing tells how the rows of {} name their ticket in {}\nhint: write the config by hand, `[message] ticket` \
                     is an expression over the message's row",
                    table.table.name, ticket.0.table.name
                )));
            };
            if columns::said(table, "m").is_none() {
                let bytes = table
                    .table
                    .columns
                    .iter()
                    .find(|column| column.type_text == "bytea");
                let example = bytes.map_or("m.payload->>'text'".to_owned(), |column| {
                    format!("convert_from({}, 'UTF8')", columns::dotted("m", &column.name))
                });
                return Err(failed(format!(
                    "no column of {} holds what was written as text\nhint: write the config by hand, `[message] body` is an expression \
                     over the message's row, e.g. {example}",
                    table.table.name
                )));
            }
            let writer = speech::writer(table, &link.columns(), tables);
            let customer = customers.first().cloned().unwrap_or(Customer::Own);
            let spoken = evidence::spoken(client, (ticket.0, table, &link), &customer, writer.as_ref()).await;
            let author = speech::author(
                table,
                &link.columns(),
                writer.as_ref(),
                &customers,
                tables,
                &spoken,
            );
            let first = evidence::first_message(client, ticket.0, table, &link).await;
            let mut message = Spoken {
                table,
                why,
                link,
                writer,
                author,
                first,
                rows: spoken,
            };
            let known = sections::seen(&message, tables).conditions;
            if let Some(keys) = evidence::seen(client, table, &known).await {
                message.keep(&keys);
            }
            Some(message)
        }
    };
    Ok(Found {
        tables,
        ticket,
        customers,
        message,
    })
}

/// Nothing that anybody wrote was found about the tickets, and where it may stand.
fn no_words(ticket: &Candidate, tables: &[Candidate]) -> String {
    let children = tables::children(ticket, &[], tables);
    let near: Vec<String> = children
        .iter()
        .map(|child| child.table.name.to_string())
        .collect();
    let beyond = children
        .iter()
        .find_map(|child| Some((*child, tables::text_of(child, &children, tables)?)));
    if let Some((child, (text, link))) = beyond {
        let (child_key, link_column) = (child.table.primary_key.concat(), link.columns().concat());
        let to_ticket = tables::link(child, ticket).map_or(String::new(), |link| link.columns().concat());
        return format!(
            "{} holds no text of a ticket's, nor does {}, whose rows name its rows: what was written stands in {}, whose rows name those\nhint: \
             that is a mapping by hand. `[message] table = \"{1}\"`, `ticket = \"{to_ticket}\"`, `join = \"join {2} b on b.{link_column} = \
             m.{child_key}\"` and `body = \"b.…\"` are the beginning; a reply then writes into both, see `[reply] after` in docs/mapping.md",
            ticket.table.name, child.table.name, text.table.name
        );
    }
    let hint = match near.as_slice() {
        [] => "no table names its rows. Is it another one (--ticket TABLE)? Else name the messages (--message TABLE), or write the config by \
               hand: `[message] ticket` is an expression over the message's row"
            .to_owned(),
        near => format!(
            "these name its rows: {}. Name the one that holds the messages (--message TABLE), or another table of tickets (--ticket TABLE)",
            near.join(", ")
        ),
    };
    format!(
        "{} holds no text of a ticket's, and no table of messages was found for it\nhint: {hint}",
        ticket.table.name
    )
}

fn by_name<'a>(name: &str, tables: &'a [Candidate]) -> Result<&'a Candidate, Failure> {
    let bare = name.replace('"', "");
    let mut fit = tables
        .iter()
        .filter(|of| of.table.name.to_string() == bare || of.table.name.table == bare);
    match (fit.next(), fit.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(Failure::Usage(format!(
            "error: several schemas have a table `{name}`; name it as schema.table"
        ))),
        (None, _) => {
            let names = tables.iter().map(|of| of.table.name.table.as_str());
            let near = crate::mapping::shape::nearest(&bare, names);
            let hint = near.map_or(
                "name it as schema.table; a table that this user may not read is not seen".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            Err(Failure::Usage(format!(
                "error: this user sees no table `{name}`\nhint: {hint}"
            )))
        }
    }
}

/// The draft as a config without what is open, or what is wrong with it.
fn tried(sections: &[Section], url: &str) -> Result<Config, String> {
    let open = draft::open(sections);
    let mut tried = draft::text(sections, "", Form::Tried);
    if open.iter().any(|question| question.contains("customer.email")) {
        tried = tried.replace(
            "\n[ticket]   # alias t\n",
            "\n[ticket]   # alias t\ncustomer.email = \"null::text\"\n",
        );
    }
    let place = |name: &str| {
        Some(match name {
            "DESKIE_CDC_DATABASE_URL" => url.to_owned(),
            "DESKIE_URL" => "https://example.deskie.io".to_owned(),
            "DESKIE_STAFF_EMAIL" => "api@example.com".to_owned(),
            "DESKIE_TICKET_FIELD" => "1".to_owned(),
            "DESKIE_API_KEY" | "DESKIE_WEBHOOK_SECRET" => "not-used-by-init".to_owned(),
            _ => return None,
        })
    };
    Config::parse(Path::new("the draft"), &tried, &place).map_err(|faults| faults.to_string())
}

/// The draft, tried: what it makes of three tickets, and whether a reply comes back as what it is.
async fn review(
    sections: &[Section],
    arguments: &Arguments,
    client: &Client,
    url: &ConnectUrl,
) -> Result<String, Failure> {
    let open = draft::open(sections);
    let mut config = tried(sections, &arguments.url).map_err(|faults| {
        failed(format!(
            "the draft does not load, and nothing is written:\n{faults}\nhint: choose other tables with --ticket and --message, or write the \
             config by hand (docs/mapping.md); this is a fault of `init`, please report it with the tables' definitions"
        ))
    })?;
    let narrowed = path::narrowed(client)
        .await
        .map_err(|error| failed(describe(&error)))?;
    if let Some((path, _)) = &narrowed {
        site::set_path(client, path)
            .await
            .map_err(|error| failed(describe(&error)))?;
        config.capture.session.push(Expr {
            sql: format!("set search_path to {path}"),
            span: 0..0,
            name: "capture.session".to_owned(),
        });
    }
    let mut text = match super::plan::preview(&config, client, SHOWN).await {
        Ok(shown) => format!("\nWhat the draft makes of the newest tickets:\n\n{shown}"),
        Err(error) => format!("\nWhat the draft makes of the newest tickets cannot be shown: {error}\n"),
    };
    let is_writable = !open.iter().any(|question| {
        ["[message]", "[reply"]
            .iter()
            .any(|part| question.starts_with(part))
    });
    text.push_str(match open.is_empty() {
        true => "\nThe draft, tried:\n",
        false => "\nThe draft, tried without the lines that are questions still (without an author each message counts as the customer's):\n",
    });
    for check in setup::try_draft(&config, url, is_writable && config.reply.is_some()).await {
        let word = match check.status {
            Status::Ok => "ok  ",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        text.push_str(&format!("{word}  {}: {}\n", check.name, check.message));
        if let Some(mend) = &check.mend {
            text.push_str(&format!("      mend: {mend}\n"));
        }
    }
    if let Some((_, left_out)) = &narrowed {
        text.push_str(&format!(
            "      tried without what stands in {}: others than its owner may create objects there, which would run with this \
             user's rights. A name that is not found for that reason is found by the site and by the connector: `check` tells\n",
            left_out.join(", ")
        ));
    }
    if !is_writable {
        text.push_str(
            "      a reply was not tried: first the TODO of [message] and [reply] have to be answered\n",
        );
    }
    if !open.is_empty() {
        text.push_str(&format!(
            "\n{} to answer before it is taken:\n",
            if open.len() == 1 {
                "One question".to_owned()
            } else {
                format!("{} questions", open.len())
            }
        ));
        for question in &open {
            text.push_str(&format!("  {question}\n"));
        }
    }
    Ok(text)
}
