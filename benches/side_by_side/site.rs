//! What each work happens on: a site, a simulated Deskie, and the program that is measured.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deskie_cdc_sandbox::postgres::{Cluster, ClusterOptions, installed};
use deskie_cdc_sandbox::sample_site::{self, Places};
use deskie_cdc_sandbox::simulator::{Options, Rule, RuleBody, Simulator, Trigger};
use tokio::process::{Child, Command};

/// No measurement takes longer.
pub const LIMIT: Duration = Duration::from_secs(1200);

/// How a bench differs from the plain one.
#[derive(Default)]
pub struct Way {
    /// The server really writes to the disk.
    pub fsync: bool,
    /// The server counts statements.
    pub counts: bool,
    /// Deskie takes what it is sent at once; else little is sent, and what is measured ends where a row is queued.
    pub sends: bool,
    /// So many tickets were there before the connector.
    pub old: i64,
    /// More of the config.
    pub config: &'static str,
}

/// A site, a simulated Deskie, and the program that is measured.
pub struct Bench {
    pub cluster: Cluster,
    pub client: tokio_postgres::Client,
    pub simulator: Simulator,
    program: PathBuf,
    running: Option<Child>,
    folder: tempfile::TempDir,
}

impl Bench {
    /// Everything set up, the program not started.
    pub async fn new(program: &Path, way: Way) -> Bench {
        let mut options = ClusterOptions {
            fsync: way.fsync,
            ..ClusterOptions::default()
        };
        if way.counts {
            options = options.set("shared_preload_libraries", "pg_stat_statements");
        }
        let cluster = Cluster::start(&installed(None).unwrap(), options).unwrap();
        cluster.create_database("site").await.unwrap();
        let client = cluster.connect("site").await.unwrap();
        sample_site::load(&client).await.unwrap();
        if way.counts {
            client
                .batch_execute("create extension pg_stat_statements")
                .await
                .unwrap();
        }
        if way.old > 0 {
            let old = format!(
                "insert into tickets (user_id, subject, body, created_at)
                 select 3, 'Old ' || n, 'Body', now() - interval '90 days' from generate_series(1, {}) n",
                way.old
            );
            client.batch_execute(&old).await.unwrap();
            client.batch_execute("vacuum analyze tickets").await.unwrap();
        }
        let options = Options {
            requests_per_minute: if way.sends { 1_000_000 } else { 120 },
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [listen, admin_listen] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        for on in [Trigger::AgentReply, Trigger::CustomerReply] {
            simulator.add_rule(Rule {
                url: format!("http://{listen}/webhooks/bench-webhook-secret"),
                on,
                body: RuleBody::Ids,
                ..Rule::default()
            });
        }
        let places = Places {
            database_url: cluster.url("site", "deskie_cdc"),
            deskie_url: simulator.url(),
            staff_email: "api@example.com".to_owned(),
            api_key: "simulator-key".to_owned(),
            listen,
            admin_listen,
            webhook_secret: "bench-webhook-secret".to_owned(),
        };
        // An older build does not know all that the sample's mapping names.
        let config = sample_site::config(&places)
            .replace("coalesce(:author_name, :author_email)", ":author_name")
            + way.config;
        std::fs::write(folder.path().join("deskie-cdc.toml"), config).unwrap();
        let bench = Bench {
            cluster,
            client,
            simulator,
            program: program.to_owned(),
            running: None,
            folder,
        };
        let admin_url = bench.cluster.superuser_url("site");
        bench.command(&["setup", "--admin-url", &admin_url]).await;
        bench
    }

    /// The same, started, with a ticket that has its case.
    pub async fn started(program: &Path, way: Way) -> (Bench, i64) {
        let mut bench = Bench::new(program, way).await;
        bench.start();
        let ticket = bench.open().await;
        (bench, ticket)
    }

    fn prepared(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .kill_on_drop(true);
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        command
    }

    /// One of the program's other commands, which must succeed; how long it took, in seconds.
    pub async fn command(&self, arguments: &[&str]) -> f64 {
        let begun = Instant::now();
        let status = self.prepared(arguments).status().await.unwrap();
        assert!(status.success(), "{arguments:?} failed");
        begun.elapsed().as_secs_f64()
    }

    pub fn start(&mut self) {
        self.running = Some(self.prepared(&["run"]).spawn().unwrap());
    }

    /// Ends the program; the most memory that it had, in MB, where the system tells.
    pub async fn end(&mut self) -> Option<f64> {
        let mut running = self.running.take().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.id().unwrap())).ok();
        running.kill().await.unwrap();
        let kilobytes = status?.lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        });
        kilobytes.map(|kilobytes: f64| kilobytes / 1024.0)
    }

    /// A ticket that has its case: the ticket's number.
    pub async fn open(&self) -> i64 {
        let ticket = sample_site::open_ticket(&self.client, "kate@example.com", "Question", "A first one")
            .await
            .unwrap();
        self.until(&format!(
            "select exists (select from deskie_cdc.ticket where case_id is not null and key = '{ticket}')"
        ))
        .await;
        ticket
    }

    /// So many transactions of one statement.
    pub async fn each(&self, count: i64, insert: &str) {
        let sql = format!(
            "set synchronous_commit to off;
             create or replace procedure fill() language plpgsql as $$ begin
                 for n in 1..{count} loop {insert}; commit; end loop; end $$;"
        );
        self.client.batch_execute(&sql).await.unwrap();
        self.client.batch_execute("call fill()").await.unwrap();
    }

    pub async fn value<T: for<'a> tokio_postgres::types::FromSql<'a>>(&self, sql: &str) -> T {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub async fn until(&self, sql: &str) {
        let begun = Instant::now();
        while !self.value::<bool>(sql).await {
            assert!(begun.elapsed() < LIMIT, "{sql}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Until the newest message of the site's is known and no change of a row waits.
    pub async fn passed(&self) {
        let last: i64 = self.value("select max(id) from messages").await;
        // Asking must cost next to nothing: it is asked all the while.
        self.until(&format!(
            "select exists (select from deskie_cdc.link where section = 'message' and key = '{last}')
             and not exists (select from deskie_cdc.event)"
        ))
        .await;
    }

    /// Until no message of the site's and no reply waits.
    pub async fn quiet(&self) {
        self.until(
            "select not exists (select from deskie_cdc.event)
             and not exists (select from deskie_cdc.delivery where state in ('unresolved', 'queued', 'sending', 'doubt'))
             and not exists (select from deskie_cdc.inbox where state = 'waiting')
             and not exists (select from deskie_cdc.remote where state = 'pending')
             and not exists (select from deskie_cdc.ticket where read_wanted is not null)",
        )
        .await;
    }
}

/// A port of 127.0.0.1 that nobody listens on.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
