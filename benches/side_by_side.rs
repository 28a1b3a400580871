//! This build against another one, in one run on one machine: `BASELINE=path/to/deskie-cdc cargo bench --bench side_by_side --
//! --rows 100000 --runs 3`. Without `BASELINE` it prints this build's figures alone.
//!
//! It fails where a result is wrong, never for a time: its small size, which is the default, is for CI.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deskie_cdc::sandbox::postgres::{Cluster, ClusterOptions, installed};
use deskie_cdc::sandbox::sample_site::{self, Places};
use deskie_cdc::sandbox::simulator::{Options, Simulator};
use tokio::process::{Child, Command};

/// What is measured, and in which unit.
const WORKS: [&str; 3] = [
    "rows that where leaves out, one a transaction (rows/s)",
    "customers' messages on new tickets, ten a ticket (rows/s)",
    "a live message behind an import of tickets (s)",
];

/// No measurement takes longer.
const LIMIT: Duration = Duration::from_secs(1200);

struct Size {
    rows: i64,
    runs: usize,
}

#[tokio::main]
async fn main() {
    let size = size(std::env::args().skip(1).collect());
    let mut builds = vec![("this build", PathBuf::from(env!("CARGO_BIN_EXE_deskie-cdc")))];
    builds.extend(std::env::var_os("BASELINE").map(|path| ("baseline", PathBuf::from(path))));
    let mut report = String::new();
    for (work, name) in WORKS.iter().enumerate() {
        let mut medians = Vec::new();
        for (label, program) in &builds {
            let mut figures = Vec::new();
            for _ in 0..size.runs {
                let bench = Bench::start(program).await;
                figures.push(match work {
                    0 => bench.left_out(size.rows).await,
                    1 => bench.messages(size.rows).await,
                    _ => bench.live(size.rows * 2 / 5).await,
                });
            }
            figures.sort_by(f64::total_cmp);
            let median = figures[figures.len() / 2];
            medians.push(median);
            writeln!(report, "{name}: {label} {median:.2} {figures:.2?}").unwrap();
        }
        if let [ours, theirs] = medians[..] {
            writeln!(report, "  ratio {:.2}", ours / theirs).unwrap();
        }
        eprintln!("{name}: {medians:.2?}");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let server = installed(None).unwrap();
    println!(
        "PostgreSQL {}, {cores} cores, {} rows, {} runs\n{report}",
        server.full_version(),
        size.rows,
        size.runs
    );
}

/// The size; cargo's own arguments are passed over.
fn size(arguments: Vec<String>) -> Size {
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)?.parse::<i64>().ok()
    };
    Size {
        rows: value("--rows").unwrap_or(2_000),
        runs: value("--runs")
            .and_then(|runs| usize::try_from(runs).ok())
            .unwrap_or(1)
            .max(1),
    }
}

/// A site, a simulated Deskie, and the program that is measured.
struct Bench {
    _cluster: Cluster,
    client: tokio_postgres::Client,
    simulator: Simulator,
    program: Child,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn start(program: &Path) -> Bench {
        let cluster = Cluster::start(&installed(None).unwrap(), ClusterOptions::default()).unwrap();
        cluster.create_database("site").await.unwrap();
        let client = cluster.connect("site").await.unwrap();
        sample_site::load(&client).await.unwrap();
        // Little is sent meanwhile: what is measured ends where a row is queued.
        let options = Options {
            requests_per_minute: 120,
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [listen, admin_listen] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        let places = Places {
            database_url: cluster.url("site", "deskie_cdc"),
            deskie_url: simulator.url(),
            staff_email: "api@example.com".to_owned(),
            api_key: "simulator-key".to_owned(),
            listen,
            admin_listen,
            webhook_secret: "bench-webhook-secret".to_owned(),
        };
        let config = sample_site::config(&places);
        std::fs::write(folder.path().join("deskie-cdc.toml"), config).unwrap();
        let command = |arguments: &[&str]| {
            let mut command = Command::new(program);
            command
                .args(arguments)
                .current_dir(folder.path())
                .kill_on_drop(true);
            command
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null());
            command
        };
        let admin_url = cluster.superuser_url("site");
        let set_up = command(&["setup", "--admin-url", &admin_url])
            .status()
            .await
            .unwrap();
        assert!(set_up.success(), "setup failed");
        let program = command(&["run"]).spawn().unwrap();
        let bench = Bench {
            _cluster: cluster,
            client,
            simulator,
            program,
            _folder: folder,
        };
        bench.open().await;
        bench
    }

    /// The connector works, and a ticket has its case: the ticket's number.
    async fn open(&self) -> i64 {
        let ticket = sample_site::open_ticket(&self.client, "kate@example.com", "Question", "A first one")
            .await
            .unwrap();
        let sql = "select count(*) from deskie_cdc.ticket where case_id is not null";
        let before = self.count(sql).await;
        self.until(&format!("select ({sql}) > {before}")).await;
        ticket
    }

    async fn left_out(mut self, rows: i64) -> f64 {
        let insert = "insert into messages (ticket_id, author, body, is_internal) values (4, 'agent', 'internal ' || n, true)";
        let begun = Instant::now();
        self.each(rows, insert).await;
        let links = "(select count(*) from deskie_cdc.link where section = 'message')";
        self.until(&format!(
            "select {links} >= {rows} and not exists (select from deskie_cdc.event)"
        ))
        .await;
        let took = begun.elapsed();
        let seen = "select count(*) from deskie_cdc.link where section = 'message' and state = 'seen'";
        assert_eq!(self.count(seen).await, rows);
        self.program.kill().await.unwrap();
        rows as f64 / took.as_secs_f64()
    }

    async fn messages(mut self, rows: i64) -> f64 {
        let insert = "with t as (insert into tickets (user_id, subject, body) values (2, 'Ticket ' || n, 'Body') returning id)
            insert into messages (ticket_id, author, body) select id, 'customer', 'Message ' || m from t, generate_series(1, 10) m";
        let begun = Instant::now();
        self.each(rows / 10, insert).await;
        let queued = "(select count(*) from deskie_cdc.delivery where section = 'message')";
        self.until(&format!("select {queued} >= {rows}")).await;
        let took = begun.elapsed();
        let unresolved = "select count(*) from deskie_cdc.delivery where state = 'unresolved'";
        assert_eq!(self.count(unresolved).await, 0);
        self.program.kill().await.unwrap();
        rows as f64 / took.as_secs_f64()
    }

    async fn live(mut self, tickets: i64) -> f64 {
        let import = format!(
            "insert into tickets (user_id, subject, body, created_at)
             select 3, 'Old ' || n, 'Body', now() - interval '90 days' from generate_series(1, {tickets}) n"
        );
        self.client.batch_execute(&import).await.unwrap();
        let begun = Instant::now();
        sample_site::customer_reply(&self.client, 4, "a live one")
            .await
            .unwrap();
        let arrived = || {
            let books = self.simulator.books();
            books.cases.iter().any(|case| case.conversation().len() > 1)
        };
        while !arrived() {
            assert!(begun.elapsed() < LIMIT, "the live message did not arrive");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let took = begun.elapsed();
        assert_eq!(self.simulator.books().cases.len(), 1, "an import opens no case");
        self.program.kill().await.unwrap();
        took.as_secs_f64()
    }

    /// So many transactions of one statement.
    async fn each(&self, count: i64, insert: &str) {
        let sql = format!(
            "set synchronous_commit to off;
             create or replace procedure fill() language plpgsql as $$ begin
                 for n in 1..{count} loop {insert}; commit; end loop; end $$;"
        );
        self.client.batch_execute(&sql).await.unwrap();
        self.client.batch_execute("call fill()").await.unwrap();
    }

    async fn count(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn until(&self, sql: &str) {
        let begun = Instant::now();
        while !self.client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {
            assert!(begun.elapsed() < LIMIT, "{sql}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A port of 127.0.0.1 that nobody listens on.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
