//! A throw-away server for this room's tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio_postgres::Client;

use super::{ConnectUrl, SessionOptions, connect, install_tls_provider};
use deskie_cdc_sandbox::postgres::{ClusterOptions, installed};

/// A server of its own, stopped and removed when dropped.
pub(crate) struct Cluster {
    server: deskie_cdc_sandbox::postgres::Cluster,
    pub(crate) port: u16,
}

impl Cluster {
    /// Starts one with `name=value` settings, and `pg_hba.conf` lines before the default of trust.
    pub(crate) fn start(settings: &[&str], hba: &str) -> Self {
        Self::start_with(settings, hba, |_| {})
    }

    /// The same; `prepare` may put files into the data directory.
    pub(crate) fn start_with(settings: &[&str], hba: &str, prepare: impl FnOnce(&Path)) -> Self {
        install_tls_provider();
        let installation = installed(None).expect("a server; `./test` fetches one");
        let mut server =
            deskie_cdc_sandbox::postgres::Cluster::start(&installation, ClusterOptions::default())
                .expect("a cluster");
        server.stop_fast().expect("a stop");
        prepare(&server.data_dir());
        let file = server.data_dir().join("pg_hba.conf");
        let default = std::fs::read_to_string(&file).expect("pg_hba.conf");
        std::fs::write(file, format!("{hba}\n{default}")).expect("pg_hba.conf");
        for setting in settings {
            let (name, value) = setting.split_once('=').expect("name=value");
            server.set(name, value);
        }
        server.restart().expect("a start");
        let port = server.port();
        Self { server, port }
    }

    /// Whether the server can have certificates; pip's build cannot, and a test of them says nothing there.
    pub(crate) async fn has_tls() -> bool {
        let cluster = Self::start(&[], "");
        let client = cluster.client().await;
        let library = client.query_one("show ssl_library", &[]).await.expect("a row");
        let has_tls = !library.get::<_, &str>(0).is_empty();
        if !has_tls {
            eprintln!("not tested: this PostgreSQL was built without TLS");
        }
        has_tls
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.server.data_dir()
    }

    /// The folder of its Unix socket.
    pub(crate) fn socket_dir(&self) -> &Path {
        self.server.socket_dir()
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
