//! The console as one HTML page: no script, nothing loaded, readable on a phone.

use std::fmt::Write;

use super::report::{BudgetReport, PARKED_PAGE, Report, bytes, moment, span};
use super::vital::{DeskieState, Snapshot};
use crate::store::Parked;

/// What the page shows.
pub struct Page {
    /// The state in one sentence.
    pub state: String,
    /// What the database says, or why it does not answer.
    pub report: Result<Report, String>,
    /// Why this instance is not ready.
    pub reasons: Vec<String>,
    /// What the running parts say.
    pub vital: Snapshot,
    /// The API's budget.
    pub budget: Option<BudgetReport>,
    /// An admin token is configured.
    pub may_change: bool,
    /// What was just done.
    pub notice: Option<String>,
    /// The page of parked items, from 1.
    pub items_page: u32,
}

const STYLE: &str = "
:root{color-scheme:light dark;--line:#8884;--bad:#c0392b;--good:#1e8449;--warn:#b9770e}
*{box-sizing:border-box}
body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:60rem}
h1{font-size:1.3rem;margin:0 0 .5rem}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{font-weight:500;width:45%}
.state{padding:.6rem .8rem;border-left:.4rem solid var(--good);background:#8881}
.bad{border-color:var(--bad)}.warn{border-color:var(--warn)}
.item{border:1px solid var(--line);border-radius:.4rem;padding:.7rem .8rem;margin:.7rem 0;overflow-wrap:anywhere}
.item p{margin:.3rem 0}form{display:flex;flex-wrap:wrap;gap:.4rem;margin-top:.5rem}
input,button{font:inherit;padding:.35rem .6rem;max-width:100%}
.dim{opacity:.7;font-size:.9rem}code{font-size:.95em}
";

/// The page.
pub fn html(page: &Page) -> String {
    let mut body = String::new();
    let class = match (page.reasons.is_empty(), &page.report, &page.vital.deskie) {
        (false, ..) | (_, Err(_), _) => "state bad",
        (_, Ok(report), DeskieState::Reachable | DeskieState::Unknown) if report.queues.parked == 0 => {
            "state"
        }
        _ => "state warn",
    };
    if let Some(notice) = &page.notice {
        part(&mut body, "<p class=\"state\">", notice, "</p>");
    }
    let _ = write!(
        body,
        "<p class=\"{class}\"><strong>{}</strong>",
        escape(&page.state)
    );
    for reason in &page.reasons {
        part(&mut body, "<br>Not ready: ", reason, "");
    }
    body.push_str("</p>");
    if let Ok(report) = &page.report {
        troubles(&mut body, report);
    }
    running(&mut body, page);
    match &page.report {
        Ok(report) => {
            queues(&mut body, report);
            slot(&mut body, report);
            parked(&mut body, &report.parked, page.may_change);
            turn(&mut body, page.items_page, report.queues.parked);
        }
        Err(error) => part(
            &mut body,
            "<h2>Database</h2><p class=\"state bad\">",
            error,
            "</p>",
        ),
    }
    // A page with forms must not go away while somebody types.
    let has_forms = page.may_change && page.report.as_ref().is_ok_and(|report| !report.parked.is_empty());
    let (refresh, renews) = match has_forms {
        true => ("", ""),
        false => (
            "<meta http-equiv=\"refresh\" content=\"60;url=/\">",
            " The page renews itself each minute.",
        ),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         {refresh}<title>deskie-cdc: {}</title><style>{STYLE}</style></head>\
         <body><h1>deskie-cdc</h1>{body}<p class=\"dim\">Version {}.{renews} \
         <a href=\"/health/ready\">health</a> · <a href=\"/metrics\">metrics</a> · <a href=\"/status\">JSON</a></p>\
         </body></html>\n",
        escape(&page.state),
        env!("CARGO_PKG_VERSION"),
    )
}

/// First what needs a person.
fn troubles(body: &mut String, report: &Report) {
    for trouble in &report.troubles {
        let class = if trouble.needs_a_person {
            "state bad"
        } else {
            "state warn"
        };
        let _ = write!(
            body,
            "<p class=\"{class}\"><strong>{}</strong>",
            trouble.kind.as_str()
        );
        part(body, ": ", &trouble.text, "");
        let _ = write!(
            body,
            " <span class=\"dim\">since {}</span></p>",
            moment(trouble.since)
        );
    }
}

fn running(body: &mut String, page: &Page) {
    let vital = &page.vital;
    let mut rows = vec![("Running since", moment(vital.started_at))];
    rows.push((
        "Role",
        format!("{}, for {}", vital.role.as_str(), span(vital.role_seconds)),
    ));
    let stream = if vital.stream_connected {
        "connected"
    } else {
        "not connected"
    };
    rows.push(("Stream of the site's changes", stream.to_owned()));
    let deskie = match &vital.deskie {
        DeskieState::Unknown => "nothing was asked yet".to_owned(),
        DeskieState::Reachable => "answers".to_owned(),
        DeskieState::Unreachable(why) => format!("does not answer: {why}"),
        DeskieState::KeyRevoked => {
            "refuses the API key, or its employee is not active: put a valid key into the config and restart, or activate \
             him".to_owned()
        }
    };
    rows.push(("Deskie", deskie));
    if let Some(budget) = &page.budget {
        rows.push(("API budget", budget_text(budget)));
    }
    for (flow, idle) in &vital.idle_seconds {
        let name = match flow {
            super::Flow::Capture => "Capture moved",
            super::Flow::Resolve => "Mapping moved",
            super::Flow::Deliver => "Delivery moved",
            super::Flow::Writeback => "Write-back moved",
        };
        rows.push((name, format!("{} ago", span(*idle))));
    }
    let stored = page
        .report
        .as_ref()
        .ok()
        .and_then(|report| report.last_error.clone().zip(report.last_error_at));
    let error = vital.last_error.clone().zip(vital.last_error_at).or(stored);
    rows.push((
        "Last error",
        error.map_or("none".into(), |(error, at)| format!("{error} ({})", moment(at))),
    ));
    table(body, "State", &rows);
}

/// The budget in words.
pub fn budget_text(budget: &BudgetReport) -> String {
    let mut text = format!("{} of {} a minute left", budget.remaining, budget.limit);
    if !budget.limit_known {
        text.push_str(" (assumed: Deskie has not told its limit yet)");
    }
    if let Some(seconds) = budget.paused_seconds {
        let _ = write!(text, "; paused for {} at Deskie's wish", span(seconds));
    }
    if let Some(seconds) = budget.held_seconds {
        let _ = write!(
            text,
            "; others use the quota, too: for {} Deskie's own count binds",
            span(seconds)
        );
    }
    text
}

fn queues(body: &mut String, report: &Report) {
    let queues = &report.queues;
    let oldest = queues
        .oldest_seconds
        .map_or("nothing waits".into(), |seconds| span(seconds.max(0.0)));
    let mut rows = vec![
        ("Oldest waiting", oldest),
        ("Row changes to look at", queues.events.to_string()),
        ("Messages for Deskie", queues.deliveries.to_string()),
        ("of these in doubt", queues.in_doubt.to_string()),
        ("Webhooks to deal with", queues.inbox.to_string()),
        ("Cases to read", queues.reads.to_string()),
        ("Replies for the site", queues.replies.to_string()),
        ("Parked", queues.parked.to_string()),
        ("Tickets with a case", queues.tickets.to_string()),
        ("Messages delivered to Deskie", queues.delivered.to_string()),
        ("Messages written to the site", queues.written.to_string()),
    ];
    let skipped: Vec<String> = report
        .skipped
        .iter()
        .map(|(reason, count)| format!("{count}: {reason}"))
        .collect();
    if !skipped.is_empty() {
        rows.push(("Rows passed over", skipped.join("; ")));
    }
    table(body, "Queues", &rows);
}

fn slot(body: &mut String, report: &Report) {
    let mut rows = Vec::new();
    match &report.slot {
        None => rows.push(("Slot", "not made yet: run deskie-cdc setup".to_owned())),
        Some(slot) if !slot.exists => rows.push(("Slot", format!("{} is not there", slot.name))),
        Some(slot) => {
            let active = if slot.active {
                "in use"
            } else {
                "nobody streams from it"
            };
            rows.push(("Slot", format!("{}, {active}", slot.name)));
            rows.push(("Lag", slot.lag_bytes.map_or("unknown".into(), bytes)));
            rows.push(("WAL held", slot.held_bytes.map_or("unknown".into(), bytes)));
            rows.push((
                "WAL status",
                slot.wal_status.clone().unwrap_or_else(|| "unknown".into()),
            ));
            if let Some(safe) = slot.safe_bytes {
                rows.push(("May still be written before it may be lost", bytes(safe.max(0))));
            }
        }
    }
    let leader = &report.leader;
    let holder = leader.holder.as_deref().unwrap_or("nobody");
    let age = leader.renewed_seconds.map_or("never".into(), |seconds| {
        format!("{} ago", span(seconds.max(0.0)))
    });
    rows.push((
        "Leader",
        format!("{holder}, term {}, renewed {age}", leader.epoch),
    ));
    let positions = &report.positions;
    rows.push((
        "Captured up to",
        positions
            .captured_lsn
            .clone()
            .unwrap_or_else(|| "nothing yet".into()),
    ));
    rows.push((
        "Last captured commit",
        positions.captured_at.map_or("none".into(), moment),
    ));
    rows.push((
        "Cases compared up to",
        positions.swept_to.map_or("not yet".into(), moment),
    ));
    table(body, "Slot and positions", &rows);
}

fn parked(body: &mut String, items: &[Parked], may_change: bool) {
    body.push_str("<h2>Parked</h2>");
    if items.is_empty() {
        body.push_str("<p>Nothing waits for a person.</p>");
        return;
    }
    if !may_change {
        body.push_str(
            "<p class=\"dim\">To retry or discard here, set <code>[server] admin_token</code>; \
             or use <code>deskie-cdc failed</code>.</p>",
        );
    }
    for item in items {
        let ticket = item.ticket.as_deref().unwrap_or("unknown");
        let what = if item.id.starts_with('r') {
            "a reply for the site"
        } else {
            "a message for Deskie"
        };
        let _ = write!(
            body,
            "<div class=\"item\"><strong>{}</strong> ticket {}, {what}<p>{}</p><p class=\"dim\">since {}</p>",
            escape(&item.id),
            escape(ticket),
            escape(&item.error),
            escape(&item.since),
        );
        if may_change {
            let id = escape(&item.id);
            let token = "<input type=\"password\" name=\"token\" placeholder=\"admin token\" \
                         aria-label=\"admin token\" autocomplete=\"current-password\" required>";
            let _ = write!(
                body,
                "<form method=\"post\" action=\"/failed/{id}/retry\">{token}<button>Retry</button></form>\
                 <form method=\"post\" action=\"/failed/{id}/discard\">{token}\
                 <input name=\"reason\" placeholder=\"reason\" aria-label=\"reason\"><button>Discard</button></form>",
            );
        }
        body.push_str("</div>");
    }
}

/// Links to the pages before and behind this one.
fn turn(body: &mut String, page: u32, all: i64) {
    let pages = u32::try_from(all).unwrap_or(u32::MAX).div_ceil(PARKED_PAGE);
    if pages < 2 {
        return;
    }
    let _ = write!(body, "<p>Page {page} of {pages}, {PARKED_PAGE} items each.");
    let places = [
        (page.checked_sub(1).filter(|page| *page > 0), "older"),
        (page.checked_add(1).filter(|page| *page <= pages), "newer"),
    ];
    for (place, word) in places {
        if let Some(place) = place {
            let _ = write!(body, " <a href=\"/?page={place}\">{word}</a>");
        }
    }
    body.push_str("</p>");
}

fn table(body: &mut String, title: &str, rows: &[(&str, String)]) {
    let _ = write!(body, "<h2>{}</h2><table>", escape(title));
    for (name, value) in rows {
        let _ = write!(
            body,
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
            escape(name),
            escape(value)
        );
    }
    body.push_str("</table>");
}

fn part(body: &mut String, before: &str, text: &str, after: &str) {
    body.push_str(before);
    body.push_str(&escape(text));
    body.push_str(after);
}

/// Text that stands between tags or inside `"…"`.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::{Role, Vital};

    #[test]
    fn whatever_is_shown_is_escaped() {
        let evil = "<script>alert(\"1\")</script>'&";
        let vital = Vital::new();
        vital.set_role(Role::Leader);
        vital.set_error(evil);
        vital.set_deskie(DeskieState::Unreachable(evil.into()));
        let mut shown = String::new();
        let item = Parked {
            id: evil.into(),
            ticket: Some(evil.into()),
            error: evil.into(),
            since: evil.into(),
        };
        parked(&mut shown, &[item], true);
        let page = Page {
            state: evil.into(),
            report: Err(evil.into()),
            reasons: vec![evil.into()],
            vital: vital.snapshot(),
            budget: None,
            may_change: true,
            notice: Some(evil.into()),
            items_page: 1,
        };
        shown.push_str(&html(&page));
        assert!(!shown.contains("<script"), "{shown}");
        assert!(!shown.contains("\"1\""), "{shown}");
        assert!(shown.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;"));
    }
}
