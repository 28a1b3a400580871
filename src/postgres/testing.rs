//! A throw-away server for this room's tests.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio_postgres::Client;

use super::{ConnectUrl, SessionOptions, connect, install_tls_provider};

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// A server of its own, stopped and removed when dropped.
pub(crate) struct Cluster {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) port: u16,
    server: Child,
}

/// The server refuses root.
fn postgres_user() -> (u32, u32) {
    let passwd = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let line = passwd
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .expect("a user postgres");
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].parse().expect("uid"), fields[3].parse().expect("gid"))
}

fn command(program: &str) -> Command {
    let (uid, gid) = postgres_user();
    let mut command = Command::new(Path::new(BIN).join(program));
    command.uid(uid).gid(gid).current_dir("/").env("LC_ALL", "C");
    command
}

impl Cluster {
    /// Starts one with `name=value` settings, and `pg_hba.conf` lines before the default of trust.
    pub(crate) fn start(settings: &[&str], hba: &str) -> Self {
        Self::start_with(settings, hba, |_| {})
    }

    /// The same; `prepare` may put files into the data directory.
    pub(crate) fn start_with(settings: &[&str], hba: &str, prepare: impl FnOnce(&Path)) -> Self {
        install_tls_provider();
        let (uid, gid) = postgres_user();
        let directory = tempfile::tempdir_in("/dev/shm").expect("a directory");
        chown(directory.path(), Some(uid), Some(gid)).expect("chown");
        let data = directory.path().join("data");
        let made = command("initdb")
            .args([
                "-A",
                "trust",
                "--no-sync",
                "--locale=C",
                "-E",
                "UTF8",
                "-U",
                "postgres",
                "-D",
            ])
            .arg(&data)
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        prepare(&data);
        let default = std::fs::read_to_string(data.join("pg_hba.conf")).expect("pg_hba.conf");
        std::fs::write(data.join("pg_hba.conf"), format!("{hba}\n{default}")).expect("pg_hba.conf");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.expect("a port").port();
        let mut server = command("postgres");
        server
            .arg("-D")
            .arg(&data)
            .arg("-F")
            .arg("-k")
            .arg(directory.path());
        server.arg("-p").arg(port.to_string());
        for setting in ["wal_level=logical", "log_min_messages=warning"]
            .iter()
            .chain(settings)
        {
            server.arg("-c").arg(setting);
        }
        let mut server = server.stderr(Stdio::piped()).spawn().expect("postgres");
        let mut log = BufReader::new(server.stderr.take().expect("stderr")).lines();
        let mut seen = String::new();
        loop {
            let line = log
                .next()
                .unwrap_or_else(|| panic!("the server ended: {seen}"))
                .expect("a line");
            if line.contains("ready to accept connections") {
                break;
            }
            seen.push_str(&line);
        }
        std::thread::spawn(move || log.for_each(drop));
        Self {
            directory,
            port,
            server,
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The superuser's URL over TCP.
    pub(crate) fn url(&self) -> ConnectUrl {
        self.url_of("postgres://postgres@127.0.0.1/postgres")
    }

    /// Any URL, with this server's port.
    pub(crate) fn url_of(&self, text: &str) -> ConnectUrl {
        let mut url = ConnectUrl::parse(text).expect("a URL");
        for place in &mut url.hosts {
            place.port = self.port;
        }
        url
    }

    /// A session such as the site's own: names are found in `public`.
    pub(crate) async fn client(&self) -> Client {
        let client = connect(&self.url(), &SessionOptions::new("test"))
            .await
            .expect("a connection");
        client
            .batch_execute("SET search_path TO public")
            .await
            .expect("a path");
        client
    }
}

/// `kill -SIGNAL pid`
pub(crate) fn signal(name: &str, pid: i32) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status();
    assert!(sent.expect("kill").success(), "kill -{name} {pid}");
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let pid = self.server.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        let _ = self.server.wait();
    }
}
