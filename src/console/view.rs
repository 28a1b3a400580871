//! What stands on the pages.

use maud::{Markup, html};

use super::chart::{Course, charts};
use super::page::{Viewer, time, time_of};
use super::report::{BudgetReport, PARKED_PAGE, Report, budget_text, bytes};
use super::vital::{DeskieState, Snapshot};
use super::words::{Words, fill};
use crate::model::TroubleKind;
use crate::store::{AuditLine, ItemKind, Parked, Sample, Trouble, Via, Way};

/// What the overview shows.
pub struct Overview<'a> {
    /// What the database says, or why it does not answer.
    pub report: Result<&'a Report, &'a str>,
    /// Why this instance is not ready.
    pub reasons: &'a [String],
    /// What the running parts say.
    pub vital: &'a Snapshot,
    /// The API's budget.
    pub budget: Option<&'a BudgetReport>,
    /// For the charts.
    pub samples: &'a [Sample],
    /// Which time they are of.
    pub course: Course,
    pub now: jiff::Timestamp,
}

/// First what needs a person, then how it goes, then everything else.
pub fn overview(viewer: &Viewer, page: &Overview<'_>) -> Markup {
    let words = viewer.words();
    html! {
        (attention(words, page))
        @if let Ok(report) = page.report { (ways(viewer, report)) }
        section {
            div.head {
                h2 { (words.charts) }
                div.tabs {
                    @for (course, address, name) in [(Course::Hour, "/", words.hour), (Course::Day, "/?course=day", words.day)] {
                        a href=(address) aria-current=[(course == page.course).then_some("true")] { (name) }
                    }
                }
            }
            (charts(words, page.samples, page.course, page.now))
        }
        (facts(words, page))
    }
}

fn attention(words: &Words, page: &Overview<'_>) -> Markup {
    let mut troubles = page
        .report
        .map_or_else(|_| Vec::new(), |report| report.troubles.clone());
    troubles.extend(unnoted(page, &troubles));
    let (yours, others): (Vec<&Trouble>, Vec<&Trouble>) =
        troubles.iter().partition(|trouble| trouble.needs_a_person);
    let parked = page.report.map_or(0, |report| report.queues.parked);
    let is_well = yours.is_empty() && page.reasons.is_empty() && page.report.is_ok();
    html! {
        section {
            @if let Err(why) = page.report {
                article.card.bad { h3 { (words.database_away) } p lang="en" { (why) } }
            }
            @if !yours.is_empty() { h1 { (words.needs_you) } }
            (first(yours.len()))
            @for trouble in yours.iter().take(SHOWN) { (card(words, trouble, parked, "bad")) }
            @if !page.reasons.is_empty() && page.report.is_ok() {
                article.card.warn {
                    h3 { (words.not_ready) }
                    @for reason in page.reasons { p lang="en" { (reason) } }
                }
            }
            @if is_well && others.is_empty() { article.card.good { h1 { (words.all_well) } p { (words.all_well_text) } } }
            @else if is_well { h1 { (words.all_well_text) } }
            @if !others.is_empty() { h2 { (words.by_itself) } }
            (first(others.len()))
            @for trouble in others.iter().take(SHOWN) { (card(words, trouble, parked, "warn")) }
        }
    }
}

/// What this process knows of Deskie, where nobody has noted it yet: that is done once a minute.
fn unnoted(page: &Overview<'_>, noted: &[Trouble]) -> Option<Trouble> {
    let (kind, text) = match &page.vital.deskie {
        DeskieState::Unknown | DeskieState::Reachable => return None,
        DeskieState::Unreachable(why) => (TroubleKind::DeskieUnreachable, why.clone()),
        DeskieState::KeyRevoked => (TroubleKind::KeyRevoked, String::new()),
    };
    let is_noted = noted.iter().any(|trouble| trouble.kind == kind);
    (!is_noted).then(|| Trouble {
        kind,
        subject: String::new(),
        text,
        since: page.now,
        seen_at: page.now,
        count: 1,
        ended_at: None,
        needs_a_person: kind.needs_a_person(),
    })
}

/// So many troubles are shown of each sort, and so much of what the program says of one.
const SHOWN: usize = 50;
const SAID: usize = 1500;

/// How many there are, where not all are shown.
fn first(all: usize) -> Markup {
    html! { @if all > SHOWN { p.dim { (SHOWN) " / " (all) } } }
}

/// A trouble in words, with the one thing to do; the program's own words below.
/// `parked`: how many items wait, which is told with their trouble.
fn card(words: &Words, trouble: &Trouble, parked: i64, class: &str) -> Markup {
    let (title, to_do) = (words.trouble)(trouble.kind);
    let way = Way::of_word(&trouble.subject).filter(|_| trouble.kind == TroubleKind::Paused);
    let lasts = trouble.ended_at.is_none();
    let is_parked = lasts && trouble.kind == TroubleKind::Parked;
    let subject = match way {
        Some(way) => words.way(way).to_owned(),
        None if is_parked => parked.to_string(),
        None => trouble.subject.clone(),
    };
    html! {
        article class={ "card " (class) } {
            h3 { (title) @if !subject.is_empty() { ": " span.subject { (subject) } } }
            @if lasts {
                p { b { (words.what_to_do) ":" } " " (to_do) @if is_parked { " " a.button href="/failed" { (words.look) } } }
            }
            p.dim { (words.since) " " (time(trouble.since)) @if let Some(ended) = trouble.ended_at { ", " (words.until) " " (time(ended)) } }
            // What to do leads on to the details, where they are more than a number.
            @let is_open = lasts && trouble.needs_a_person && !is_parked;
            details id=(format!("t-{}-{}", trouble.kind.as_str(), trouble.subject)) open[is_open] {
                summary { (words.details) }
                p lang="en" { (trouble.text.chars().take(SAID).collect::<String>()) }
            }
        }
    }
}

/// Both directions: how much waits, and where one may, the button that pauses or resumes it.
fn ways(viewer: &Viewer, report: &Report) -> Markup {
    let words = viewer.words();
    let queues = &report.queues;
    let oldest = queues.oldest_seconds.map(|seconds| words.span(seconds.max(0.0)));
    let ways = [
        (
            Way::ToDeskie,
            queues.events + queues.deliveries,
            queues.delivered,
            words.totals[1],
        ),
        (
            Way::ToSite,
            queues.inbox + queues.reads + queues.replies,
            queues.written,
            words.totals[2],
        ),
    ];
    html! {
        section {
            h2 { (words.ways) }
            div.ways {
                @for (way, waiting, done, what) in ways {
                    @let paused = report.paused.iter().find(|paused| paused.way == way);
                    article.card {
                        h3 { (words.way(way)) }
                        @if let Some(paused) = paused { p { b.paused { (words.is_paused) } " " (words.since) " " (time(paused.since)) } }
                        p.big { (waiting) " " small { (words.waiting) } }
                        p.dim { (what) ": " (done) }
                        @if viewer.session.is_some() {
                            @let (act, name) = if paused.is_some() { ("resume", words.resume) } else { ("pause", words.pause) };
                            form method="post" action=(format!("/{act}/{}", way.as_str())) { (viewer.csrf()) button { (name) } }
                        }
                    }
                }
                article.card {
                    h3 { (words.oldest) }
                    p.big { (oldest.unwrap_or_else(|| words.nothing_waits.to_owned())) }
                }
            }
        }
    }
}

fn facts(words: &Words, page: &Overview<'_>) -> Markup {
    let vital = page.vital;
    let (state, why) = match &vital.deskie {
        DeskieState::Unknown => (0, ""),
        DeskieState::Reachable => (1, ""),
        DeskieState::Unreachable(why) => (2, why.as_str()),
        DeskieState::KeyRevoked => (3, ""),
    };
    let text = |text: &str| html! { (text) };
    let mut rows = vec![
        (words.role, text((words.roles)(vital.role))),
        (words.running_since, time(vital.started_at)),
        (
            words.stream,
            text(words.connected[usize::from(vital.stream_connected)]),
        ),
        (
            words.deskie,
            html! { (words.deskie_states[state]) @if !why.is_empty() { ": " span lang="en" { (why) } } },
        ),
    ];
    if let Some(budget) = page.budget {
        rows.push((words.budget, html! { span lang="en" { (budget_text(budget)) } }));
    }
    if let Ok(report) = page.report {
        rows.extend(reported(words, report));
    }
    html! {
        section {
            details #state {
                summary { h2 { (words.state) } }
                table { tbody { @for (name, value) in rows { tr { th scope="row" { (name) } td { (value) } } } } }
                p.dim { a href="/health/ready" { "health" } " · " a href="/metrics" { "metrics" } " · " a href="/status" { "JSON" } }
            }
        }
    }
}

fn reported<'a>(words: &'a Words, report: &Report) -> Vec<(&'a str, Markup)> {
    let text = |text: String| html! { (text) };
    let mut rows = Vec::new();
    match report.slot.as_ref().filter(|slot| slot.exists) {
        Some(slot) => {
            rows.push((words.slot, text(slot.name.clone())));
            let status = slot.wal_status.clone().unwrap_or_default();
            let held = slot.held_bytes.map_or_else(|| words.unknown.to_owned(), bytes);
            rows.push((words.wal_held, text(format!("{held} {status}"))));
            rows.push((
                words.lag,
                text(slot.lag_bytes.map_or_else(|| words.unknown.to_owned(), bytes)),
            ));
        }
        None => {
            let name = report
                .slot
                .as_ref()
                .map(|slot| slot.name.clone())
                .unwrap_or_default();
            rows.push((words.slot, text(format!("{name} {}", words.slot_away))));
        }
    }
    let leader = &report.leader;
    let holder = leader.holder.clone().filter(|_| leader.alive);
    rows.push((
        words.leader,
        text(holder.unwrap_or_else(|| words.nobody.to_owned())),
    ));
    let at = |at: Option<jiff::Timestamp>| at.map_or_else(|| text(words.none.to_owned()), time);
    rows.push((words.captured, at(report.positions.captured_at)));
    rows.push((words.compared, at(report.positions.swept_to)));
    if let Some(repair) = &report.repair {
        rows.push((words.repair, html! { span lang="en" { (repair) } }));
    }
    let queues = &report.queues;
    let counts = [
        queues.events,
        queues.deliveries,
        queues.in_doubt,
        queues.inbox,
        queues.reads,
        queues.replies,
        queues.parked,
    ];
    rows.extend(
        words
            .queues
            .into_iter()
            .zip(counts.map(|count| text(count.to_string()))),
    );
    let totals = [queues.tickets, queues.delivered, queues.written];
    rows.extend(
        words
            .totals
            .into_iter()
            .zip(totals.map(|count| text(count.to_string()))),
    );
    if !report.skipped.is_empty() {
        let skipped = html! { @for (reason, count) in report.skipped.iter().take(SHOWN) { div { (count) ": " span lang="en" { (reason) } } } };
        rows.push((words.passed_over, skipped));
    }
    rows
}

/// Where one may act: the buttons for one item, or for all of a kind.
pub fn actions(viewer: &Viewer, target: &str, labels: [&str; 2]) -> Markup {
    let words = viewer.words();
    html! {
        @if viewer.session.is_some() {
            div.actions {
                form method="post" action=(format!("/failed/{target}/retry")) { (viewer.csrf()) button.primary { (labels[0]) } }
                details.confirm id=(format!("discard-{target}")) {
                    summary.button { (labels[1]) }
                    form method="post" action=(format!("/failed/{target}/discard")) {
                        (viewer.csrf())
                        p { (words.discard_sure) }
                        label { (words.reason) input name="reason" maxlength="500"; }
                        button.danger { (words.discard_yes) }
                    }
                }
            }
        }
    }
}

/// Why nothing can be changed here, if so.
pub fn how_to_change(viewer: &Viewer) -> Markup {
    let words = viewer.words();
    html! {
        @match (&viewer.session, viewer.can_log_in) {
            (Some(_), _) => {}
            (None, true) => p.dim { a href="/login" { (words.to_change) } },
            (None, false) => p.dim { (words.no_token) },
        }
    }
}

/// A page of items: of a kind, or of all.
pub fn items(
    viewer: &Viewer,
    counts: &[(ItemKind, i64)],
    kind: Option<ItemKind>,
    page: u32,
    items: &[Parked],
) -> Markup {
    let words = viewer.words();
    let all: i64 = counts.iter().map(|(_, count)| count).sum();
    let here = kind.map_or(all, |kind| {
        counts
            .iter()
            .find(|(known, _)| *known == kind)
            .map_or(0, |(_, count)| *count)
    });
    let pages = u32::try_from(here)
        .unwrap_or(u32::MAX)
        .div_ceil(PARKED_PAGE)
        .max(1);
    let address = |page: u32| match kind {
        Some(kind) => format!("/failed?kind={}&page={page}", kind.letter()),
        None => format!("/failed?page={page}"),
    };
    html! {
        h1 { (words.items) }
        (how_to_change(viewer))
        @if all == 0 { article.card.good { p { (words.nothing_parked) } } } @else {
            div.tabs {
                a href="/failed" aria-current=[kind.is_none().then_some("true")] { (words.all_kinds) " " b.count { (all) } }
                @for (known, count) in counts {
                    a href=(format!("/failed?kind={}", known.letter())) aria-current=[(kind == Some(*known)).then_some("true")] {
                        ((words.kind)(*known)) " " b.count { (count) }
                    }
                }
            }
            @if let Some(kind) = kind { (actions(viewer, kind.letter(), [words.retry_all, words.discard_all])) }
            ul.items { @for item in items { (listed(viewer, item)) } }
            @if pages > 1 {
                nav.pages {
                    @if page > 1 { a rel="prev" href=(address(page - 1)) { "← " (words.newer) } }
                    span { (fill(words.page_of, &[&page.to_string(), &pages.to_string()])) }
                    @if page < pages { a rel="next" href=(address(page + 1)) { (words.older) " →" } }
                }
            }
        }
    }
}

/// So many characters of a reason stand in the list.
const WHY: usize = 300;

/// One item of a list.
pub fn listed(viewer: &Viewer, item: &Parked) -> Markup {
    let words = viewer.words();
    let kind = (words.kind)(item.id.kind);
    let why: String = item.error.chars().take(WHY).collect();
    let rest = if item.error.chars().nth(WHY).is_some() {
        "…"
    } else {
        ""
    };
    html! {
        li {
            a.item href=(format!("/failed/{}", item.id)) {
                b { (item.id) } " " (kind) " · " (words.ticket) " " b { (item.ticket.as_deref().unwrap_or(words.unknown)) }
            }
            p lang="en" { (why) (rest) }
            p.dim { (words.since) " " (time_of(&item.since)) }
        }
    }
}

/// Troubles, those that last and those that are over.
pub fn troubles(viewer: &Viewer, now: &[Trouble], past: &[Trouble], parked: i64) -> Markup {
    let words = viewer.words();
    html! {
        h1 { (words.troubles) }
        @for (title, troubles) in [(words.now, now), (words.past, past)] {
            section {
                h2 { (title) }
                @if troubles.is_empty() { p.dim { (words.none) } }
                (first(troubles.len()))
                @for trouble in troubles.iter().take(SHOWN) {
                    (card(words, trouble, parked, match (trouble.ended_at, trouble.needs_a_person) {
                        (Some(_), _) => "over",
                        (None, true) => "bad",
                        (None, false) => "warn",
                    }))
                }
            }
        }
    }
}

/// Who did what; only for somebody who is logged in.
pub fn log(viewer: &Viewer, lines: &[AuditLine]) -> Markup {
    let words = viewer.words();
    html! {
        h1 { (words.log) }
        @if viewer.session.is_none() { (how_to_change(viewer)) }
        @else if lines.is_empty() { p.dim { (words.nobody_acted) } }
        @else {
            table.log {
                thead { tr { @for name in [words.when, words.who, words.did, words.reason] { th scope="col" { (name) } } } }
                tbody { @for line in lines {
                    tr {
                        td { (time(line.at)) }
                        td { @match (line.who.as_str(), line.via) {
                            ("", Via::Program) => (words.program),
                            ("", Via::Command) => (words.command),
                            ("", Via::Console) => (words.unknown),
                            (who, _) => (who),
                        } }
                        td {
                            @if !line.target.is_empty() { (what(words, &line.target)) @if line.count > 1 { " (" (line.count) ")" } ": " }
                            ((words.done)(line.done))
                        }
                        td { (line.reason) }
                    }
                } }
            }
        }
    }
}

fn what<'a>(words: &Words, target: &'a str) -> &'a str {
    match (ItemKind::of_letter(target), Way::of_word(target)) {
        (Some(kind), _) => (words.kind)(kind),
        (None, Some(way)) => words.way(way),
        (None, None) => target,
    }
}

/// The form to log in.
pub fn log_in(viewer: &Viewer, fault: Option<&str>) -> Markup {
    let words = viewer.words();
    html! {
        h1 { (words.log_in) }
        @if !viewer.can_log_in { p { (words.no_token) } } @else {
            @if let Some(fault) = fault { p.notice.bad role="alert" { (fault) } }
            form.log-in method="post" action="/login" {
                label { (words.your_name) input name="name" autocomplete="username" maxlength="60"; }
                label { (words.token) input name="token" type="password" autocomplete="current-password" required; }
                button.primary { (words.log_in) }
                p.dim { (words.log_in_text) }
            }
        }
    }
}
