//! PURE: what a time says of whether the customer sees a row: that it was taken away, let out, or is to be seen from then on.

use super::catalog::Candidate;
use super::columns::{created, dotted};
use super::draft::Value;
use super::visible::Visible;
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// From when, or until when, the row is seen: `publish_at` is, `published_at` is not.
fn is_from(name: &str) -> bool {
    has(name, words::FROM_AT) || words::has_part(name, words::FROM_AT_PART)
}

fn is_out(name: &str) -> bool {
    has(name, words::OUT_AT) && !has(name, words::OF_NOTICE)
}

/// Whether a time by which a message was made says as well that it was sent: where it is NULL, nobody sent it.
pub(super) fn is_draft_without(of: &Candidate, column: &TableColumn) -> bool {
    !column.not_null && of.nulls(&column.name) > 0 && is_out(&column.name)
}

/// How many rows have nothing there.
fn nulls(of: &Candidate, column: &TableColumn) -> String {
    match (column.not_null, of.rows.len()) {
        (true, _) => String::new(),
        (_, 0) => ", or NULL".to_owned(),
        (_, all) => format!(", or NULL: so in {} of {all} rows", of.nulls(&column.name)),
    }
}

/// A column of times.
pub(super) fn time(of: &Candidate, column: &TableColumn, alias: &str, found: &mut Visible) {
    let name = dotted(alias, &column.name);
    let is_made = created(of).is_some_and(|made| made.name == column.name);
    let is_ahead = of.ahead.contains(&column.name);
    let (is_out, is_from) = (is_out(&column.name), is_from(&column.name));
    let is_shown = has(&column.name, words::SHOWN_AT);
    let is_taken = has(&column.name, words::GONE_AT) && !is_from;
    if is_taken {
        if !column.not_null {
            found.conditions.push(format!("{name} is null"));
        }
        return;
    }
    if found.is_ticket {
        of_ticket(of, column, &name, found);
        return;
    }
    if is_made && !is_draft_without(of, column) {
        return;
    }
    let ours = || (column.name.clone(), Value::Sql(":created_at".into()));
    if is_from || is_ahead {
        let what = match is_ahead {
            true => "some lie ahead: is a row to be seen only from then on?",
            false => "is a row to be seen only from then on, or until then?",
        };
        let is_start = is_shown
            || words::has_part(&column.name, "publish from after live")
            || has(&column.name, "schedul visib");
        let is_start = is_start && !words::has_part(&column.name, "until till bis expires expire expiry");
        found.open.push((
            format!(
                "{} (a time{}; {what} One that is skipped for its time is sent only when the site changes its row later)",
                column.name,
                nulls(of, column)
            ),
            is_start.then(|| format!("{name} <= now()")),
        ));
        if is_start {
            found.sets.push(ours());
        }
        return;
    }
    if column.not_null {
        return;
    }
    if is_out || is_shown {
        // That it was published says itself what NULL is; that it was approved may be said of the staff's answers alone.
        let filled = of.values(&column.name).len();
        let is_published = has(&column.name, "publish yayin опубликован veröffentlicht");
        if is_shown && filled > 0 && (filled == of.rows.len() || (is_published && filled * 2 > of.rows.len()))
        {
            found.conditions.push(format!("{name} is not null"));
        } else {
            let is_sure = !has(&column.name, "deliver доставл dostavl zugestell");
            found.open.push((
                format!(
                    "{} (a time{}; is a row without it a draft, or not let out yet?)",
                    column.name,
                    nulls(of, column)
                ),
                is_sure.then(|| format!("{name} is not null")),
            ));
        }
        found.sets.push(ours());
    } else if !has(&column.name, words::OTHER_AT) && !is_created(&column.name) {
        found.open.push((
            format!(
                "{} (a time{}; does it say whether the customer sees it?)",
                column.name,
                nulls(of, column)
            ),
            None,
        ));
    }
}

fn is_created(name: &str) -> bool {
    words::each(words::CREATED).any(|word| words::same(name, word))
}

/// A time of a ticket: what was handed in, or let through, may be a draft before.
fn of_ticket(of: &Candidate, column: &TableColumn, name: &str, found: &mut Visible) {
    let is_shown = has(&column.name, words::SHOWN_AT) || has(&column.name, "submit");
    if column.not_null || (!is_shown && is_created(&column.name)) {
        return;
    }
    if is_shown {
        match of.nulls(&column.name) {
            0 if !of.rows.is_empty() && !of.ahead.contains(&column.name) => {
                found.conditions.push(format!("{name} is not null"));
            }
            _ => found.open.push((
                format!("{} (a time{})", column.name, nulls(of, column)),
                Some(format!("{name} is not null")),
            )),
        }
    } else if !has(&column.name, words::OTHER_AT) {
        found.questions.push(format!(
            "{} may be NULL or a time: does that say whether the customer sees it? Then it belongs into where.",
            column.name
        ));
    }
}

/// A number that is a time, and 0 where there is none: when it was deleted, when it was sent.
pub(super) fn seconds(of: &Candidate, column: &TableColumn, alias: &str, found: &mut Visible) -> bool {
    let values = of.values(&column.name);
    let is_time = |text: &str| {
        text.parse::<i64>()
            .is_ok_and(|seconds| (946_684_800..4_102_444_800).contains(&seconds))
    };
    let times = values.iter().filter(|text| is_time(text)).count();
    let nothing = values.iter().filter(|text| **text == "0").count();
    let name = dotted(alias, &column.name);
    let is_gone = has(&column.name, words::GONE_AT);
    let is_other = has(&column.name, words::OTHER_AT) || has(&column.name, words::HARMLESS);
    let is_out = is_out(&column.name) && !found.is_ticket;
    if column.type_category != 'N'
        || times == 0
        || times + nothing < values.len()
        || (nothing == 0 && of.nulls(&column.name) == 0)
        || !(is_gone || is_out || (!is_other && !found.is_ticket && !is_created(&column.name)))
    {
        return false;
    }
    if is_gone {
        found.conditions.push(format!("coalesce({name}, 0) = 0"));
        return true;
    }
    found.open.push((
        format!("{} (seconds since 1970, or 0)", column.name),
        is_out.then(|| format!("{name} > 0")),
    ));
    if is_out {
        let now = format!(
            "extract(epoch from :created_at::timestamptz)::{}",
            column.type_text
        );
        found.sets.push((column.name.clone(), Value::Sql(now)));
    }
    true
}
