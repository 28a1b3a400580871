//! `check`: tests everything beforehand, one line a check.

use super::Failure;
use super::output::{print, print_json, width, wrapped};
use crate::config::Config;
use crate::setup::{self, Check, Status};

/// Where the text of a check begins.
const INDENT: usize = 6;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print a JSON list of {code, name, status, message, mend}; docs/check.md lists the codes.
    #[arg(long)]
    json: bool,
    /// So many of the newest rows of each mapped table pass through the mapping; 0: none.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    rows: u32,
    /// Only read the config, which needs neither database nor Deskie.
    #[arg(long, conflicts_with = "json")]
    config_only: bool,
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.config_only {
        return print("ok    config");
    }
    let checks = Box::pin(setup::check(config, arguments.rows)).await;
    if arguments.json {
        print_json(&checks)?;
    } else {
        print(&text(&checks, width()))?;
    }
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    match (count(Status::Fail), count(Status::Warn)) {
        (0, _) if arguments.json => Ok(()),
        (0, warned) => {
            eprintln!("nothing failed, {warned} warned; `deskie-cdc plan` shows what would be sent");
            Ok(())
        }
        (failed, _) if arguments.json => Err(Failure::Failed(if failed > 0 {
            String::new()
        } else {
            "error".into()
        })),
        (failed, warned) => Err(Failure::Failed(format!("{failed} failed, {warned} warned"))),
    }
}

/// One line a check; on a terminal of so many columns as many as it takes, the further ones indented.
fn text(checks: &[Check], width: Option<usize>) -> String {
    let mut text = String::new();
    for check in checks {
        let word = match check.status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        let found = format!("{}: {}", check.name, check.message);
        let mend = check.mend.as_ref().map(|mend| format!("mend: {mend}"));
        for (mark, told) in std::iter::once((word, found)).chain(mend.map(|mend| ("", mend))) {
            let lines = match width {
                Some(width) => {
                    // Further lines of its own are indented already.
                    let told = told.replace(&format!("\n{:INDENT$}", ""), "\n");
                    wrapped(&told, width.saturating_sub(INDENT))
                }
                None => vec![told],
            };
            let marks = std::iter::once(mark).chain(std::iter::repeat(""));
            for (mark, line) in marks.zip(lines) {
                text.push_str(&format!("{mark:INDENT$}{line}\n"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_below_itself_on_a_terminal_and_is_whole_elsewhere() {
        let checks = [Check {
            code: "rights".into(),
            name: "rights".into(),
            status: Status::Fail,
            message: "deskie_cdc lacks INSERT on public.messages".into(),
            mend: Some("grant insert on public.messages to deskie_cdc".into()),
        }];
        let whole = "FAIL  rights: deskie_cdc lacks INSERT on public.messages\n      mend: grant insert on public.messages to deskie_cdc\n";
        assert_eq!(text(&checks, None), whole);
        assert_eq!(text(&checks, Some(80)), whole);
        assert_eq!(
            text(&checks, Some(40)),
            "FAIL  rights: deskie_cdc lacks INSERT on\n      public.messages\n      mend: grant insert on\n      public.messages to deskie_cdc\n"
        );
    }
}
