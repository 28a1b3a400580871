//! The metrics as Prometheus reads them: counters of the running parts, and gauges read from the store at the scrape.

use std::fmt::Write;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use super::report::{BudgetReport, Report};
use super::vital::{DeskieState, Role, Snapshot};
use crate::model::TroubleKind;

/// A counter of the running parts: its name, what it means, and the values of its label that are known beforehand.
struct Counter {
    name: &'static str,
    help: &'static str,
    label: Option<(&'static str, &'static [&'static str])>,
}

/// The counters, each incremented where the thing happens.
const COUNTERS: &[Counter] = &[
    Counter {
        name: "deskie_cdc_captured_total",
        help: "Row changes taken from the stream",
        label: None,
    },
    Counter {
        name: "deskie_cdc_calls_total",
        help: "Calls to Deskie that change something, by call",
        label: Some((
            "call",
            &["create_case", "add_message", "edit_message", "update_case"],
        )),
    },
    Counter {
        name: "deskie_cdc_call_errors_total",
        help: "Of these: those that failed",
        label: None,
    },
    Counter {
        name: "deskie_cdc_answers_total",
        help: "What all calls to Deskie came to, by the class of the answer's status",
        label: Some(("class", &["2xx", "4xx", "429", "5xx", "other", "none"])),
    },
    Counter {
        name: "deskie_cdc_deskie_throttled_total",
        help: "Answers that said too many requests",
        label: None,
    },
    Counter {
        name: "deskie_cdc_delivered_total",
        help: "Messages that this process delivered to Deskie",
        label: None,
    },
    Counter {
        name: "deskie_cdc_written_total",
        help: "Messages that this process wrote to the site",
        label: None,
    },
    Counter {
        name: "deskie_cdc_webhooks_total",
        help: "Webhooks, by what came of them",
        label: Some((
            "result",
            &[
                "stored",
                "test",
                "unauthorized",
                "unreadable",
                "too_large",
                "unavailable",
            ],
        )),
    },
];

/// How long messages took, each told where it ends.
const HISTOGRAMS: [(&str, &str); 2] = [
    (
        "deskie_cdc_to_deskie_seconds",
        "From a message's place in its lane until Deskie had taken it; backfill aside",
    ),
    (
        "deskie_cdc_to_site_seconds",
        "From the look that found a message in Deskie until it was written to the site",
    ),
];

/// Bounds of these times, in seconds: live traffic takes less than one, an outage hours.
const BUCKETS: [f64; 12] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0,
];

/// Takes the counters of the whole process; once a process. All begin at 0: of one that first appears at 1 Prometheus
/// sees no increase, and an alert would miss it.
pub fn install_recorder() -> Result<PrometheusHandle, BuildError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&BUCKETS)?
        .install_recorder()?;
    for (name, help) in HISTOGRAMS {
        metrics::describe_histogram!(name, help);
        // It is there before the first message is.
        drop(metrics::histogram!(name));
    }
    for counter in COUNTERS {
        metrics::describe_counter!(counter.name, counter.help);
        match counter.label {
            None => metrics::counter!(counter.name).increment(0),
            Some((label, values)) => {
                for value in values {
                    metrics::counter!(counter.name, label => *value).increment(0);
                }
            }
        }
    }
    Ok(recorder)
}

/// One family: its name, what it means, and its samples (label and value).
struct Family<'a> {
    name: &'a str,
    help: &'a str,
    samples: Vec<(Option<(&'a str, String)>, f64)>,
}

/// The gauges. What could not be read is absent, not zero.
pub fn gauges(
    vital: &Snapshot,
    report: Option<&Report>,
    budget: Option<&BudgetReport>,
    ready: bool,
) -> String {
    let mut text = String::new();
    let yes = |value: bool| f64::from(u8::from(value));
    let mut one = |name, help, value: f64| {
        write_family(
            &mut text,
            &Family {
                name,
                help,
                samples: vec![(None, value)],
            },
        )
    };
    one(
        "deskie_cdc_ready",
        "1 where /health/ready answers 200",
        yes(ready),
    );
    one(
        "deskie_cdc_leader",
        "1 where this instance leads",
        yes(vital.role == Role::Leader),
    );
    one(
        "deskie_cdc_stream_connected",
        "1 while the site's changes are streamed",
        yes(vital.stream_connected),
    );
    one(
        "deskie_cdc_database_up",
        "1 where our state could be read",
        yes(report.is_some()),
    );
    let reachable = match vital.deskie {
        DeskieState::Unknown => None,
        DeskieState::Reachable => Some(1.0),
        DeskieState::Unreachable(_) | DeskieState::KeyRevoked => Some(0.0),
    };
    if let Some(reachable) = reachable {
        one(
            "deskie_cdc_deskie_reachable",
            "1 where Deskie answered last and takes our key",
            reachable,
        );
    }
    if let Some(budget) = budget {
        one(
            "deskie_cdc_budget_limit",
            "Units a minute that we allow ourselves",
            budget.limit.into(),
        );
        one(
            "deskie_cdc_budget_used",
            "Units used within the last minute",
            budget.used.into(),
        );
        one(
            "deskie_cdc_budget_remaining",
            "Units that may still be used in this minute",
            budget.remaining.into(),
        );
    }
    let idle = vital.idle_seconds.iter();
    write_family(
        &mut text,
        &Family {
            name: "deskie_cdc_flow_idle_seconds",
            help: "Seconds since a flow turned its loop",
            samples: idle
                .map(|(flow, seconds)| (Some(("flow", flow.as_str().to_owned())), *seconds))
                .collect(),
        },
    );
    if let Some(report) = report {
        of_report(&mut text, report);
    }
    text
}

fn of_report(text: &mut String, report: &Report) {
    let queues = &report.queues;
    let waiting = [
        ("events", queues.events),
        ("deliveries", queues.deliveries),
        ("in_doubt", queues.in_doubt),
        ("inbox", queues.inbox),
        ("reads", queues.reads),
        ("replies", queues.replies),
    ];
    write_family(
        text,
        &Family {
            name: "deskie_cdc_waiting",
            help: "What waits, by queue",
            samples: waiting
                .map(|(queue, count)| (Some(("queue", queue.to_owned())), count as f64))
                .into(),
        },
    );
    let there = |kind: &TroubleKind| {
        report
            .troubles
            .iter()
            .filter(|trouble| trouble.kind == *kind)
            .count()
    };
    write_family(
        text,
        &Family {
            name: "deskie_cdc_troubles",
            help: "What goes wrong now, by kind",
            samples: TroubleKind::ALL
                .map(|kind| (Some(("kind", kind.as_str().to_owned())), there(&kind) as f64))
                .into(),
        },
    );
    let skipped = report.skipped.iter();
    write_family(
        text,
        &Family {
            name: "deskie_cdc_skipped",
            help: "Rows passed over, by reason",
            samples: skipped
                .map(|(reason, count)| {
                    (
                        Some(("reason", reason.clone())),
                        count.as_f64().unwrap_or_default(),
                    )
                })
                .collect(),
        },
    );
    let mut one = |name, help, value: f64| {
        write_family(
            text,
            &Family {
                name,
                help,
                samples: vec![(None, value)],
            },
        )
    };
    one(
        "deskie_cdc_parked",
        "What waits for a person",
        queues.parked as f64,
    );
    one(
        "deskie_cdc_oldest_seconds",
        "Age of the oldest thing that waits",
        queues.oldest_seconds.unwrap_or(0.0),
    );
    one(
        "deskie_cdc_tickets",
        "Tickets that have a case",
        queues.tickets as f64,
    );
    one(
        "deskie_cdc_messages_delivered",
        "Messages that were delivered to Deskie",
        queues.delivered as f64,
    );
    one(
        "deskie_cdc_messages_written",
        "Messages that were written to the site",
        queues.written as f64,
    );
    if let Some(seconds) = report.leader.renewed_seconds {
        one(
            "deskie_cdc_lease_age_seconds",
            "Seconds since any leader renewed its lease",
            seconds,
        );
    }
    if let Some(slot) = &report.slot {
        one(
            "deskie_cdc_slot_exists",
            "1 where the slot is there",
            f64::from(u8::from(slot.exists)),
        );
        one(
            "deskie_cdc_slot_active",
            "1 while somebody streams from the slot",
            f64::from(u8::from(slot.active)),
        );
        let sizes = [
            (
                "deskie_cdc_slot_lag_bytes",
                "Bytes that are not acknowledged",
                slot.lag_bytes,
            ),
            (
                "deskie_cdc_slot_held_bytes",
                "Bytes of WAL kept because of the slot",
                slot.held_bytes,
            ),
            (
                "deskie_cdc_slot_safe_bytes",
                "Bytes that may be written before the slot may be lost",
                slot.safe_bytes,
            ),
        ];
        for (name, help, size) in sizes {
            if let Some(size) = size {
                one(name, help, size as f64);
            }
        }
    }
}

fn write_family(text: &mut String, family: &Family<'_>) {
    if family.samples.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {0} {1}\n# TYPE {0} gauge", family.name, family.help);
    for (label, value) in &family.samples {
        let label = label.as_ref().map_or(String::new(), |(name, value)| {
            format!("{{{name}=\"{}\"}}", label_text(value))
        });
        let _ = writeln!(text, "{}{label} {value}", family.name);
    }
}

fn label_text(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_escaped() {
        let mut text = String::new();
        let samples = vec![(Some(("reason", "a \"b\"\\\nc".to_owned())), 2.0)];
        write_family(
            &mut text,
            &Family {
                name: "x",
                help: "y",
                samples,
            },
        );
        assert_eq!(
            text,
            "# HELP x y\n# TYPE x gauge\nx{reason=\"a \\\"b\\\"\\\\\\nc\"} 2\n"
        );
    }
}
