//! What the tests stand on: a site on a real Postgres, and the connector's real program.
//!
//! Nothing here sleeps for luck: each wait is for something, has a limit, and names the line that waited.

#![allow(
    dead_code,
    unused_imports,
    reason = "a harness has more than each of its tests needs"
)]

mod connector;
mod network;
mod site;
mod stage;

use std::future::Future;
use std::net::TcpListener;
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use deskie_cdc::sandbox::postgres::Installation;

pub use connector::{Connector, Finished, Workplace};
pub use network::Network;
pub use site::Site;
pub use stage::{AYSE, Building, IVAN, Stage, WAITING, prepared, says, stage, stage_on, texts};

/// The longest that any single wait of a test may take.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The versions that the tests run on: `DESKIE_CDC_TEST_PG`, a comma list of major versions.
const VERSIONS: &str = "15,18";

/// One installation for each version to test; fails where one is missing, with the line that installs it.
pub fn installations() -> Vec<Installation> {
    let versions = env("DESKIE_CDC_TEST_PG").unwrap_or_else(|| VERSIONS.to_owned());
    versions
        .split(',')
        .map(|version| match version.trim().parse() {
            Ok(version) => installation(version),
            Err(_) => panic!("DESKIE_CDC_TEST_PG: `{version}` is not a major version"),
        })
        .collect()
}

/// The newest of the versions to test, for a test that is not about versions.
pub fn newest() -> Installation {
    installations()
        .into_iter()
        .max_by_key(Installation::version)
        .expect("DESKIE_CDC_TEST_PG names a version")
}

fn installation(version: u16) -> Installation {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres");
    let places = [
        format!("/usr/lib/postgresql/{version}/bin").into(),
        format!("/usr/pgsql-{version}/bin").into(),
        format!("/opt/homebrew/opt/postgresql@{version}/bin").into(),
        format!("/usr/local/opt/postgresql@{version}/bin").into(),
        here.join(format!("node_modules/pg{version}/native/bin")),
    ];
    let found = places.iter().find_map(|bin| Installation::at(bin).ok());
    found.unwrap_or_else(|| {
        panic!("PostgreSQL {version} is not installed; run `tests/postgres/install.sh {version}`, or all with `./test`")
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "which versions to test, and how long, is all that the tests are told"
)]
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Waits until `probe` gives something, looking every 15 ms; `what` says what was waited for.
#[track_caller]
pub fn wait_until<T, F>(what: &str, mut probe: impl FnMut() -> F) -> impl Future<Output = T>
where
    F: Future<Output = Option<T>>,
{
    let caller = Location::caller();
    let what = what.to_owned();
    async move {
        let looking = async {
            loop {
                if let Some(found) = probe().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
        };
        let Ok(found) = tokio::time::timeout(LIMIT, looking).await else {
            panic!("{caller}: {what}: not within {} s", LIMIT.as_secs());
        };
        found
    }
}

/// A port of 127.0.0.1 that nobody listens on, below those that systems hand out for outgoing connections.
pub fn free_port() -> u16 {
    (0..100)
        .map(|_| rand::random_range(12_000..20_000))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
