//! A running throw-away cluster.

use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_postgres::NoTls;

use super::account::Account;
use super::installation::Installation;
use super::template;
use crate::clock;

/// How long a start may take: crash recovery is part of it.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a fast shutdown may take before it becomes an immediate one.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause between two looks at a file or a child.
const POLL: Duration = Duration::from_millis(5);
/// A port taken between our look and the server's bind: other ports are tried.
const PORT_ATTEMPTS: u32 = 8;
/// Below the range that systems hand out for outgoing connections, so that a restart finds its port free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// The least free memory, in kB, for the cluster to live in /dev/shm (containers often have 64 MB).
const SHM_NEEDED: u64 = 1024 * 1024;

/// `$1` is the cluster's folder, the rest the server's command line. The shell becomes the server (same process id);
/// the leash is its grandchild, so the server never sees a child that it did not start.
const LEASH: &str = r#"
folder=$1; shift
exec 3<&0 </dev/null
( (
  read -r word <&3 && exit
  kill -QUIT $$
  tries=0
  while kill -0 $$ && [ $tries -lt 70 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -KILL $$
  rm -rf "$folder"
) >/dev/null 2>&1 & )
exec "$@" 3<&-
"#;

/// What a cluster may differ in.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// Really write to the disk (and live on it), as a production server does; otherwise nothing waits for a disk.
    pub fsync: bool,
    /// Further settings, `-c name=value`; they win over ours.
    pub settings: Vec<(String, String)>,
}

impl ClusterOptions {
    /// With one more setting.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Why a cluster does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file, folder or program.
    #[error("the throw-away Postgres cannot be made: {0}")]
    Io(#[from] io::Error),
    /// The server ended before it was ready.
    #[error("the throw-away Postgres ended before it was ready; its log ends with:\n{log}")]
    Ended {
        /// The end of its log.
        log: String,
    },
    /// The server was not ready in time.
    #[error("the throw-away Postgres was not ready within {} s; its log ends with:\n{log}", START_TIMEOUT.as_secs())]
    Timeout {
        /// The end of its log.
        log: String,
    },
}

/// A running throw-away cluster. Dropping it stops the server at once and removes all its files.
#[derive(Debug)]
pub struct Cluster {
    installation: Installation,
    options: ClusterOptions,
    account: Account,
    folder: PathBuf,
    port: u16,
    server: Option<Server>,
}

#[derive(Debug)]
struct Server {
    child: Child,
    /// The write end of the pipe that the leash reads.
    leash: ChildStdin,
}

impl Cluster {
    /// Starts a cluster with logical replication, on a free port of 127.0.0.1 and a socket of its own; about 0.3 s.
    pub fn start(installation: &Installation, options: ClusterOptions) -> Result<Cluster, StartError> {
        let account = Account::for_server()?;
        let installation = template::runnable(installation, account)?;
        let template = template::data(&installation, account)?;

        let parent = if options.fsync {
            std::env::temp_dir()
        } else {
            fast_folder()
        };
        let folder = tempfile::Builder::new()
            .prefix("deskie-cdc-pg-")
            .tempdir_in(parent)?
            .keep();
        let mut cluster = Cluster {
            installation,
            options,
            account,
            folder,
            port: 0,
            server: None,
        };
        account.give(&cluster.folder)?;
        template::copy(&template, &cluster.data_dir(), account)?;

        for attempt in 1.. {
            cluster.port = free_port()?;
            match cluster.launch() {
                Err(StartError::Ended { log })
                    if attempt < PORT_ATTEMPTS && log.contains("already in use") =>
                {
                    fs::remove_file(cluster.log_file())?;
                }
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        Ok(cluster)
    }

    /// A stopped cluster of the same kind on a copy of this one's data, which must not be in use.
    pub(super) fn copied(
        &self,
        prepare: impl FnOnce(&Path, Account) -> io::Result<()>,
    ) -> Result<Cluster, StartError> {
        let parent = self.folder.parent().unwrap_or(Path::new("/tmp"));
        let folder = tempfile::Builder::new()
            .prefix("deskie-cdc-pg-")
            .tempdir_in(parent)?
            .keep();
        let copy = Cluster {
            installation: self.installation.clone(),
            options: self.options.clone(),
            account: self.account,
            folder,
            port: free_port()?,
            server: None,
        };
        self.account.give(&copy.folder)?;
        template::duplicate(&self.data_dir(), &copy.data_dir(), self.account)?;
        prepare(&copy.data_dir(), self.account)?;
        Ok(copy)
    }

    /// Whose files they are.
    pub(super) fn account(&self) -> Account {
        self.account
    }

    /// A libpq URL for this user (trusted, no password) and database.
    pub fn url(&self, database: &str, user: &str) -> String {
        let user = utf8_percent_encode(user, NON_ALPHANUMERIC);
        let database = utf8_percent_encode(database, NON_ALPHANUMERIC);
        format!(
            "postgres://{user}@127.0.0.1:{}/{database}?sslmode=disable",
            self.port
        )
    }

    /// The URL for the superuser, `postgres`.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url(database, "postgres")
    }

    /// The port on 127.0.0.1; a restart keeps it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        &self.folder
    }

    /// The data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The programs it runs on.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The server's process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(|server| server.child.id())
    }

    /// The last lines of the server's log.
    pub fn log_tail(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// A fast shutdown: sessions are ended, everything is written, replication is served to its end.
    pub fn stop_fast(&mut self) -> io::Result<()> {
        self.stop("INT")
    }

    /// A crash: the server ends at once and has to recover when it starts again.
    pub fn stop_immediate(&mut self) -> io::Result<()> {
        self.stop("QUIT")
    }

    /// A kill: the server has no time for anything; what it leaves behind is found by the next start.
    pub fn kill(&mut self) -> io::Result<()> {
        self.stop("KILL")
    }

    /// Starts the server again on its data and its port, after a fast shutdown if it runs.
    pub fn restart(&mut self) -> Result<(), StartError> {
        self.stop_fast()?;
        self.launch()
    }

    /// Changes a setting from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.options.settings.push((name.to_owned(), value.to_owned()));
    }

    /// A connection as the superuser; a task of the current runtime drives it.
    #[expect(
        clippy::disallowed_methods,
        reason = "a connection of the sandbox ends with its client"
    )]
    pub async fn connect(&self, database: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.superuser_url(database), NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of the sandbox ended");
            }
        });
        Ok(client)
    }

    /// Makes an empty database.
    pub async fn create_database(&self, name: &str) -> Result<(), tokio_postgres::Error> {
        let quoted = name.replace('"', "\"\"");
        self.connect("postgres")
            .await?
            .batch_execute(&format!("create database \"{quoted}\""))
            .await
    }

    /// The server's log.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Starts the server and waits until it takes connections.
    fn launch(&mut self) -> Result<(), StartError> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        // A crash leaves the file of the dead server; its last line must not be taken for the new one's.
        let ready_file = self.data_dir().join("postmaster.pid");
        let _ = fs::remove_file(&ready_file);

        let mut command = self.account.command("sh");
        command.args(["-c", LEASH, "deskie-cdc-leash"]).arg(&self.folder);
        command
            .arg(self.installation.bin().join("postgres"))
            .arg("-D")
            .arg(self.data_dir());
        command
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k"])
            .arg(&self.folder);
        if !self.options.fsync {
            command.arg("-F");
        }
        for (name, value) in DEFAULTS {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        for (name, value) in &self.options.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // Not in our process group: Ctrl-C is ours to answer, and the server is stopped when we are done with it.
        command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);

        let mut child = command.spawn()?;
        let Some(leash) = child.stdin.take() else {
            return Err(io::Error::other("the server's shell has no standard input").into());
        };
        let server = self.server.insert(Server { child, leash });

        let deadline = clock::monotonic() + START_TIMEOUT;
        loop {
            if server.child.try_wait()?.is_some() {
                self.server = None;
                return Err(StartError::Ended { log: self.log_tail() });
            }
            let status = fs::read_to_string(&ready_file).unwrap_or_default();
            if status.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            if clock::monotonic() > deadline {
                return Err(StartError::Timeout { log: self.log_tail() });
            }
            thread::sleep(POLL);
        }
    }

    fn stop(&mut self, how: &str) -> io::Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        signal(&server.child, how)?;
        let deadline = clock::monotonic() + STOP_TIMEOUT;
        while server.child.try_wait()?.is_none() {
            if clock::monotonic() > deadline {
                signal(&server.child, "QUIT")?;
                server.child.wait()?;
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Server {
    /// The leash of an ended server lets go: its process id may be someone else's now, and its folder is still needed.
    /// That of a running one (a shutdown that failed) pulls.
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            let _ = self.leash.write_all(b"bye\n");
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop_immediate() {
            tracing::warn!(%error, "the throw-away Postgres did not stop");
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "the throw-away Postgres was not removed");
        }
    }
}

/// What every cluster of ours is started with.
const DEFAULTS: [(&str, &str); 6] = [
    ("wal_level", "logical"),
    ("max_wal_senders", "20"),
    ("max_replication_slots", "20"),
    ("max_connections", "100"),
    ("log_line_prefix", "%m [%p] %q%u@%d "),
    ("timezone", "UTC"),
];

/// Sends a signal without a foreign call: every shell has `kill`. The child is not reaped yet, so the id is its own.
fn signal(child: &Child, name: &str) -> io::Result<()> {
    let status = Command::new("sh")
        .args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &child.id().to_string()])
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("kill -{name} failed ({status})")))
    }
}

/// Memory if there is enough of it, else the temp dir.
fn fast_folder() -> PathBuf {
    let shm = Path::new("/dev/shm");
    let df = Command::new("df").args(["-Pk"]).arg(shm).output();
    let free = df.ok().and_then(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .nth(1)?
            .split_whitespace()
            .nth(3)?
            .parse::<u64>()
            .ok()
    });
    if free.is_some_and(|kilobytes| kilobytes >= SHM_NEEDED) {
        shm.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// A port that nobody listens on now.
fn free_port() -> io::Result<u16> {
    for _ in 0..100 {
        let port = rand::random_range(PORTS);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()
        .map(|address| address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::installed;

    #[tokio::test]
    async fn a_cluster_starts_restarts_crashes_and_leaves_nothing() {
        let mut cluster = Cluster::start(&installed(None).unwrap(), ClusterOptions::default()).unwrap();
        let folder = cluster.folder.clone();
        cluster.create_database("site \"1\"").await.unwrap();
        let client = cluster.connect("site \"1\"").await.unwrap();
        client
            .batch_execute("create table t as select 1 as id")
            .await
            .unwrap();

        cluster.set("work_mem", "7MB");
        cluster.restart().unwrap();
        let client = cluster.connect("site \"1\"").await.unwrap();
        assert_eq!(
            client
                .query_one("show work_mem", &[])
                .await
                .unwrap()
                .get::<_, String>(0),
            "7MB"
        );

        cluster.stop_immediate().unwrap();
        assert!(cluster.pid().is_none());
        cluster.restart().unwrap();
        let client = cluster.connect("site \"1\"").await.unwrap();
        assert_eq!(
            client
                .query_one("select id from t", &[])
                .await
                .unwrap()
                .get::<_, i32>(0),
            1
        );
        assert!(
            cluster
                .log_tail()
                .contains("database system was not properly shut down"),
            "{}",
            cluster.log_tail()
        );

        drop(cluster);
        assert!(!folder.exists());
    }

    #[test]
    fn a_taken_port_leaves_the_data_for_the_next_try() {
        let mut cluster = Cluster::start(&installed(None).unwrap(), ClusterOptions::default()).unwrap();
        cluster.stop_fast().unwrap();
        let taken = TcpListener::bind(("127.0.0.1", cluster.port())).unwrap();
        let error = cluster.restart().unwrap_err().to_string();
        assert!(error.contains("already in use"), "{error}");

        drop(taken);
        cluster.restart().unwrap();
    }

    #[test]
    fn a_server_that_ends_at_once_says_why() {
        let options = ClusterOptions::default().set("max_connections", "many");
        let error = Cluster::start(&installed(None).unwrap(), options)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("invalid value for parameter \"max_connections\""),
            "{error}"
        );
    }
}
