//! What the tests stand on: a site on a real Postgres, and the connector's real program.
//!
//! Nothing here sleeps for luck: each wait is for something, has a limit, and names the line that waited.

#![allow(
    dead_code,
    unused_imports,
    reason = "a harness has more than each of its tests needs"
)]

mod asked;
mod connector;
mod hook;
mod network;
mod site;
mod stage;

use std::fs::File;
use std::future::Future;
use std::net::TcpListener;
use std::panic::Location;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use deskie_cdc_sandbox::postgres::{Installation, installed};

pub use asked::Asked;
pub use connector::{Connector, Finished, Workplace};
pub use hook::Hook;
pub use network::Network;
pub use site::Site;
pub use stage::{AYSE, Building, IVAN, Stage, WAITING, prepared, says, stage, stage_on, texts};

/// The longest that any single wait of a test may take: three times what the slowest takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The versions that the tests run on where `DESKIE_CDC_TEST_PG`, a comma list of major versions, names none.
const VERSIONS: [u16; 2] = [15, 18];

/// One installation for each version to test. Of those that were asked for none may be missing; of the usual ones some.
pub fn installations() -> Vec<Installation> {
    deskie_cdc::postgres::install_tls_provider();
    let missing = |versions: &str| -> ! {
        panic!(
            "PostgreSQL {versions} is not here; `./test` fetches what it needs, `DESKIE_CDC_TEST_PG` chooses"
        )
    };
    let Some(versions) = env("DESKIE_CDC_TEST_PG") else {
        let here: Vec<_> = VERSIONS
            .into_iter()
            .filter_map(|version| {
                let found = installed(Some(version)).ok();
                if found.is_none() {
                    eprintln!("not tested on PostgreSQL {version}, which is not here; `./test` fetches it");
                }
                found
            })
            .collect();
        if here.is_empty() {
            missing("15 or 18");
        }
        return here;
    };
    versions
        .split(',')
        .map(|version| match version.trim().parse() {
            Ok(number) => installed(Some(number)).unwrap_or_else(|_| missing(version)),
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

#[expect(
    clippy::disallowed_methods,
    reason = "which versions to test, and how long, is all that the tests are told"
)]
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// How long a wait lies between two looks: short at first, since most is there at once; then long enough that those who
/// look leave the machine to those who work.
const LOOKS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(80)];

/// Waits until `probe` gives something; `what` says what was waited for.
#[track_caller]
pub fn wait_until<T, F>(what: &str, mut probe: impl FnMut() -> F) -> impl Future<Output = T>
where
    F: Future<Output = Option<T>>,
{
    let caller = Location::caller();
    let what = what.to_owned();
    async move {
        let looking = async {
            let [mut pause, longest] = LOOKS;
            loop {
                if let Some(found) = probe().await {
                    return found;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 5 / 4).min(longest);
            }
        };
        let Ok(found) = tokio::time::timeout(LIMIT, looking).await else {
            panic!("{caller}: {what}: not within {} s", LIMIT.as_secs());
        };
        found
    }
}

/// A port of 127.0.0.1 that nobody listens on, below those that systems hand out for outgoing connections. No other test
/// gets it while this one runs, though the connector that listens there may be away for a while.
pub fn free_port() -> u16 {
    static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ports");
    std::fs::create_dir_all(&folder).expect("a folder for the ports' locks");
    (0..1000)
        .map(|_| rand::random_range(12_000..20_000))
        .find(|port| {
            let lock = File::create(folder.join(port.to_string())).expect("a port's lock");
            let is_ours = lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", *port)).is_ok();
            if is_ours {
                HELD.lock().expect("the ports' locks").push(lock);
            }
            is_ours
        })
        .expect("a free port")
}
