//! The transport against a real server.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::model::{Cell, Op};
use crate::pgoutput::{Relations, Streamed, decode};
use crate::postgres::catalog;
use crate::postgres::testing::{Cluster, signal};

const ODD: &str = "it's \"odd\" Ünï";
const LIMIT: Duration = Duration::from_secs(20);

async fn walsender(cluster: &Cluster) -> ReplicationConnection {
    ReplicationConnection::connect(&cluster.url(), "deskie-cdc stream")
        .await
        .expect("a walsender")
}

async fn stream(cluster: &Cluster, publications: &[&str], options: StreamOptions) -> ReplicationStream {
    let publications: Vec<String> = publications.iter().map(|name| (*name).to_owned()).collect();
    walsender(cluster)
        .await
        .start("s", &publications, Lsn(0), options)
        .await
        .expect("a stream")
}

async fn next(stream: &mut ReplicationStream) -> Frame {
    timeout(LIMIT, stream.next())
        .await
        .expect("in time")
        .expect("a frame")
}

async fn next_data(stream: &mut ReplicationStream) -> Bytes {
    loop {
        if let Frame::Data { bytes, .. } = next(stream).await {
            return bytes;
        }
    }
}

async fn slot(site: &tokio_postgres::Client) {
    let sql = "SELECT pg_create_logical_replication_slot('s', 'pgoutput')";
    site.batch_execute(sql).await.expect("a slot");
}

/// Steps up to and with the `commits`th commit.
async fn steps(stream: &mut ReplicationStream, relations: &mut Relations, commits: usize) -> Vec<Streamed> {
    let (mut steps, mut seen) = (Vec::new(), 0);
    while seen < commits {
        let message = decode(&next_data(stream).await).expect("a message");
        let step = relations.step(message).expect("a step");
        seen += usize::from(matches!(step, Streamed::Commit { .. }));
        steps.push(step);
    }
    steps
}

#[tokio::test]
async fn what_the_site_writes_is_streamed_in_order() {
    let cluster = Cluster::start(&[], "");
    let site = cluster.client().await;
    let sql = format!(
        "CREATE TABLE tickets (id int PRIMARY KEY, body text, seen timestamptz, data bytea); \
         ALTER TABLE tickets ALTER body SET STORAGE EXTERNAL; CREATE TABLE log (line text); \
         ALTER DATABASE postgres SET DateStyle TO 'German'; ALTER DATABASE postgres SET bytea_output TO escape; \
         CREATE PUBLICATION plain FOR TABLE tickets; \
         CREATE PUBLICATION {} FOR TABLE log WITH (publish = 'insert')",
        quote_ident(ODD)
    );
    site.batch_execute(&sql).await.expect("tables");
    let mut connection = walsender(&cluster).await;
    let system = connection.identify_system().await.expect("a system");
    let facts = catalog::server_facts(&site).await.expect("facts");
    assert_eq!(
        (Some(&system.system_id), system.timeline),
        (facts.system_id.as_ref(), 1)
    );
    assert_eq!(connection.timeline_history(1).await.expect("a history"), []);
    assert_eq!(
        connection.wal_sender_timeout().await.expect("a time-out"),
        Some(Duration::from_secs(60))
    );
    connection
        .create_slot("s", false, LIMIT, None)
        .await
        .expect("a slot");
    connection.close().await;
    let sql = "INSERT INTO tickets VALUES (1, repeat('x', 9000), '2026-01-02 03:04:05+00', '\\x00ff'); \
        INSERT INTO log VALUES ('one')";
    site.batch_execute(sql).await.expect("rows");
    site.batch_execute("UPDATE tickets SET seen = NULL")
        .await
        .expect("an update");
    site.batch_execute("UPDATE tickets SET id = 2")
        .await
        .expect("an update of the key");
    site.batch_execute("DELETE FROM tickets").await.expect("a delete");
    let sql = "SELECT pg_logical_emit_message(true, 'deskie_cdc', 'mark'); TRUNCATE tickets";
    site.batch_execute(sql).await.expect("a message");

    let mut stream = stream(&cluster, &["plain", ODD], StreamOptions::default()).await;
    let mut relations = Relations::default();
    let steps = steps(&mut stream, &mut relations, 5).await;
    let changes: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Streamed::Change(change) => Some((change.relation.name.table.as_str(), change)),
            _ => None,
        })
        .collect();
    let ops: Vec<_> = changes
        .iter()
        .map(|(table, change)| (*table, change.op))
        .collect();
    let expected = [
        ("tickets", Op::Insert),
        ("log", Op::Insert),
        ("tickets", Op::Update),
        ("tickets", Op::Update),
        ("tickets", Op::Delete),
    ];
    assert_eq!(ops, expected);
    let text = |text: &str| Some(Cell::Text(text.to_owned()));
    let inserted = &changes[0].1.row;
    assert_eq!(inserted.cell("body").cloned(), text(&"x".repeat(9000)));
    assert_eq!(
        inserted.cell("seen").cloned(),
        text("2026-01-02 03:04:05+00"),
        "DateStyle and TimeZone"
    );
    assert_eq!(inserted.cell("data").cloned(), text("\\x00ff"), "bytea_output");
    let updated = changes[2].1;
    assert_eq!(updated.row.cell("body"), Some(&Cell::Unchanged));
    assert_eq!(
        (updated.row.cell("seen"), &updated.old_key),
        (Some(&Cell::Null), &None)
    );
    let key = changes[3].1.old_key.as_ref().expect("the old key");
    assert_eq!((key.cell("id").cloned(), key.columns.len()), (text("1"), 1));
    assert_eq!(changes[4].1.row.cell("id").cloned(), text("2"));
    let told: Vec<_> = steps
        .iter()
        .filter(|step| !matches!(step, Streamed::Described(_)))
        .collect();
    let last = &told[told.len() - 3..];
    assert!(
        matches!(last[0], Streamed::Emitted { transactional: true, prefix, .. } if prefix == "deskie_cdc")
    );
    assert!(matches!(last[1], Streamed::Truncate(tables) if tables.len() == 1));
    let Streamed::Commit { end_lsn, .. } = *last[2] else {
        panic!("a commit")
    };

    stream.acknowledge(end_lsn);
    stream.acknowledge(Lsn(1));
    assert_eq!(stream.acknowledged(), end_lsn);
    assert!(
        stream.finish().await,
        "the server has read the last acknowledgement"
    );
    let slot = catalog::slot(&site, "s").await.expect("a query").expect("a slot");
    assert_eq!(slot.confirmed_flush, Some(end_lsn));
}

#[tokio::test]
async fn an_idle_publication_is_acknowledged_by_keepalives() {
    let cluster = Cluster::start(&["wal_sender_timeout=1s"], "");
    let site = cluster.client().await;
    let sql = "CREATE TABLE quiet (id int PRIMARY KEY); CREATE TABLE busy (id int); \
        CREATE PUBLICATION p FOR TABLE quiet; ";
    site.batch_execute(sql).await.expect("objects");
    slot(&site).await;
    let mut stream = stream(&cluster, &["p"], StreamOptions::default()).await;
    site.batch_execute("INSERT INTO busy SELECT generate_series(1, 1000)")
        .await
        .expect("rows");
    let row = site
        .query_one("SELECT pg_current_wal_flush_lsn()::text", &[])
        .await
        .expect("a position");
    let written: Lsn = row.get::<_, String>(0).parse().expect("a position");
    loop {
        match next(&mut stream).await {
            Frame::Keepalive { wal_end, .. } => {
                stream.acknowledge(wal_end);
                if wal_end >= written {
                    break;
                }
            }
            // A transaction of no interest: before 15 it came as an empty one.
            Frame::Data { .. } => {}
        }
    }
    assert!(stream.finish().await);
    let slot = catalog::slot(&site, "s").await.expect("a query").expect("a slot");
    assert!(slot.confirmed_flush >= Some(written), "{slot:?}");
}

#[tokio::test]
async fn feedback_goes_on_while_the_consumer_is_busy() {
    let cluster = Cluster::start(&["wal_sender_timeout=1s"], "");
    let site = cluster.client().await;
    let sql = "CREATE TABLE t (id int PRIMARY KEY, body text); CREATE PUBLICATION p FOR TABLE t; \
        ";
    site.batch_execute(sql).await.expect("objects");
    slot(&site).await;
    let options = StreamOptions {
        buffer: 1000,
        ..StreamOptions::default()
    };
    let mut stream = stream(&cluster, &["p"], options).await;
    // Far more than the buffer and the sockets' buffers take.
    let sql = "INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) AS n";
    site.batch_execute(sql).await.expect("rows");
    // Three times the time-out, the consumer taking nothing.
    site.batch_execute("SELECT pg_sleep(3)").await.expect("a while");
    let sql = "SELECT reply_time > now() - interval '1 s' FROM pg_stat_replication";
    let row = site.query_one(sql, &[]).await.expect("the walsender lives");
    assert!(row.get::<_, bool>(0), "and was answered lately");
    let steps = steps(&mut stream, &mut Relations::default(), 1).await;
    let changes = steps
        .iter()
        .filter(|step| matches!(step, Streamed::Change(_)))
        .count();
    assert_eq!(changes, 20_000);
}

#[tokio::test]
async fn a_row_of_any_size_is_never_held() {
    let cluster = Cluster::start(&[], "");
    let site = cluster.client().await;
    let sql = "CREATE TABLE t (id int PRIMARY KEY, a text, huge text, z text); ALTER TABLE t REPLICA IDENTITY FULL; \
        CREATE PUBLICATION p FOR TABLE t";
    site.batch_execute(sql).await.expect("objects");
    slot(&site).await;
    let sql = "INSERT INTO t VALUES (1, 'a', repeat('x', 5000000), repeat('z', 2000)); UPDATE t SET a = 'b'; \
        SELECT pg_logical_emit_message(true, 'another program', repeat('x', 3000000)); INSERT INTO t VALUES (2, 'c', 'small', NULL)";
    site.batch_execute(sql).await.expect("rows");
    let options = StreamOptions {
        held: 1000,
        ..StreamOptions::default()
    };
    let mut stream = stream(&cluster, &["p"], options).await;
    let (mut relations, mut rows, mut longest) = (Relations::default(), Vec::new(), 0);
    while rows.len() < 3 {
        let bytes = next_data(&mut stream).await;
        longest = longest.max(bytes.len());
        match relations
            .step(decode(&bytes).expect("a message"))
            .expect("a step")
        {
            Streamed::Change(change) => rows.push(change.row),
            Streamed::Emitted { prefix, content, .. } => {
                assert_eq!((prefix.as_str(), content.len()), ("another program", 0));
            }
            _ => {}
        }
    }
    assert!(longest < 10_000, "{longest} bytes were held");
    let cell = |row: &crate::model::Row, name: &str| row.cell(name).cloned();
    assert_eq!(cell(&rows[0], "huge"), Some(Cell::Unchanged));
    assert_eq!(cell(&rows[0], "z"), Some(Cell::Text("z".repeat(2000))));
    assert_eq!(cell(&rows[1], "a"), Some(Cell::Text("b".into())));
    assert_eq!(cell(&rows[2], "huge"), Some(Cell::Text("small".into())));
}

#[tokio::test]
async fn a_frozen_walsender_is_noticed() {
    let cluster = Cluster::start(&[], "");
    let site = cluster.client().await;
    let sql = "CREATE PUBLICATION p; ";
    site.batch_execute(sql).await.expect("objects");
    slot(&site).await;
    let silence = Duration::from_secs(1);
    let options = StreamOptions {
        silence,
        exact_silence: true,
        ..StreamOptions::default()
    };
    let connection = walsender(&cluster).await;
    let pid = connection.backend_pid();
    let stream = connection
        .start("s", &["p".into()], Lsn(0), options)
        .await
        .expect("a stream");
    // It lives on, idle for longer than that: it answers when asked.
    site.batch_execute("SELECT pg_sleep(2.5)").await.expect("a while");
    while let Some(frame) = stream.try_next() {
        frame.expect("a keepalive");
    }
    signal("STOP", pid);
    let error = loop {
        match timeout(LIMIT, stream.next()).await.expect("in time") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    signal("CONT", pid);
    assert!(
        matches!(error, ReplicationError::Silent(after) if after == silence),
        "{error}"
    );
    assert!(error.is_connection_lost());
    assert!(
        matches!(stream.next().await, Err(ReplicationError::Closed)),
        "the stream is over"
    );
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let cluster = Cluster::start(&["max_replication_slots=2"], "");
    let site = cluster.client().await;
    site.batch_execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t")
        .await
        .expect("p");
    let start = async |slot: &str, publication: &str| {
        let connection = walsender(&cluster).await;
        connection
            .start(slot, &[publication.to_owned()], Lsn(0), StreamOptions::default())
            .await
    };
    let error = start("s", "p").await.expect_err("no slot");
    assert!(error.slot_missing() && !error.publication_missing(), "{error}");

    let mut connection = walsender(&cluster).await;
    connection
        .create_slot("s", false, LIMIT, None)
        .await
        .expect("a slot");
    let error = connection
        .create_slot("s", false, LIMIT, None)
        .await
        .expect_err("it exists");
    assert!(error.slot_exists(), "{error}");
    let holder = start("s", "p").await.expect("a stream");
    let error = start("s", "p").await.expect_err("it is in use");
    assert!(error.slot_active(), "{error}");
    assert!(holder.finish().await);
    let error = start("s", "p").await.expect("a stream").finish().await;
    assert!(error, "the holder is gone");

    site.batch_execute("INSERT INTO t VALUES (1)")
        .await
        .expect("a row");
    let stream = start("s", "q").await.expect("it starts nevertheless");
    let error = loop {
        if let Err(error) = timeout(LIMIT, stream.next()).await.expect("in time") {
            break error;
        }
    };
    assert!(error.publication_missing() && !error.slot_missing(), "{error}");

    let mut open = cluster.client().await;
    let transaction = open.transaction().await.expect("a transaction");
    transaction
        .batch_execute("INSERT INTO t VALUES (2)")
        .await
        .expect("a row");
    let row = transaction
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .expect("a pid");
    let short = Duration::from_millis(500);
    let error = connection
        .create_slot("w", false, short, Some(&site))
        .await
        .expect_err("it waits");
    let ReplicationError::SlotBlocked { blockers, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        blockers.iter().map(|blocker| blocker.pid).collect::<Vec<_>>(),
        [row.get::<_, i32>(0)]
    );
    assert!(
        error
            .to_string()
            .contains("deskie-cdc test, in a transaction since"),
        "{error}"
    );
    transaction.rollback().await.expect("rolled back");
    connection
        .create_slot("w", false, LIMIT, Some(&site))
        .await
        .expect("the connection is still good");
    let error = connection
        .create_slot("x", false, LIMIT, None)
        .await
        .expect_err("none is free");
    assert!(error.no_slot_left(), "{error}");

    let ended = start("s", "p").await.expect("a stream");
    site.batch_execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
        .await
        .expect("terminated");
    let error = loop {
        if let Err(error) = timeout(LIMIT, ended.next()).await.expect("in time") {
            break error;
        }
    };
    assert!(error.is_connection_lost(), "{error}");
}

#[test]
fn names_are_quoted_twice() {
    let command = start_command("s", &["a".into(), "it's \"so\"".into()], Lsn(0x1_0000_0002));
    let expected = "START_REPLICATION SLOT \"s\" LOGICAL 1/2 (proto_version '1', \
                    publication_names '\"a\",\"it''s \"\"so\"\"\"', messages 'true')";
    assert_eq!(command, expected);
}

#[test]
fn a_history_is_read_line_by_line() {
    let text = "1\t0/3000000\tno recovery target specified\n\n2\t0/5000000\tbefore 2000-01-01\n";
    let switch = |timeline, switch| TimelineSwitch {
        timeline,
        switch: Lsn(switch),
    };
    assert_eq!(history(text), [switch(1, 0x300_0000), switch(2, 0x500_0000)]);
}
