#!/usr/bin/env bash
# metrics-exporter-prometheus 0.18.3 with metrics 0.24.6 (crates.io): the quantiles of a histogram leave out all but the newest values of a burst, and after a minute of rest they are 0.
#
# Expected: a quantile is over the values of the last minute, as _count and _sum are over all; where there were none it is NaN, as the other libraries of Prometheus have it.
# Seen: values wait in blocks of 64 and are taken up at a scrape, the newest block first. Into an empty window its first value sets the beginning, and every older block is held for too old: of 129 values the median is
#   the last one, of 1000 the smallest is 961. It is so with each first scrape and after each minute without a value, a burst after a rest: the slow ones at its beginning are in no quantile, while _count and _sum have
#   them. After a minute's rest all quantiles are 0: "p99 < 1 s" is kept by a service that does nothing. With set_buckets() there are no quantiles and nothing is left out.
# For the connector: it sets buckets. Take rate(_sum) / rate(_count), not the quantiles, from whoever does not.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "quantiles"
version = "0.0.0"
edition = "2021"
[dependencies]
metrics = "=0.24.6"
metrics-exporter-prometheus = { version = "=0.18.3", default-features = false }
TOML
cat >src/main.rs <<'RUST'
use std::{thread::sleep, time::Duration};
fn main() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().unwrap();
    let told = |what: &str, name: &str| {
        let text = recorder.render();
        let of = |part: &str| text.lines().find_map(|line| line.strip_prefix(&format!("{name}{part} "))?.parse::<f64>().ok()).unwrap();
        println!("{what}: _count {}, smallest {}, median {:.0}", of("_count"), of("{quantile=\"0\"}"), of("{quantile=\"0.5\"}"));
    };
    for (name, count) in [("a", 64), ("b", 65), ("c", 129), ("d", 1000)] {
        for value in 1..=count {
            metrics::histogram!(name).record(f64::from(value));
            sleep(Duration::from_micros(10));
        }
        told(&format!("1 to {count}"), name);
    }
    for value in 1..=1000 {
        metrics::histogram!("d").record(f64::from(value));
    }
    told("1 to 1000, within the same minute", "d");
    sleep(Duration::from_secs(65));
    told("a minute later", "d");
}
RUST
CARGO_TARGET_DIR=$work/target cargo run --quiet | tee seen
diff seen - <<'SEEN'
1 to 64: _count 64, smallest 1, median 32
1 to 65: _count 65, smallest 65, median 65
1 to 129: _count 129, smallest 129, median 129
1 to 1000: _count 1000, smallest 961, median 980
1 to 1000, within the same minute: _count 2000, smallest 1, median 520
a minute later: _count 2000, smallest 0, median 0
SEEN
echo "as described"
