//! The site: a cluster with the sample site's database.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use deskie_cdc_sandbox::postgres::{Cluster, ClusterOptions, Installation};
use deskie_cdc_sandbox::sample_site;

/// A throw-away cluster of its own, with the sample site in the database `site`.
pub struct Site {
    /// The cluster; restart it, crash it.
    pub cluster: Cluster,
    /// The site's own connection, for the functions of `sample_site`; a restart of the cluster ends it.
    pub client: tokio_postgres::Client,
}

impl Site {
    /// The site's database.
    pub const DATABASE: &str = "site";

    /// On the newest version to test.
    pub async fn start() -> Site {
        Site::start_on(&super::newest(), ClusterOptions::default()).await
    }

    /// On this version.
    pub async fn start_on(installation: &Installation, options: ClusterOptions) -> Site {
        // Shown when a test fails: which of the versions it was.
        eprintln!("on {}", installation.full_version());
        let cluster = Cluster::start(installation, options).expect("the cluster starts");
        cluster.create_database(Site::DATABASE).await.expect("a database");
        let client = cluster.connect(Site::DATABASE).await.expect("a connection");
        sample_site::load(&client).await.expect("the sample site");
        // Tests do to tickets and messages what they like: nothing may refer to them that the test does not know of.
        let others = client
            .batch_execute("drop table ticket_files; alter table tickets drop column is_chat")
            .await;
        others.expect("the sample's files and chats");
        Site { cluster, client }
    }

    /// The administrator's URL, as for `setup --admin-url`.
    pub fn admin_url(&self) -> String {
        self.cluster.superuser_url(Site::DATABASE)
    }

    /// A URL for a user with fewer rights.
    pub fn url(&self, user: &str) -> String {
        self.cluster.url(Site::DATABASE, user)
    }

    /// Another connection of the site's application.
    pub async fn connect(&self) -> tokio_postgres::Client {
        self.cluster.connect(Site::DATABASE).await.expect("a connection")
    }

    /// A connection of another user's, who is there.
    pub async fn connect_as(&self, user: &str) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url(user), tokio_postgres::NoTls)
            .await
            .expect("a connection");
        tokio::spawn(connection);
        client
    }

    /// Starts a server that was killed; those whom it left behind may hold its memory a moment longer.
    pub async fn start_again(&mut self) {
        for _ in 0..100 {
            match tokio::task::block_in_place(|| self.cluster.restart()) {
                Ok(()) => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        panic!("the server does not start: {}", self.cluster.log_tail());
    }

    /// The processes of this machine that name this path in their command line.
    pub fn processes_naming(path: &Path) -> Vec<String> {
        let path = path.to_str().expect("a path in UTF-8");
        let Ok(processes) = std::fs::read_dir("/proc") else {
            let output = Command::new("ps").args(["-axo", "command"]).output().expect("ps");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            return text
                .lines()
                .filter(|line| line.contains(path))
                .map(str::to_owned)
                .collect();
        };
        processes
            .filter_map(|process| std::fs::read_to_string(process.ok()?.path().join("cmdline")).ok())
            .filter(|command_line| command_line.contains(path))
            .collect()
    }
}
