//! What holds for every row, whatever the mapping gave.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::config::AgentAs;
use crate::model::{Kind, TicketKey};
use crate::text;

const SAMPLE: &str = include_str!("../../sql/sample_site.toml");

fn config(agent_as: AgentAs) -> Config {
    let env = |name: &str| match name {
        "DESKIE_CDC_DATABASE_URL" => Some("postgres://site@127.0.0.1/site".to_owned()),
        "DESKIE_URL" => Some("http://127.0.0.1:9".to_owned()),
        _ => None,
    };
    let mut config = Config::parse(Path::new("deskie-cdc.toml"), SAMPLE, &env).unwrap();
    config.message.as_mut().unwrap().agent_as = agent_as;
    config
}

const NOW: f64 = 1_800_000_000.0;

fn times(ages: bool) -> Times {
    Times {
        clock: RowClock::Right,
        ticket_clock: RowClock::Right,
        committed_at: NOW as i64,
        now: NOW,
        ages,
    }
}

fn body_as_sent(config: &Config, section: Section, outputs: &Outputs) -> Parts {
    body_of(section, outputs).map_or_else(Parts::default, |(body, format)| {
        text::parts(body, format, limits(config))
    })
}

fn cell() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        2 => Just(None),
        4 => Just(Some("true".to_owned())),
        1 => prop::sample::select(vec![
            "false", "customer", "agent", "skip", "robot", " ", "text", "html", "markdown", "open", "garbage",
            "1799999999", "1700000000", "infinity", "0", "[7, \"8\", \"x\"]", "{\"cf_1\": \"a\", \"cf_2\": null}",
        ]).prop_map(|word| Some(word.to_owned())),
        1 => ".{0,20}".prop_map(Some),
    ]
}

fn outputs(count: usize) -> impl Strategy<Value = Outputs> {
    prop_oneof![
        8 => prop::collection::vec(cell(), count).prop_map(Outputs::Row),
        1 => Just(Outputs::NoRow),
        1 => Just(Outputs::SeveralRows),
        1 => Just(Outputs::Refused("22012".to_owned())),
    ]
}

/// A message's outputs, of which many are such as go to Deskie.
fn message_outputs() -> impl Strategy<Value = Outputs> {
    let author = prop_oneof![Just("customer"), Just("agent"), Just("skip"), Just("robot")];
    let plain = (author, any::<bool>(), "[a-z ]{0,8}").prop_map(|(author, holds, body)| {
        let cells = [
            "true",
            if holds { "true" } else { "false" },
            author,
            &body,
            "text",
            "1799999999",
        ];
        Outputs::Row(cells.iter().map(|cell| Some((*cell).to_owned())).collect())
    });
    prop_oneof![plain, outputs(6)]
}

proptest! {
    /// A ticket that `where` leaves out is never for Deskie, and one that goes has one identity and a word that Deskie
    /// knows.
    #[test]
    fn a_ticket_that_goes_is_one_that_deskie_can_take(outputs in outputs(16), ages in any::<bool>()) {
        let key = TicketKey("7".to_owned());
        let config = config(AgentAs::Note);
        let mut row = TicketRow { key: &key, outputs: &outputs, times: times(ages), body: None };
        let body = body_as_sent(&config, Section::Ticket, &outputs);
        let found = ticket(&config, &row).unwrap_or_else(|need| {
            assert_eq!(need, Need::Body);
            row.body = Some(&body);
            ticket(&config, &row).unwrap()
        });
        let holds = matches!(&outputs, Outputs::Row(row) if row[0].as_deref() == Some("true"));
        if let Outputs::Row(_) = outputs {
            prop_assert_eq!(matches!(found, Ruling::NotNow(_)), !holds);
        }
        prop_assert!(ages || !matches!(found, Ruling::Never(_)), "a dry run knows no age");
        if let Ruling::Ready(ready) = found {
            let opening = ready.opening.unwrap();
            let identities = [opening.email.is_some(), opening.phone.is_some(), opening.custom_id.is_some()];
            prop_assert_eq!(identities.iter().filter(|there| **there).count(), 1);
            prop_assert!(opening.status.is_none_or(|word| ["open", "waiting", "closed"].contains(&word.as_str())));
            prop_assert!(!opening.subject.trim().is_empty() && !ready.bodies.is_empty());
        }
    }

    /// What was not asked for does not matter (rule 22), and what is asked for is asked for once.
    #[test]
    fn what_is_not_needed_never_decides(
        outputs in message_outputs(),
        opening in self::outputs(16),
        other in self::outputs(16),
        has_case in any::<bool>(),
        exists in any::<bool>(),
        ignore in any::<bool>(),
    ) {
        let config = config(if ignore { AgentAs::Ignore } else { AgentAs::Note });
        let ticket = TicketKey("7".to_owned());
        let mut row = MessageRow {
            outputs: &outputs,
            ticket: &ticket,
            has_case,
            times: times(true),
            files: None,
            ticket_outputs: None,
            ticket_exists: None,
            body: None,
        };
        let body = body_as_sent(&config, Section::Message, &outputs);
        let mut asked = Vec::new();
        let found = loop {
            let need = match message(&config, &row) {
                Ok(found) => break found,
                Err(need) => need,
            };
            prop_assert!(!asked.contains(&need), "{need:?} was given");
            asked.push(need);
            match need {
                Need::Files => row.files = Some(&[]),
                Need::Ticket => row.ticket_outputs = Some(&opening),
                Need::TicketExists => row.ticket_exists = Some(exists),
                Need::Body => row.body = Some(&body),
            }
        };
        let another = text::parts("something else", BodyFormat::Text, limits(&config));
        let surplus = MessageRow {
            files: row.files.or(Some(&["a.pdf"])),
            ticket_outputs: row.ticket_outputs.or(Some(&other)),
            ticket_exists: row.ticket_exists.or(Some(!exists)),
            body: row.body.or(Some(&another)),
            ..row
        };
        prop_assert_eq!(message(&config, &surplus), Ok(found.clone()));
        if let Ruling::Ready(ready) = found {
            prop_assert_eq!(ready.opening.is_some(), !has_case && ready.author == Kind::Customer);
            prop_assert!(!(ignore && ready.author == Kind::Agent));
        }
    }
}

#[test]
fn what_is_no_word_and_no_number_of_deskies_is_not_sent() {
    let mut cells: Vec<Option<String>> = vec![None; 16];
    for (place, text) in [
        (0, "true"),
        (2, "  hello  "),
        (4, "garbage"),
        (7, "a@example.com"),
        (12, "[\"7\", \"x\", 9]"),
    ] {
        cells[place] = Some(text.to_owned());
    }
    let key = TicketKey("7".to_owned());
    let outputs = Outputs::Row(cells);
    let config = config(AgentAs::Note);
    let body = body_as_sent(&config, Section::Ticket, &outputs);
    let found = ticket(
        &config,
        &TicketRow {
            key: &key,
            outputs: &outputs,
            times: times(true),
            body: Some(&body),
        },
    );
    let Ok(Ruling::Ready(ready)) = found else {
        panic!("{found:?}");
    };
    let opening = ready.opening.unwrap();
    assert_eq!((opening.status, opening.labels), (None, vec![7, 9]));
    assert_eq!(opening.subject, "#7");
    assert_eq!(ready.bodies[0].text, "  hello  ");
}
