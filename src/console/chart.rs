//! The charts: samples as inline SVG, drawn by the server, without a script.

use maud::{Markup, html};

use super::report::bytes;
use super::words::Words;
use crate::store::Sample;

/// What time a chart shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// The last hour, by the minute.
    Hour,
    /// The last day, by ten minutes.
    Day,
}

impl Course {
    /// How many minutes it is of.
    pub fn minutes(self) -> i32 {
        match self {
            Course::Hour => 60,
            Course::Day => 1440,
        }
    }

    /// How many minutes one bar is of.
    pub fn step(self) -> i32 {
        match self {
            Course::Hour => 1,
            Course::Day => 10,
        }
    }
}

/// A drawing's height; its width is that of its bars.
const HEIGHT: f64 = 60.0;
const BAR: f64 = 10.0;

/// All charts; `now` is the end of their time.
pub fn charts(words: &Words, samples: &[Sample], course: Course, now: jiff::Timestamp) -> Markup {
    if samples.is_empty() {
        return html! { p.dim { (words.no_samples) } };
    }
    let number = |value: f64| format!("{value:.0}");
    // Nothing waits, which is not something that waits for a moment.
    let span = |value: f64| {
        if value > 0.0 {
            words.span(value)
        } else {
            number(value)
        }
    };
    let size = |value: f64| bytes(value as i64);
    let limit = samples.iter().filter_map(|sample| sample.budget_limit).max();
    html! {
        div.charts {
            (chart((words, words.sent), samples, course, now, None, &|sample| Some(sample.sent as f64), &number))
            (chart((words, words.written), samples, course, now, None, &|sample| Some(sample.written as f64), &number))
            (chart((words, words.oldest), samples, course, now, None, &|sample| sample.oldest, &span))
            (chart((words, words.lag), samples, course, now, None, &|sample| sample.lag.map(|lag| lag as f64), &size))
            (chart((words, words.budget), samples, course, now, limit.map(f64::from), &|sample| sample.budget_used.map(f64::from), &number))
        }
    }
}

type Value<'a> = &'a dyn Fn(&Sample) -> Option<f64>;

/// One chart: a bar a step; a time without a sample is grey, so that nobody takes it for a zero. `most`: the top of the
/// scale, where there is one.
fn chart(
    (of, title): (&Words, &str),
    samples: &[Sample],
    course: Course,
    now: jiff::Timestamp,
    most: Option<f64>,
    value: Value<'_>,
    words: &dyn Fn(f64) -> String,
) -> Markup {
    let step = i64::from(course.step()) * 60;
    let bars = i64::from(course.minutes() / course.step());
    let end = now.as_second().div_euclid(step) * step;
    let values: Vec<(i64, jiff::Timestamp, f64)> = samples
        .iter()
        .map(|sample| {
            let place = bars - 1 - (end - sample.at.as_second()).div_euclid(step);
            (place, sample.at, value(sample).unwrap_or(0.0).max(0.0))
        })
        .filter(|(place, ..)| (0..bars).contains(place))
        .collect();
    let top = values.iter().map(|(_, _, value)| *value).fold(0.0, f64::max);
    let scale = most.unwrap_or(top).max(top).max(f64::MIN_POSITIVE);
    let width = bars as f64 * BAR;
    let is_known = |place: i64| values.iter().any(|(known, ..)| *known == place);
    let last = values.last().map_or(0.0, |(_, _, value)| *value);
    html! {
        figure {
            figcaption { span { (title) } strong { (words(last)) } }
            svg viewBox=(format!("0 0 {width} {HEIGHT}")) preserveAspectRatio="none" role="img"
                aria-label=(format!("{title}: {}, {} {}", words(last), of.most, words(top))) {
                @for place in (0..bars).filter(|place| !is_known(*place)) {
                    rect.gap x=(place as f64 * BAR) y="0" width=(BAR) height=(HEIGHT) {}
                }
                @for (place, at, value) in &values {
                    @let height = value / scale * (HEIGHT - 2.0);
                    @let height = if *value > 0.0 { height.max(1.5) } else { 0.0 };
                    rect.bar x=(format!("{:.1}", *place as f64 * BAR + 1.0)) y=(format!("{:.1}", HEIGHT - height))
                        width=(BAR - 2.0) height=(format!("{height:.1}")) {
                        title { (at.strftime("%H:%M")) ": " (words(*value)) }
                    }
                }
            }
            div.scale { span { "−" (course.minutes() / 60) " " (of.units[2]) } span { (of.most) " " (words(most.unwrap_or(top).max(top))) } }
        }
    }
}
