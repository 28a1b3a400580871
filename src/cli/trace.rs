//! `trace KEY`: one ticket's story, in time order.

use serde_json::json;

use super::output::{print, print_json, width, wrapped};
use super::{Failure, failed};
use crate::config::Config;
use crate::console::report::span;
use crate::store::{Store, Ticket, Told};
use crate::text;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The site's key of the ticket (of several columns: a JSON array of texts).
    key: String,
    /// What was said, too: as it was sent to Deskie or came from there; it is kept for `retain`.
    #[arg(long)]
    text: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let store = super::store_set_up(config).await?;
    let tickets = store.tickets().of_key(&arguments.key).await.map_err(failed)?;
    let Some(ticket) = tickets.first() else {
        return Err(unknown(&store, &arguments.key).await);
    };
    let story = store
        .tickets()
        .trace(&arguments.key, None, arguments.text)
        .await
        .map_err(failed)?;
    if arguments.json {
        let story: Vec<Told> = story
            .into_iter()
            .map(|told| Told {
                at: moment(&told.at),
                ..told
            })
            .collect();
        return print_json(&json!({
            "ticket": ticket.key,
            "case_id": ticket.case_id,
            "case_number": ticket.case_number,
            "user_id": ticket.user_id,
            "gone": ticket.gone,
            "generations": tickets.len(),
            "story": story,
        }));
    }
    print(&(heading(ticket, tickets.len()) + &lines(&story, width())))
}

fn heading(ticket: &Ticket, generations: usize) -> String {
    let mut text = format!("ticket {}: ", ticket.key);
    match (ticket.case_id, &ticket.case_number) {
        (Some(id), Some(number)) => text.push_str(&format!("case {number} (case_id {id})")),
        (Some(id), None) => text.push_str(&format!("case_id {id}")),
        (None, _) => text.push_str("no case in Deskie yet"),
    }
    if let Some(user) = ticket.user_id {
        text.push_str(&format!(", customer {user}"));
    }
    if ticket.gone {
        text.push_str("; the site deleted its row");
    }
    if generations > 1 {
        text.push_str(&format!(
            "; the site has used this key {generations} times, all are shown"
        ));
    }
    text + "\n"
}

/// In lines of at most `columns` characters, where they have to fit.
fn lines(story: &[Told], columns: Option<usize>) -> String {
    let width = story
        .iter()
        .map(|told| told.what.chars().count())
        .max()
        .unwrap_or_default();
    let line = |told: &Told| {
        let indent = 23 + 2 + width + 2;
        let further = format!("\n{:indent$}", "");
        let mut detail = told.detail.trim_end().to_owned();
        if let Some(who) = &told.who {
            detail.push_str(&format!(", by {who}"));
        }
        if let Some(took) = told.took {
            detail.push_str(&format!(", done after {}", took_text(took)));
        }
        let html = told.html.as_deref().map(|html| text::plain("", html).text);
        if let Some(text) = told.text.as_ref().or(html.as_ref()) {
            let quoted = text.lines().map(|line| format!("\n| {}", line.trim_end()));
            detail.extend(quoted);
        }
        let detail = detail.as_str();
        let detail = match columns {
            Some(columns) => wrapped(detail, columns.saturating_sub(indent)).join(&further),
            None => detail.replace('\n', &further),
        };
        format!("{}  {:width$}  {detail}", moment(&told.at), told.what)
            .trim_end()
            .to_owned()
            + "\n"
    };
    story.iter().map(line).collect()
}

/// To the millisecond below a minute.
fn took_text(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 60.0 => format!("{:.3} s", seconds.max(0.0)),
        seconds => span(seconds),
    }
}

/// To the millisecond, in UTC.
fn moment(at: &str) -> String {
    match at.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        Err(_) => at.to_owned(),
    }
}

async fn unknown(store: &Store, key: &str) -> Failure {
    let near = match store.tickets().near(key).await {
        Ok(near) => near,
        Err(error) => return failed(error),
    };
    let hint = match near.as_slice() {
        [] => format!(
            "the connector has seen nothing of it; `deskie-cdc plan --ticket {key}` shows what the mapping makes of it"
        ),
        [one] => format!("did you mean ticket `{one}`?"),
        many => format!("did you mean one of the tickets {}?", many.join(", ")),
    };
    failed(format!("no ticket `{key}` is known\nhint: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aligned() {
        let told = |at: &str, what: &str, detail: &str| Told {
            at: at.into(),
            kind: crate::store::Chapter::Note,
            what: what.into(),
            detail: detail.into(),
            ..Told::default()
        };
        let story = [
            told("2026-11-22 11:27:29.1+00", "row seen", "ticket 4: delivered"),
            told("2026-11-22 11:27:30.123456+00", "webhook", "a\nb"),
            told("never", "x", ""),
        ];
        assert_eq!(
            lines(&story, None),
            "2026-11-22 11:27:29.100  row seen  ticket 4: delivered\n\
             2026-11-22 11:27:30.123  webhook   a\n                                   b\n\
             never  x\n"
        );
        let said = Told {
            who: Some("agent Deniz".into()),
            took: Some(1.25),
            text: Some("first\nsecond".into()),
            ..told("2026-11-22 11:27:29.1+00", "message", "7: written")
        };
        assert_eq!(
            lines(&[said], None),
            "2026-11-22 11:27:29.100  message  7: written, by agent Deniz, done after 1.250 s\n                                  \
             | first\n                                  | second\n"
        );
        let long = [told("2026-11-22 11:27:29.1+00", "call", &"a word ".repeat(60))];
        let fits = |columns| {
            lines(&long, Some(columns))
                .lines()
                .all(|line| line.chars().count() <= columns)
        };
        assert!(fits(80) && fits(120) && !fits(40));
    }
}
