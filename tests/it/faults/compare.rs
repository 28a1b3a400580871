//! Site, simulator's books and link tables side by side.
//!
//! What the site's people write begins with `S<n>;`, what is written in Deskie with `D<n>;`: the token is what is
//! compared, so that a text may be edited on its way.

use std::collections::{HashMap, HashSet};

use deskie_cdc_sandbox::simulator::{Books, CaseRecord};

use crate::support::{Stage, says};

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Found {
    /// Messages of the site that stand in Deskie.
    pub to_deskie: usize,
    /// Messages of Deskie that stand on the site.
    pub to_site: usize,
    /// What stands on one side only.
    pub lost: Vec<String>,
    /// What stands twice.
    pub doubled: Vec<String>,
    /// What comes after something that came later on the other side.
    pub disordered: Vec<String>,
    /// What else is wrong in the link tables.
    pub wrong: Vec<String>,
}

impl Found {
    /// Nothing is wrong.
    pub fn is_well(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.disordered.is_empty() && self.wrong.is_empty()
    }
}

fn token(text: &str) -> Option<String> {
    let text = text.trim_start_matches("<p>").trim();
    let (token, _) = text.split_once(';')?;
    let is_token = token.starts_with(['S', 'D']) && token[1..].bytes().all(|byte| byte.is_ascii_digit());
    is_token.then(|| token.to_owned())
}

fn tokens<'a>(texts: impl IntoIterator<Item = &'a str>, side: char) -> Vec<String> {
    texts
        .into_iter()
        .filter_map(token)
        .filter(|token| token.starts_with(side))
        .collect()
}

/// What a comparison lets pass.
#[derive(Debug, Clone, Default)]
pub struct LetPass {
    /// Tokens of texts that may have arrived or not: the site deleted them again.
    pub optional: HashSet<String>,
    /// Those that may have been overtaken: Deskie did not show them for a while.
    pub late: HashSet<String>,
    /// Things may be parked.
    pub parked: bool,
}

/// One ticket's direction: what was said, and what has arrived.
fn side_by_side(found: &mut Found, ticket: i64, said: &[String], arrived: &[String], pass: &LetPass) {
    let optional = &pass.optional;
    let places: HashMap<&String, usize> = said.iter().enumerate().map(|(n, text)| (text, n)).collect();
    let mut seen = HashSet::new();
    let mut last = None;
    for text in arrived {
        if !seen.insert(text) {
            found.doubled.push(format!("ticket {ticket}: {text}"));
        }
        match places.get(text) {
            None if optional.contains(text) => {}
            None => found
                .lost
                .push(format!("ticket {ticket}: {text} stands on the other side only")),
            Some(_) if pass.late.contains(text) => {}
            Some(place) if last.is_some_and(|last| last > *place) => {
                found.disordered.push(format!(
                    "ticket {ticket}: {text} in {arrived:?}, said as {said:?}"
                ));
            }
            Some(place) => last = Some(*place),
        }
    }
    for text in said {
        if !seen.contains(text) && !optional.contains(text) {
            found.lost.push(format!(
                "ticket {ticket}: {text} of {said:?}, arrived {arrived:?}"
            ));
        }
    }
}

/// Compares these tickets; `optional`: texts that the site deleted again, which may have been sent or not.
pub async fn compare(stage: &Stage, books: &Books, tickets: &[i64], optional: &HashSet<String>) -> Found {
    let pass = LetPass {
        optional: optional.clone(),
        ..LetPass::default()
    };
    compare_but(stage, books, tickets, &pass).await
}

/// The same, where more may be so.
pub async fn compare_but(stage: &Stage, books: &Books, tickets: &[i64], pass: &LetPass) -> Found {
    let mut found = Found::default();
    for ticket in tickets {
        let cases: Vec<&CaseRecord> = books.cases_with_field(25, &ticket.to_string());
        let born = stage
            .query(
                "select case_id from deskie_cdc.ticket where key = $1",
                &[&ticket.to_string()],
            )
            .await;
        let case = match (
            cases.as_slice(),
            born.first().map(|row| row.get::<_, Option<i64>>(0)),
        ) {
            ([case], _) => *case,
            ([], Some(Some(case))) => match books.cases.iter().find(|known| known.case_id.0 == case) {
                Some(case) => case,
                None => {
                    found
                        .wrong
                        .push(format!("ticket {ticket}: its case {case} is not in Deskie"));
                    continue;
                }
            },
            ([], _) => {
                found.lost.push(format!("ticket {ticket} has no case"));
                continue;
            }
            (cases, _) => {
                found
                    .doubled
                    .push(format!("ticket {ticket} has {} cases", cases.len()));
                continue;
            }
        };
        let conversation = case.conversation();
        let in_deskie = |side| tokens(conversation.iter().map(|message| says(message)), side);
        let sql = "select body from tickets where id = $1";
        let mut on_site: Vec<String> = stage
            .query(sql, &[ticket])
            .await
            .iter()
            .map(|row| row.get(0))
            .collect();
        let rows = stage.query(IN_ORDER, &[ticket]).await;
        on_site.extend(rows.iter().map(|row| row.get::<_, String>(0)));
        let on_site = |side| tokens(on_site.iter().map(String::as_str), side);
        side_by_side(&mut found, *ticket, &on_site('S'), &in_deskie('S'), pass);
        side_by_side(&mut found, *ticket, &in_deskie('D'), &on_site('D'), pass);
        found.to_deskie += in_deskie('S').len();
        found.to_site += on_site('D').len();
    }
    let over = NOT_OVER.iter().filter(|_| !pass.parked);
    for (what, sql) in LINK_TABLES.iter().chain(over) {
        let count = stage.count(sql).await;
        if count != 0 {
            found.wrong.push(format!("{count} {what}"));
        }
    }
    found
}

/// The texts of a ticket as they were written, where the table knows that better than by its key.
const IN_ORDER: &str =
    "select body from messages m where ticket_id = $1 order by (to_jsonb(m)->>'written')::int8, id";

/// What must not be there once everything is settled.
const LINK_TABLES: [(&str, &str); 4] = [
    ("row changes wait", "select count(*) from deskie_cdc.event"),
    (
        "written replies have no row, or share it",
        "select count(*) from (select 1 from deskie_cdc.remote r left join messages m on m.id::text = r.row_key
             where r.state = 'written' and r.reason is null
             group by r.row_key having count(m.id) <> 1) wrong",
    ),
    (
        "written replies have no link",
        "select count(*) from deskie_cdc.remote r where r.state = 'written' and r.reason is null
            and not exists (select from deskie_cdc.link l
                            where l.section = 'message' and l.key = r.row_key and l.state = 'written')",
    ),
    (
        "sent messages are linked to no message of ours",
        "select count(*) from deskie_cdc.delivery d where d.state = 'delivered' and d.act = 'message'
            and d.call = 'add_message' and not exists
                (select from deskie_cdc.remote r where r.message_id = d.message_id and r.state = 'ours')",
    ),
];

/// What must be there only where things may be parked.
const NOT_OVER: [(&str, &str); 2] = [
    (
        "deliveries are not over",
        "select count(*) from deskie_cdc.delivery where state not in ('delivered', 'skipped', 'discarded')",
    ),
    (
        "messages of Deskie are not over",
        "select count(*) from deskie_cdc.remote where state in ('pending', 'parked')",
    ),
];
