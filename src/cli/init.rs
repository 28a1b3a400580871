//! `init`: looks at a database's catalog and writes a commented draft config, each guess with its reason.
//!
//! It reads the catalog and, for the author of a message, the distinct words of one column; it writes nothing into
//! the database. A guess that cannot be made is a comment, never a silent default.

mod catalog;
mod draft;
mod guess;
mod words;

use std::path::PathBuf;

use super::output::print;
use super::{Failure, failed};
use crate::postgres::{ConnectUrl, SessionOptions, connect};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The site's database, as a libpq URL; any user that may see the tables.
    #[arg(long, value_name = "URL")]
    url: String,
    /// Where the draft goes (default: stdout); a file that is there is left alone.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

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
    let tables = catalog::tables(&client)
        .await
        .map_err(|error| failed(crate::postgres::describe(&error)))?;
    let Some(mut found) = guess::guess(&tables) else {
        return Err(failed(format!(
            "none of the {} tables that this user may read looks like one of tickets\nhint: write the config by hand; \
             `[ticket] table`, `subject`, `body` and `customer` are the beginning",
            tables.len()
        )));
    };
    if let Some(message) = &mut found.message {
        let words = catalog::author_words(&client, message).await;
        message.author = guess::author(message, &found.ticket, &words);
    }
    let text = draft::draft(&found, &url.redacted());
    match &arguments.output {
        None => print(&text),
        Some(path) => {
            // Not between the look above and now, either.
            let file = std::fs::File::options().write(true).create_new(true).open(path);
            let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
            written.map_err(|error| failed(format!("{}: {error}", path.display())))?;
            print(&format!(
                "{} is written: {}\nRead its comments, then: deskie-cdc --config {0} check\n",
                path.display(),
                found.summary()
            ))
        }
    }
}
